"""The stage between cells as requested and cells with exact versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runner.build.lock import Lock, Unavailable, lock_all, platform_of
from runner.commands.choice import Choice
from runner.matrix.cell import Cell, EnvironmentRequest, Experiment
from runner.matrix.select import may_match, no_match, parse
from runner.paths import CACHE


@dataclass(frozen=True, kw_only=True)
class LockedCells:
    """Cells with exact versions, those that are not available, and the environments' locks.

    `locks` is keyed by the environment of the exact cells; `unavailable` maps a cell to the reason.
    """

    cells: tuple[Cell, ...]
    locks: Mapping[EnvironmentRequest, Lock]
    unavailable: Mapping[Cell, str]

    @property
    def all_cells(self) -> tuple[Cell, ...]:
        """The cells with exact versions, then those that are not available."""
        return (*self.cells, *self.unavailable)

    def lock_of(self, cell: Cell) -> Lock | None:
        """The lock of one of these cells, None for an unavailable one."""
        return self.locks.get(cell.environment)


def lock_chosen(
    choice: Choice, experiment: Experiment, *, architecture: str, fresh: bool = False
) -> LockedCells:
    """Lock the experiment's cells, and keep those whose exact versions are selected.

    Raises `UsageError` if none is, except for a shard: other shards may have them.
    """
    locked = lock(experiment, architecture=architecture, cache=CACHE, fresh=fresh)
    globs = parse(choice.select, experiment.axes)
    selected = replace(
        locked,
        cells=tuple(cell for cell in locked.cells if may_match(cell, globs)),
        unavailable={c: why for c, why in locked.unavailable.items() if may_match(c, globs)},
    )
    if not selected.all_cells and not choice.shard:
        raise no_match(locked.all_cells, globs)
    return selected


def lock(
    experiment: Experiment, *, architecture: str, cache: Path, fresh: bool = False
) -> LockedCells:
    """Resolve every environment, and give the cells their exact versions."""
    found = lock_all(
        dict.fromkeys(cell.environment for cell in experiment.cells),
        platform=platform_of(architecture),
        cache_directory=cache,
        fresh=fresh,
    )
    exact: dict[EnvironmentRequest, EnvironmentRequest] = {}
    locks: dict[EnvironmentRequest, Lock] = {}
    for request, result in found.items():
        if isinstance(result, Lock):
            exact[request] = request.locked(result.versions)
            locks.setdefault(exact[request], result)  # two may come to the same versions
    cells: dict[Cell, None] = {}
    unavailable: dict[Cell, str] = {}
    for cell in experiment.cells:
        result = found[cell.environment]
        if isinstance(result, Unavailable):
            unavailable[cell] = result.reason
        else:
            cells[cell.locked(exact[cell.environment])] = None
    return LockedCells(cells=tuple(cells), locks=locks, unavailable=unavailable)
