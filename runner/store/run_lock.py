"""One run at a time per results directory."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import UsageError
from runner.store.atomic import unwritable


@contextmanager
def only_run(results: Path) -> Iterator[None]:
    """Hold the directory for the block; `UsageError` names who holds it already.

    The kernel drops the lock with the process that holds it, so a dead run's is never in the way;
    the file says who, for the message.
    """
    path = results / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 1000).decode("utf-8", "replace").strip()
            raise UsageError(
                f"{results}: another run is using it ({holder or 'just begun'}): wait for it, end "
                "it, or pass another --results DIR"
            ) from None
        os.ftruncate(descriptor, 0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.write(
            descriptor, f"pid {os.getpid()} on {socket.gethostname()} since {since}\n".encode()
        )
        yield
    finally:
        os.close(descriptor)
