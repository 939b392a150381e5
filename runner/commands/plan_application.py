"""What `matrix plan` says of an application: what is copied, what gives way, what is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from runner.application.application_lock import ApplicationLock
from runner.application.own_python import own_python
from runner.application.source import Source
from runner.application.start_command.read import CONFIG
from runner.build.suites import SUITES
from runner.commands.cells import LockedCells
from runner.matrix.application import NONE, Application, Service
from runner.matrix.cell import Cell, Experiment
from runner.store.application_record import without_credentials
from runner.text import counted

#: So many of the paths that are left out are named.
NAMED: Final = 12


def application_lines(
    experiment: Experiment, locked: LockedCells, source: Source | None
) -> Iterator[str]:
    """A section for people, nothing for an experiment without an application."""
    application = experiment.application
    if application is None:
        return
    yield ""
    yield f"application {application.app}:"
    yield f"  source: {_source_text(source)}"
    if source and (own := own_python(source.directory)):
        yield f"  its own Python: {own.text} ({own.place})"
    if source and source.left_out:
        yield f"  left out: {_named(source.left_out)}"
    if config := implicit_config(application, source, locked.all_cells):
        yield f"  {config} is read by gunicorn, unless `gunicorn_config: none` says otherwise"
    for service in application.services:
        yield f"  service {service.name}: {_service_text(service)}"
    yield from _of_locks(locked)


def _service_text(service: Service) -> str:
    if service.companion:
        return f"companion {service.companion}"
    memory = f"{service.memory_bytes >> 20} MiB"
    return f"{service.image or 'Debian: ' + ', '.join(service.debian)}, {memory}"


def _source_text(source: Source | None) -> str:
    if source is None:
        return "nothing is copied"
    rule = {"all files": "all that is there"}.get(source.rule, f"by {source.rule}")
    return f"{counted(len(source.files), 'file')}, {source.size:,} bytes, chosen {rule}"


def _named(paths: tuple[str, ...]) -> str:
    """The first of them, and how many more there are."""
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")


def implicit_config(
    application: Application, source: Source | None, cells: tuple[Cell, ...]
) -> str | None:
    """The configuration that gunicorn would find by itself, by its path in the source."""
    if application.gunicorn_config is not None or source is None:
        return None
    if not any(map(_is_gunicorn, cells)):
        return None
    path = str(PurePosixPath(application.chdir) / CONFIG)
    return path if any(file.path == path for file in source.files) else None


def _is_gunicorn(cell: Cell) -> bool:
    return "gunicorn" in cell.server.kind.packages


def _of_locks(locked: LockedCells) -> Iterator[str]:
    """What the environments' locks say, equal things once, with the cells that share them."""
    found: dict[str, list[str]] = {}
    for cell in locked.cells:
        for line in _lines(cell, locked.applications.get(cell.environment)):
            found.setdefault(line, []).append(cell.id)
    for line, cells in found.items():
        everywhere = len(cells) == len(locked.cells)
        yield f"  {line}" if everywhere else f"  {line} ({', '.join(cells)})"


def _lines(cell: Cell, lock: ApplicationLock | None) -> Iterator[str]:
    if lock is None:
        return
    yield from (f"moved: {moved}" for moved in lock.moved)
    if lock.added:
        yield f"added: {', '.join(lock.added)}"
    if built := to_be_built(lock):
        yield f"to be built: {', '.join(built)}"
    if lock.of_another_python:
        yield f"Python {cell.python}: the application's files are for another one"
    if lock.contradiction:
        yield f"taken as pinned, although that is forbidden: {lock.contradiction}"


def to_be_built(lock: ApplicationLock) -> list[str]:
    """What has no wheel: distributions of the index with their versions, and other sources."""
    sdists = (f"{one.name}=={one.version}" for one in lock.sdists)
    sources = (f"{one.name or one.place} from {one}" for one in lock.sources)
    return [*sdists, *map(without_credentials, sources)]


def application_item(
    experiment: Experiment, cell: Cell, locked: LockedCells, source: Source | None
) -> Mapping[str, Any]:
    """The key `application` of a cell in the list for programs, none without an application."""
    application = experiment.application
    if application is None:
        return {}
    lock = locked.applications.get(cell.environment)
    about = {
        "app": str(application.app),
        "source": source and _source_item(source),
        "gunicorn_config": _config(application, source, cell),
        "needs_registry": cell.python not in SUITES,
        **(_lock_item(lock) if lock else {}),
    }
    return {"application": about}


def _source_item(source: Source) -> Mapping[str, Any]:
    return {
        "rule": str(source.rule),
        "files": len(source.files),
        "bytes": source.size,
        "left_out": [*source.left_out],
    }


def _config(application: Application, source: Source | None, cell: Cell) -> str | None:
    """The configuration that is read, named or found; None where none is."""
    named = application.gunicorn_config
    if named is None:
        return implicit_config(application, source, (cell,))
    return named if named != NONE and _is_gunicorn(cell) else None


def _lock_item(lock: ApplicationLock) -> Mapping[str, Any]:
    moved = ({"name": m.name, "was": m.was, "now": m.now, "because": m.because} for m in lock.moved)
    return {
        "moved": [*moved],
        "added": [*lock.added],
        "to_be_built": to_be_built(lock),
        "of_another_python": lock.of_another_python,
        "contradiction": lock.contradiction or None,
    }
