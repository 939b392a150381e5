"""The directory that all runs go to: whether it can be used, and by one run at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.store.atomic import unwritable

#: A run of a thousand launches leaves some 30 MiB.
ROOM_BYTES: Final = 50 * 1024 * 1024


def check_results(results: Path) -> None:
    """Make the results directory where it is missing, and see that it can be written to.

    Raises `UsageError` with the remedy where it is a file, read-only, or on a full disk.
    """
    for path in (results, *results.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"{path}: is a file, not a directory; move it away, or pass another --results DIR"
            )
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results) as probe:
            probe.write(b"?")
        free = shutil.disk_usage(results).free
    except OSError as error:
        raise unwritable(results, error) from error
    if free < ROOM_BYTES:
        raise UsageError(
            f"{results}: no room: {free >> 20} MiB free, {ROOM_BYTES >> 20} MiB needed; "
            "free some space, or pass another --results DIR"
        )


@contextmanager
def only_run(results: Path) -> Iterator[None]:
    """Lock the directory for the block; `UsageError` names the run that has locked it.

    The kernel drops the lock with the process that holds it, so a dead run never
    blocks another. The file's content is for the message.
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
                f"{results}: another run is using it ({holder or 'just started'}): wait for it, "
                "stop it, or pass another --results DIR"
            ) from None
        os.ftruncate(descriptor, 0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.write(
            descriptor, f"pid {os.getpid()} on {socket.gethostname()} since {since}\n".encode()
        )
        yield
    finally:
        os.close(descriptor)
