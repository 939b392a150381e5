"""The stage between cells as requested and cells with exact versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.environments.lock import Lock, Unavailable, lock_all, platform_of
from runner.spec.cell import Cell, EnvironmentRequest, Experiment
from runner.spec.exact import with_exact
from runner.spec.select import select

#: Locks, installed packages: what can be made again. Beside the checkout, never in results.
CACHE = Path(".cache")


@dataclass(frozen=True, kw_only=True)
class LockedCells:
    """Cells with exact versions, those that cannot be had, and the lock of each environment.

    `locks` is keyed by the environment of the exact cells; `unavailable` maps a cell to the reason.
    """

    cells: tuple[Cell, ...]
    locks: Mapping[EnvironmentRequest, Lock]
    unavailable: Mapping[Cell, str]


def lock(
    experiment: Experiment, patterns: tuple[str, ...], *, architecture: str, fresh: bool = False
) -> LockedCells:
    """Resolve every environment, give cells their exact versions, and select among those."""
    requests = dict.fromkeys(cell.environment for cell in experiment.cells)
    platform = platform_of(architecture)
    found = lock_all(requests, platform=platform, cache_directory=CACHE, fresh=fresh)
    locks: dict[EnvironmentRequest, Lock] = {}
    unavailable: dict[Cell, str] = {}
    cells: list[Cell] = []
    for cell in experiment.cells:
        result = found[cell.environment]
        if isinstance(result, Unavailable):
            unavailable[cell] = result.reason
            continue
        exact = with_exact(cell, result.versions)
        locks.setdefault(exact.environment, result)
        cells.append(exact)
    chosen = set(select((*cells, *unavailable), patterns, experiment.axes))
    return LockedCells(
        cells=tuple(cell for cell in dict.fromkeys(cells) if cell in chosen),
        locks=locks,
        unavailable={cell: why for cell, why in unavailable.items() if cell in chosen},
    )
