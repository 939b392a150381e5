"""Read what a command in a container prints, with a deadline.

docker-py's own reader waits for ever on a stream that has gone silent, so the attached socket is
read here. The framing is the Engine API's "stream format" of container attach: 8 bytes of header
(stream type, three zero bytes, big-endian length), then the payload.
"""

from __future__ import annotations

import contextlib
import struct
import time
from typing import Any

HEADER = struct.Struct(">BxxxL")
STDERR = 2


class _DeadlinePassedError(Exception):
    pass


def read_exec(stream: Any, timeout: float) -> tuple[bool, bytes, bytes]:  # noqa: ANN401
    """Return (whether the command ended in time, its stdout, its stderr); `timeout` in seconds.

    `stream` is what docker-py's `exec_start(socket=True)` returns: a socket, or a file around one.
    """
    raw = getattr(stream, "_sock", stream)
    deadline = time.monotonic() + timeout
    streams: dict[int, bytearray] = {1: bytearray(), STDERR: bytearray()}
    finished = True
    try:
        while header := _read(raw, HEADER.size, deadline):
            kind, length = HEADER.unpack(header)
            streams.setdefault(kind, bytearray()).extend(_read(raw, length, deadline))
    except _DeadlinePassedError:
        finished = False
    finally:
        _close(stream)
    return finished, bytes(streams[1]), bytes(streams[STDERR])


def _read(raw: Any, size: int, deadline: float) -> bytes:  # noqa: ANN401
    """Read exactly `size` bytes, or b"" where the stream ended first."""
    data = bytearray()
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _DeadlinePassedError
        raw.settimeout(left)
        try:
            chunk = raw.recv(size - len(data))
        except TimeoutError:
            raise _DeadlinePassedError from None
        if not chunk:
            return b""
        data.extend(chunk)
    return bytes(data)


def _close(stream: Any) -> None:  # noqa: ANN401
    """Close the HTTP response that docker-py hangs on the socket, then the socket under it."""
    response = getattr(stream, "_response", None)
    for item in (response, stream):
        if item is not None:
            with contextlib.suppress(OSError):
                item.close()
