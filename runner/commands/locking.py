"""The stage between cells as requested and cells with exact versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from runner.build.lock import Lock, Unavailable, lock_all, platform_of
from runner.errors import UsageError
from runner.matrix.cell import (
    Cell,
    EnvironmentRequest,
    Experiment,
    Requirement,
    pinned,
    with_requirements,
)
from runner.matrix.select import select

#: Locks, installed packages: what can be made again. Beside the checkout, never in results.
CACHE = Path(".cache")
#: A Python and the identity of a set of requirements: cells that share them share the object, and
#: comparing it by value for every one of 100,000 cells is what a plan of them would spend its time
#: on.
Key = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class LockedCells:
    """Cells with exact versions, those that cannot be had, and the lock of each environment.

    `locks` is keyed by the environment of the exact cells; `unavailable` maps a cell to the reason.
    """

    cells: tuple[Cell, ...]
    locks: Mapping[EnvironmentRequest, Lock]
    unavailable: Mapping[Cell, str]

    def lock_of(self, cell: Cell) -> Lock | None:
        """The lock of one of these cells, None for an unavailable one."""
        return self._locks_by_key[_key(cell)]

    @cached_property
    def _locks_by_key(self) -> dict[Key, Lock | None]:
        environments = _environments((*self.cells, *self.unavailable))
        return {key: self.locks.get(request) for key, request in environments.items()}


def lock(
    experiment: Experiment,
    patterns: tuple[str, ...],
    *,
    architecture: str,
    fresh: bool = False,
    may_be_none: bool = False,
) -> LockedCells:
    """Resolve every environment, give cells their exact versions, and select among those.

    That none is left is an error, unless there `may_be_none`.
    """
    requests = _environments(experiment.cells)
    found = lock_all(
        dict.fromkeys(requests.values()),
        platform=platform_of(architecture),
        cache_directory=CACHE,
        fresh=fresh,
    )
    results = {key: found[request] for key, request in requests.items()}
    exact = {
        key: pinned(result.request.requirements, result.versions)
        for key, result in results.items()
        if isinstance(result, Lock)
    }
    cells: list[Cell] = []
    unavailable: dict[Cell, str] = {}
    for cell in experiment.cells:
        result = results[_key(cell)]
        if isinstance(result, Unavailable):
            unavailable[cell] = result.reason
        else:
            cells.append(with_requirements(cell, exact[_key(cell)]))
    locked = LockedCells(
        cells=tuple(dict.fromkeys(cells)), locks=_locks(results, exact), unavailable=unavailable
    )
    try:
        return _selected(locked, patterns, experiment.axes)
    except UsageError:
        if may_be_none:
            return replace(locked, cells=(), unavailable={})
        raise


def _key(cell: Cell) -> Key:
    return cell.python, id(cell.requirements)


def _environments(cells: Iterable[Cell]) -> dict[Key, EnvironmentRequest]:
    representatives = {_key(cell): cell for cell in cells}
    return {key: cell.environment for key, cell in representatives.items()}


def _locks(
    results: Mapping[Key, Lock | Unavailable], exact: Mapping[Key, tuple[Requirement, ...]]
) -> dict[EnvironmentRequest, Lock]:
    """Locks by the environments of exact cells; two requests may have come to the same set."""
    locks: dict[EnvironmentRequest, Lock] = {}
    for key, result in results.items():
        if isinstance(result, Lock):
            locks.setdefault(replace(result.request, requirements=exact[key]), result)
    return locks


def _selected(locked: LockedCells, patterns: tuple[str, ...], axes: Iterable[str]) -> LockedCells:
    if not patterns:
        return locked
    chosen = set(select((*locked.cells, *locked.unavailable), patterns, axes))
    return replace(
        locked,
        cells=tuple(cell for cell in locked.cells if cell in chosen),
        unavailable={cell: why for cell, why in locked.unavailable.items() if cell in chosen},
    )
