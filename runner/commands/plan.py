"""`matrix plan`: what would run, how long it takes, what cannot be had and why. Starts nothing."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from runner.build.base import SUITES
from runner.commands.choice import Choice, expand, no_cells
from runner.commands.locking import LockedCells, lock_chosen
from runner.commands.shard import Shard
from runner.matrix.axes import BASE_AXES
from runner.matrix.ceiling import AbOpening, ceiling_of
from runner.matrix.cell import Cell, Experiment, Limits
from runner.measurement import estimate
from runner.measurement.coschedule import Jobs
from runner.progress import duration
from runner.report.statistics import launches_needed


def plan(choice: Choice, *, as_json: bool) -> str:
    """The plan as a table for people, or as a JSON list of one object per cell."""
    experiment = expand(choice)
    locked = lock_chosen(choice, experiment, architecture=platform.machine())
    if as_json:
        return _json(experiment, locked)
    if not locked.all_cells:
        return no_cells(experiment, choice.shard)
    return _text(experiment, locked, choice.shard)


def _json(experiment: Experiment, locked: LockedCells) -> str:
    further = [axis for axis in experiment.axes if axis not in BASE_AXES]
    items = [_item(cell, locked, experiment.limits, further) for cell in locked.all_cells]
    return json.dumps(items, indent=2, ensure_ascii=False)


def _item(
    cell: Cell, locked: LockedCells, limits: Limits, further: Sequence[str]
) -> dict[str, Any]:
    lock_ = locked.lock_of(cell)
    return {
        "cell": cell.id,
        **{axis: cell.axis(axis) for axis in BASE_AXES},
        "concurrency": cell.concurrency,
        "requests": cell.requests,
        **{axis: cell.axis(axis) for axis in further},
        "environment": lock_.key if lock_ else None,
        "ceiling_rps": ceiling_of(cell, AbOpening.FIRST_ALONE),
        "predicted_s": estimate.launch_s(cell, limits) if lock_ else None,
        "unavailable": locked.unavailable.get(cell),
    }


def _text(experiment: Experiment, locked: LockedCells, shard: Shard | None) -> str:
    rows = [
        (
            cell.id,
            lock_.key if (lock_ := locked.lock_of(cell)) else "",
            _rate(cell),
            duration(estimate.launch_s(cell, experiment.limits)),
        )
        for cell in locked.cells
    ]
    headings = ("cell", "environment", "ceiling, requests/s", "one launch")
    table = tabulate(rows, headings, disable_numparse=True)
    parts = [table, "", _total(experiment, locked, shard)]
    parts += _unavailable(locked)
    parts += [f"skipped: {what}: {why}" for what, why in experiment.skipped]
    return "\n".join(parts)


def _rate(cell: Cell) -> str:
    ceiling = ceiling_of(cell, AbOpening.FIRST_ALONE)
    return "not known" if ceiling is None else f"{ceiling:.2f}"


def _total(experiment: Experiment, locked: LockedCells, shard: Shard | None) -> str:
    environments = {lock_.digest for cell in locked.cells if (lock_ := locked.lock_of(cell))}
    together, alone = (
        duration(experiment.launches * estimate.run_s(locked.cells, jobs, experiment.limits))
        for jobs in (Jobs(limit=None), Jobs(limit=1))
    )
    name = f"{experiment.name}, shard {shard}" if shard else experiment.name
    return (
        f"{name}: {len(locked.cells)} cells in {len(environments)} environments × "
        f"{experiment.launches} launch{'es' if experiment.launches > 1 else ''}: about {together} "
        f"where all fit side by side, {alone} with --jobs 1 (the images not counted)"
        f"{_verdicts(experiment, locked)}"
    )


def _verdicts(experiment: Experiment, locked: LockedCells) -> str:
    """A line on how many launches a verdict needs; nothing where nothing is compared."""
    baseline = experiment.baseline
    comparisons = sum(any(c.axis(a) != v for a, v in baseline) for c in locked.cells)
    if not comparisons:
        return ""
    what = f"{comparisons} comparison{'s' if comparisons > 1 else ''}"
    return f"\na verdict on {what} needs --launches {launches_needed(comparisons)}"


def _unavailable(locked: LockedCells) -> list[str]:
    lines = []
    if locked.unavailable:
        lines = ["", f"unavailable ({len(locked.unavailable)}):"]
        lines += [f"  {cell.id}: {reason}" for cell, reason in locked.unavailable.items()]
    without_suite = sorted({cell.python for cell in locked.cells} - SUITES.keys())
    if without_suite:
        lines += ["", f"Python {', '.join(without_suite)}: no Debian suite, needs a registry"]
    return lines
