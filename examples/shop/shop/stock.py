"""The warehouse, a gRPC service: one channel a process, opened when its worker starts."""

from __future__ import annotations

import os

import grpc

METHOD = "/upstream.Upstream/Unary"
_channel: grpc.Channel | None = None


def open_channel() -> grpc.Channel:
    """The process's channel. A channel that was opened before a fork does not work after it."""
    global _channel  # noqa: PLW0603
    if _channel is None:
        _channel = grpc.insecure_channel(os.environ.get("UPSTREAM", "upstream:7802"))
    return _channel


def reserve(seconds: float) -> None:
    """Reserve what is ordered, which takes the warehouse so long."""
    asked = str(seconds).encode()
    answer = open_channel().unary_unary(METHOD)(asked, timeout=30)
    if answer != asked:
        raise RuntimeError(f"the warehouse answered {answer!r}")
