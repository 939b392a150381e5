"""`matrix plan`: what would run, how long it takes, what cannot be had and why. Starts nothing."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

from runner.application.source import Source
from runner.build.suites import SUITES
from runner.commands.cells import Choice, LockedCells, Shard, expand, lock_chosen, locker, no_cells
from runner.commands.own import read_own
from runner.commands.own_locks import own_locker
from runner.commands.plan_application import (
    application_item,
    application_lines,
)
from runner.commands.plan_waits import waits_item, waits_lines
from runner.matrix.axes import BASE_AXES
from runner.matrix.ceiling import AbOpening, ceiling_of, configuration_of
from runner.matrix.cell import Cell, Experiment, Limits
from runner.measurement.estimate import Machine, launch_s, round_of
from runner.measurement.schedule import Jobs
from runner.paths import CACHE
from runner.report.statistics import ENOUGH_FOR_INTERVAL
from runner.store.machine import machine_of, this_host
from runner.store.run_directory import check_cache
from runner.text import NOT_KNOWN, counted, duration, span


def plan(choice: Choice, results: Path, *, as_json: bool, say: Callable[[str], None]) -> str:
    """The plan as a table for people, or as a JSON list of one object per cell.

    How long a round takes follows from what earlier runs in `results` needed on this machine.
    `say` gets remarks on the file.
    """
    experiment = expand(choice, say)
    check_cache(CACHE)
    own = read_own(experiment, results=results)
    lock_them = locker() if own is None else own_locker(own)
    locked = lock_chosen(choice, experiment, lock_them, architecture=platform.machine())
    source = own.source if own else None
    if as_json:
        return _json(experiment, locked, source)
    if not locked.all_cells:
        return no_cells(experiment, choice.shard)
    text = _text(experiment, locked, choice.shard, machine_of(results, this_host()))
    return "\n".join(
        (text, *waits_lines(locked, CACHE), *application_lines(experiment, locked, source))
    )


def _json(experiment: Experiment, locked: LockedCells, source: Source | None) -> str:
    further = [axis for axis in experiment.axes if axis not in BASE_AXES]
    items = (
        {
            **_item(cell, locked, experiment.limits, further),
            **application_item(experiment, cell, locked, source),
        }
        for cell in locked.all_cells
    )
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    return f"[\n{lines}\n]"


def _item(
    cell: Cell, locked: LockedCells, limits: Limits, further: Sequence[str]
) -> dict[str, Any]:
    lock_ = locked.lock_of(cell)
    return {
        "cell": cell.id,
        **{axis: cell.axis(axis) for axis in BASE_AXES},
        "concurrency": None if cell.rate else cell.concurrency,
        "requests": None if cell.rate else cell.requests,
        **{axis: cell.axis(axis) for axis in further},
        **({"rate": cell.rate if cell.share else cell.per_second} if "rate" in further else {}),
        "environment": lock_.key if lock_ else None,
        "ceiling_rps": ceiling_of(cell, AbOpening.FIRST_ALONE),
        "configuration_rps": configuration_of(cell, AbOpening.FIRST_ALONE),
        "predicted_s": launch_s(cell, limits) if lock_ else None,
        "unavailable": locked.unavailable.get(cell),
        "waits_in_c": waits_item(cell, locked, CACHE),
    }


def _text(
    experiment: Experiment, locked: LockedCells, shard: Shard | None, machine: Machine | None
) -> str:
    rates = {cell: _rates(cell, locked.full_loads.get(cell)) for cell in locked.cells}
    # What the configuration allows is worth a column where it is less for some cell.
    shown = 2 if any(allowed not in {most, NOT_KNOWN} for most, allowed in rates.values()) else 1
    rows = [
        (
            cell.id,
            lock_.key if (lock_ := locked.lock_of(cell)) else "",
            *rates[cell][:shown],
            duration(launch_s(cell, experiment.limits)),
        )
        for cell in locked.cells
    ]
    headings = ("ceiling, requests/s", "configuration, requests/s")[:shown]
    table = tabulate(rows, ("cell", "environment", *headings, "one launch"), disable_numparse=True)
    parts = [table, "", _total(experiment, locked, shard, machine)]
    parts += _unavailable(locked)
    parts += [f"skipped: {what}: {why}" for what, why in experiment.skipped]
    return "\n".join(parts)


def _rates(cell: Cell, full: Cell | None) -> tuple[str, str]:
    """The ceiling and what the configuration allows; of a rate in per cent, what of its baseline's.

    What a baseline reaches is limited by its own configuration.
    """
    if full:
        of = configuration_of(full, AbOpening.FIRST_ALONE)
        share = f"{cell.rate} of {'the baseline' if of is None else f'{of:.2f}'}"
        return share, share
    rates = (rate_of(cell, AbOpening.FIRST_ALONE) for rate_of in (ceiling_of, configuration_of))
    most, allowed = (NOT_KNOWN if rate is None else f"{rate:.2f}" for rate in rates)
    return most, allowed


def _total(
    experiment: Experiment, locked: LockedCells, shard: Shard | None, machine: Machine | None
) -> str:
    environments = {lock_.digest for cell in locked.cells if (lock_ := locked.lock_of(cell))}
    name = f"{experiment.name}, shard {shard}" if shard else experiment.name
    rounds = span(experiment.least_launches, experiment.launches)
    return (
        f"{name}: {counted(len(locked.cells), 'cell')} in "
        f"{counted(len(environments), 'environment')} × "
        f"{rounds} round{'s' if experiment.launches > 1 else ''}, without building "
        f"images: {_duration(experiment, locked, machine)}{_verdicts(experiment, locked)}"
    )


def _of_rounds(experiment: Experiment, seconds: float) -> str:
    """How long all rounds take: `18 min 20 s`, or `5 min 30 s to 27 min 30 s`."""
    most = duration(experiment.launches * seconds)
    least = experiment.least_launches
    return f"{duration(least * seconds)} to {most}" if least else most


def _duration(experiment: Experiment, locked: LockedCells, machine: Machine | None) -> str:
    """How long all rounds take, side by side and one by one, and what that is known from."""
    cpus = machine.cpus if machine else 1
    together, alone = (
        round_of(locked.cells, jobs, experiment.limits, machine=machine)
        for jobs in (Jobs(limit=None, cpus=cpus), Jobs(limit=1))
    )
    about = f"about {_of_rounds(experiment, together.seconds)}"
    by_one = f"{_of_rounds(experiment, alone.seconds)} with --jobs 1"
    if machine is None or not together.is_known:
        return (
            f"{about} if all cells fit side by side (this machine's cost per request is not known "
            f"yet), {by_one}"
        )
    costs = [cost for cell in locked.cells if (cost := machine.cost_of(cell)) is not None]
    groups = counted(together.groups, "group")
    return (
        f"{about} in {groups} a round, {by_one}\n"
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
    """A line that says so where there are too few launches for a verdict on what is compared."""
    baseline = experiment.baseline
    comparisons = sum(any(c.axis(a) != v for a, v in baseline) for c in locked.cells)
    if not comparisons or experiment.launches >= ENOUGH_FOR_INTERVAL:
        return ""
    what = counted(comparisons, "comparison")
    return f"\nan interval and a verdict on {what} need --launches {ENOUGH_FOR_INTERVAL} or more"


def _unavailable(locked: LockedCells) -> list[str]:
    lines = []
    if locked.unavailable:
        lines = ["", f"unavailable ({len(locked.unavailable)}):"]
        lines += [f"  {cell.id}: {reason}" for cell, reason in locked.unavailable.items()]
    without_suite = sorted({cell.python for cell in locked.cells} - SUITES.keys())
    if without_suite:
        lines += ["", f"Python {', '.join(without_suite)}: no Debian suite, needs a registry"]
    return lines
