"""What `matrix plan` says of the libraries that can block an event loop, whatever is patched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from runner.build.waits import Waits, waits_of
from runner.commands.cells import LockedCells
from runner.matrix.cell import Cell

HEADING: Final = "can wait in C, where no patch of Python reaches, and block the event loop:"


def waits_lines(locked: LockedCells, cache: Path) -> Iterator[str]:
    """A section for people about the environments with gevent, as far as they are known."""
    environments = {lock.key: cell for cell in locked.cells if (lock := locked.lock_of(cell))}
    with_loop = {
        key: waits for key, cell in environments.items() if (waits := _waits(cell, locked, cache))
    }
    found: dict[str, list[str]] = {}
    for key, waits in with_loop.items():
        for text in _texts(waits):
            found.setdefault(text, []).append(key)
    if found:
        yield ""
        yield HEADING
    for text, keys in found.items():
        yield f"  {text}" if len(keys) == len(with_loop) else f"  {text}; in {', '.join(keys)}"


def waits_item(cell: Cell, locked: LockedCells, cache: Path) -> dict[str, Any] | None:
    """The same of one cell for programs, None without gevent."""
    waits = _waits(cell, locked, cache)
    return None if waits is None else asdict(waits)


def _waits(cell: Cell, locked: LockedCells, cache: Path) -> Waits | None:
    lock = locked.lock_of(cell)
    if lock is None or "gevent" not in lock.versions:
        return None
    application = locked.applications.get(cell.environment)
    return waits_of(lock, cache, application.sdists if application else ())


def _texts(waits: Waits) -> Iterator[str]:
    yield from map(str, waits.waiting)
    if waits.unknown:
        yield f"known only once a run has installed them here: {', '.join(waits.unknown)}"
