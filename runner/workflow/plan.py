"""`matrix plan`: what would run, how long it takes, what cannot be had and why. Starts nothing."""

from __future__ import annotations

import json
import platform
from typing import Any

from tabulate import tabulate

from runner.environments.base import SUITES
from runner.measurement import estimate
from runner.progress import duration
from runner.spec.ceiling import AbOpening, ceiling_rps
from runner.spec.cell import Cell, Experiment
from runner.workflow.choice import Choice, expand
from runner.workflow.locking import LockedCells, lock


def plan(choice: Choice, *, as_json: bool) -> str:
    """The plan as a table for people, or as a JSON list of one object per cell."""
    experiment = expand(choice)
    locked = lock(experiment, choice.select, architecture=platform.machine())
    if as_json:
        return _json(locked)
    return _text(experiment, locked)


def _json(locked: LockedCells) -> str:
    """One object a line: as easy to read, and a tenth of the time that `indent` takes."""
    lines = ",\n".join(json.dumps(_item(cell, locked)) for cell in _all(locked))
    return f"[\n{lines}\n]"


def _all(locked: LockedCells) -> list[Cell]:
    return [*locked.cells, *locked.unavailable]


def _ceiling(cell: Cell) -> float | None:
    return ceiling_rps(
        requests=cell.requests,
        concurrency=cell.concurrency,
        service_s=cell.workload.seconds,
        opening=AbOpening.FIRST_ALONE,
    )


def _item(cell: Cell, locked: LockedCells) -> dict[str, Any]:
    lock_ = locked.locks.get(cell.environment)
    return {
        "cell": cell.id,
        "python": cell.python,
        "gevent": cell.version("gevent"),
        "grpcio": cell.version("grpcio"),
        "patch": str(cell.patch),
        "server": str(cell.server),
        "workload": cell.workload.name,
        "concurrency": cell.concurrency,
        "requests": cell.requests,
        "environment": lock_.key if lock_ else None,
        "ceiling_rps": _ceiling(cell),
        "predicted_s": estimate.launch_s(cell) if lock_ else None,
        "unavailable": locked.unavailable.get(cell),
    }


def _text(experiment: Experiment, locked: LockedCells) -> str:
    rows = [
        (
            cell.id,
            locked.locks[cell.environment].key,
            f"{_ceiling(cell) or 0:.2f}",
            duration(estimate.launch_s(cell)),
        )
        for cell in locked.cells
    ]
    headings = ("cell", "environment", "ceiling, requests/s", "one launch")
    parts = [tabulate(rows, headings, disable_numparse=True), "", _total(experiment, locked)]
    parts += _unavailable(locked)
    return "\n".join(parts)


def _total(experiment: Experiment, locked: LockedCells) -> str:
    seconds = sum(estimate.launch_s(cell) for cell in locked.cells) * experiment.launches
    environments = {cell.environment for cell in locked.cells}
    return (
        f"{experiment.name}: {len(locked.cells)} cells in {len(environments)} environments × "
        f"{experiment.launches} launch{'es' if experiment.launches > 1 else ''}, "
        f"about {duration(seconds)} one after the other (the images not counted)"
    )


def _unavailable(locked: LockedCells) -> list[str]:
    lines = []
    if locked.unavailable:
        lines = ["", f"unavailable ({len(locked.unavailable)}):"]
        lines += [f"  {cell.id}: {reason}" for cell, reason in locked.unavailable.items()]
    without_suite = sorted({cell.python for cell in locked.cells} - SUITES.keys())
    if without_suite:
        lines += ["", f"Python {', '.join(without_suite)}: no Debian suite, needs a registry"]
    return lines
