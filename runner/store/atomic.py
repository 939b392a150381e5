"""Files that are there whole or not at all, whatever interrupts the writing."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from runner.errors import UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT}
#: Of linux/fcntl.h and linux/fs.h: relative to the current directory; swap the two names.
_AT_FDCWD, _EXCHANGE = -100, 2


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file aside, sync it, rename it into place, and sync the directory.

    Raises `UsageError` with the path and a remedy where that fails; the file is then as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write_synced(temporary, data)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        _discard(temporary)


def link_atomic(link: Path, target: Path) -> None:
    """Point a symbolic link at a target, relative to the link's directory, in one step."""
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()))
        temporary.replace(link)
        sync_directory(link.parent)
    except OSError as error:
        raise unwritable(link, error) from error
    finally:
        _discard(temporary)


def replace_directory(path: Path, new: Path) -> None:
    """Put a finished directory in the place of another, or of none, in one step.

    What was there before is at `new` afterwards. Where the file system cannot exchange two names
    at once, `path` is missing for a moment between two renames.
    """
    try:
        if not path.exists():
            new.rename(path)
        elif not _exchanged(path, new):
            aside = new.with_name(f"{new.name}.old")
            path.rename(aside)
            new.rename(path)
            aside.rename(new)
        sync_directory(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def make_directory(path: Path, *, exclusive: bool = False) -> None:
    """Make a directory and its parents, and sync what holds their names.

    With `exclusive` a directory that is there already raises `FileExistsError`.
    """
    missing = [parent for parent in (path, *path.parents) if not parent.exists()]
    path.mkdir(parents=True, exist_ok=not exclusive)
    for made in missing:
        sync_directory(made.parent)


def sync_directory(path: Path) -> None:
    """Make a directory's entries survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> UsageError:
    """The error for a path that cannot be written, with its remedy."""
    if error.errno in _FULL:
        return UsageError(
            f"{path}: no room left on the disk; free some space, or pass another --results DIR"
        )
    reason = error.strerror or str(error)
    return UsageError(
        f"{path}: cannot be written ({reason}); mend its permissions, or pass another --results DIR"
    )


def _exchanged(first: Path, second: Path) -> bool:
    """Whether the two names were exchanged: renameat2(2), which Python has no function for."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    result: int = rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _EXCHANGE)
    return result == 0


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _discard(temporary: Path) -> None:
    with suppress(OSError):  # the error that brought us here matters more than what it left
        temporary.unlink(missing_ok=True)
