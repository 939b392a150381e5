"""Talk to a process in a container, with a deadline.

docker-py's own reader waits for ever on a stream that has gone silent, so the attached socket is
read here. The framing is the Engine API's "stream format" of container attach: 8 bytes of header
(stream type, three zero bytes, big-endian length), then the payload.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any

from runner.errors import EngineError

HEADER = struct.Struct(">BxxxL")
STDOUT, STDERR = 1, 2
#: After so many seconds a silent stream is looked at again: it may have been closed meanwhile.
LONGEST_WAIT_S = 1.0


class _DeadlinePassedError(Exception):
    pass


def read_exec(stream: Any, timeout: float) -> tuple[bool, bytes, bytes]:  # noqa: ANN401
    """Return (whether the command ended in time, its stdout, its stderr); `timeout` in seconds.

    `stream` is what docker-py's `exec_start(socket=True)` returns: a socket, or a file around one.
    """
    raw = getattr(stream, "_sock", stream)
    deadline = time.monotonic() + timeout
    streams: dict[int, bytearray] = {STDOUT: bytearray(), STDERR: bytearray()}
    finished = True
    try:
        while frame := _read_frame(raw, deadline):
            kind, payload = frame
            streams.setdefault(kind, bytearray()).extend(payload)
    except _DeadlinePassedError:
        finished = False
    finally:
        _close(stream)
    return finished, bytes(streams[STDOUT]), bytes(streams[STDERR])


class AttachedProcess:
    """`Attached` over docker-py's `stream`, as for `read_exec`."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        self._stream = stream
        self._raw = getattr(stream, "_sock", stream)
        self._stdout = bytearray()
        self._stderr = bytearray()

    def ask(self, line: str, *, timeout: float) -> bytes:
        """Send a line and return the one answered."""
        deadline = time.monotonic() + timeout
        try:
            self._raw.settimeout(timeout)
            self._raw.sendall(f"{line}\n".encode())
            while b"\n" not in self._stdout:
                self._receive(deadline)
        except _DeadlinePassedError:
            raise EngineError(f"no answer within {timeout:.0f} s") from None
        except OSError as error:
            raise EngineError(f"the connection to the container broke: {error}") from error
        answer, _, self._stdout = self._stdout.partition(b"\n")
        return bytes(answer)

    def _receive(self, deadline: float) -> None:
        frame = _read_frame(self._raw, deadline)
        if frame is None:
            last = self._stderr.decode("utf-8", "replace").strip().splitlines()
            raise EngineError(f"it has ended: {last[-1] if last else 'it printed nothing'}")
        kind, payload = frame
        (self._stderr if kind == STDERR else self._stdout).extend(payload)

    def close(self) -> None:
        """Hang up; a thread that waits for an answer gets an `EngineError`."""
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)
        _close(self._stream)


def _read_frame(raw: Any, deadline: float) -> tuple[int, bytes] | None:  # noqa: ANN401
    """The stream's next frame, as its type and payload; None if the stream has ended."""
    header = _read(raw, HEADER.size, deadline)
    if not header:
        return None
    kind, length = HEADER.unpack(header)
    return kind, _read(raw, length, deadline)


def _read(raw: Any, size: int, deadline: float) -> bytes:  # noqa: ANN401
    """Read exactly `size` bytes, or b"" where the stream ended first."""
    data = bytearray()
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _DeadlinePassedError
        # A socket that another thread closes does not wake the one that waits on it.
        raw.settimeout(min(left, LONGEST_WAIT_S))
        try:
            chunk = raw.recv(size - len(data))
        except TimeoutError:
            continue
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
