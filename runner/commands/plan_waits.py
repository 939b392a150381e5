"""What `matrix plan` says of the libraries that can block an event loop, whatever is patched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from runner.build.lock import Lock
from runner.build.waits import Waits, waits_of
from runner.commands.cells import LockedCells
from runner.text import counted

HEADING: Final = "can wait in C, where no patch of Python reaches, and block the event loop:"


def waits_lines(locked: LockedCells, cache: Path) -> Iterator[str]:
    """A section for people about the environments with gevent, as far as they are known."""
    found: dict[str, list[str]] = {}
    for lock in _locks(locked):
        for text in _texts(waits_of(lock, cache)):
            found.setdefault(text, []).append(lock.key)
    if found:
        yield ""
        yield HEADING
    everywhere = len([*_locks(locked)])
    for text, keys in found.items():
        yield f"  {text}" if len(keys) == everywhere else f"  {text} in {', '.join(keys)}"


def waits_item(lock: Lock | None, cache: Path) -> dict[str, Any] | None:
    """The same of one cell's lock for programs, None without gevent."""
    if lock is None or not _has_loop(lock):
        return None
    return asdict(waits_of(lock, cache))


def _locks(locked: LockedCells) -> Iterator[Lock]:
    """Each environment with gevent, once."""
    locks = {lock.digest: lock for cell in locked.cells if (lock := locked.lock_of(cell))}
    yield from filter(_has_loop, locks.values())


def _has_loop(lock: Lock) -> bool:
    return "gevent" in lock.versions


def _texts(waits: Waits) -> Iterator[str]:
    yield from map(str, waits.waiting)
    if waits.unknown:
        what = counted(len(waits.unknown), "distribution")
        yield f"not known yet of {what} that no run has installed here: {', '.join(waits.unknown)}"
