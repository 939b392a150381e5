"""Files that are there whole or not at all, also when the process that writes them is killed.

Nothing is synced to the disk: what a power failure takes can be measured again.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from runner.errors import UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file aside and rename it into place.

    Raises `UsageError` with the path and a remedy if that fails; the file is then as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
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
    except OSError as error:
        raise unwritable(link, error) from error
    finally:
        _discard(temporary)


def replace_directory(path: Path, new: Path) -> None:
    """Put a finished directory in the place of another, or of none.

    What was there before is at `new` afterwards. Between two renames `path` is missing; where the
    second fails, the old directory has its name again.
    """
    aside = new.with_name(f"{new.name}.old")
    try:
        if path.exists():
            path.rename(aside)
        try:
            new.rename(path)
        except OSError:
            if aside.exists():
                aside.rename(path)
            raise
        if aside.exists():
            aside.rename(new)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(
    path: Path, error: OSError, otherwise: str = "pass another --results DIR"
) -> UsageError:
    """The error for a path that cannot be written, with its remedy."""
    if error.errno in _FULL:
        return UsageError(f"{path}: no room left on the disk; free some space, or {otherwise}")
    reason = error.strerror or str(error)
    return UsageError(f"{path}: cannot be written ({reason}); fix its permissions, or {otherwise}")


def _discard(temporary: Path) -> None:
    with suppress(OSError):  # the error that brought us here matters more than what it left
        temporary.unlink(missing_ok=True)
