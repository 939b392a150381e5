"""`matrix plan`: what would run, how long it takes, what cannot be had and why. Starts nothing."""

from __future__ import annotations

import gc
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from pydantic_core import to_json

from runner.build.base import SUITES
from runner.commands import host
from runner.commands.choice import Choice, expand, no_cells
from runner.commands.locking import LockedCells, lock
from runner.commands.shard import Shard
from runner.matrix.ceiling import AbOpening, ceiling_of
from runner.matrix.cell import Cell, Experiment, Limits
from runner.measurement.coschedule import Jobs
from runner.measurement.estimate import Machine, launch_s, round_of
from runner.progress import duration
from runner.report.statistics import launches_needed
from runner.store.speed import machine_of

#: The axes that every cell of the plan names.
NAMED = {"python", "gevent", "grpcio", "patch", "server", "workload", "concurrency"}


def plan(choice: Choice, results: Path, *, as_json: bool) -> str:
    """The plan as a table for people, or as a JSON list of one object per cell.

    How long a round takes follows from what earlier runs in `results` needed on this machine.
    """
    with _no_collector():
        experiment = expand(choice)
        locked = lock(
            experiment,
            choice.select,
            architecture=platform.machine(),
            may_be_none=choice.shard is not None,
        )
        if as_json:
            return _json(experiment, locked)
        if not _all(locked):
            return no_cells(experiment, choice.shard)
        return _text(experiment, locked, choice.shard, machine_of(results, host.describe()))


@contextmanager
def _no_collector() -> Iterator[None]:
    """Switch the garbage collector off: it searches 100,000 cells for circles there are none of."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _json(experiment: Experiment, locked: LockedCells) -> str:
    further = [axis for axis in experiment.axes if axis not in NAMED]
    items = (_item(cell, locked, experiment.limits, further) for cell in _all(locked))
    return to_json(items, indent=2).decode()


def _all(locked: LockedCells) -> list[Cell]:
    return [*locked.cells, *locked.unavailable]


def _item(
    cell: Cell, locked: LockedCells, limits: Limits, further: Sequence[str]
) -> dict[str, Any]:
    lock_ = locked.lock_of(cell)
    return {
        "cell": cell.id,
        "python": cell.python,
        "gevent": cell.version("gevent"),
        "grpcio": cell.version("grpcio"),
        "patch": cell.patch,
        "server": str(cell.server),
        "workload": cell.workload.name,
        "concurrency": cell.concurrency,
        "requests": cell.requests,
        **{axis: cell.axis(axis) for axis in further},
        "environment": lock_.key if lock_ else None,
        "ceiling_rps": ceiling_of(cell, AbOpening.FIRST_ALONE),
        "predicted_s": launch_s(cell, limits) if lock_ else None,
        "unavailable": locked.unavailable.get(cell),
    }


def _text(
    experiment: Experiment, locked: LockedCells, shard: Shard | None, machine: Machine | None
) -> str:
    rows = [
        (
            cell.id,
            lock_.key if (lock_ := locked.lock_of(cell)) else "",
            _rate(cell),
            duration(launch_s(cell, experiment.limits)),
        )
        for cell in locked.cells
    ]
    headings = ("cell", "environment", "ceiling, requests/s", "one launch")
    parts = [_columns([headings, *rows]), "", _total(experiment, locked, shard, machine)]
    parts += _unavailable(locked)
    parts += [f"left out: {what}: {why}" for what, why in experiment.left_out]
    return "\n".join(parts)


def _rate(cell: Cell) -> str:
    ceiling = ceiling_of(cell, AbOpening.FIRST_ALONE)
    return "not known" if ceiling is None else f"{ceiling:.2f}"


def _columns(lines: list[tuple[str, ...]]) -> str:
    """Lines of cells as columns, the first a heading. A library takes a second for 100,000."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    form = "  ".join(f"{{:<{width}}}" for width in widths)
    rule = tuple("-" * width for width in widths)
    return "\n".join(form.format(*line).rstrip() for line in (lines[0], rule, *lines[1:]))


def _total(
    experiment: Experiment, locked: LockedCells, shard: Shard | None, machine: Machine | None
) -> str:
    environments = {lock_.digest for cell in locked.cells if (lock_ := locked.lock_of(cell))}
    name = f"{experiment.name}, shard {shard}" if shard else experiment.name
    return (
        f"{name}: {len(locked.cells)} cells in {len(environments)} environments × "
        f"{experiment.launches} launch{'es' if experiment.launches > 1 else ''}, without building "
        f"images: {_duration(experiment, locked, machine)}{_verdicts(experiment, locked)}"
    )


def _duration(experiment: Experiment, locked: LockedCells, machine: Machine | None) -> str:
    """How long all rounds take, side by side and one by one, and what that is known from."""
    cpus = machine.cpus if machine else 1
    together, alone = (
        round_of(locked.cells, jobs, experiment.limits, machine=machine)
        for jobs in (Jobs(limit=None, cpus=cpus), Jobs(limit=1))
    )
    about = f"about {duration(experiment.launches * together.seconds)}"
    by_one = f"{duration(experiment.launches * alone.seconds)} with --jobs 1"
    if machine is None or not together.is_known:
        return (
            f"{about} if all cells fit side by side (this machine's cost per request is not known "
            f"yet), {by_one}"
        )
    costs = [cost for cell in locked.cells if (cost := machine.cost_of(cell)) is not None]
    rounds = f"{together.groups} group{'s' if together.groups > 1 else ''}"
    return (
        f"{about} in {rounds} a round, {by_one}\n"
        f"(a request cost {1000 * median(costs):.2f} ms of CPU here, by runs up to {machine.run}"
        f"{_repeats(machine)})"
    )


def _repeats(machine: Machine) -> str:
    """What the prediction leaves out, where it mattered in the newest run."""
    if not machine.repeated:
        return ""
    return (
        f"; there, {machine.repeated} of {machine.launches} launches were disturbed and repeated, "
        "which is not counted"
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
