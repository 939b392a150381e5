"""Cells one after the other against side by side: figures per cell, and the wall clock.

From one sitting: `--jobs 1`, then `--jobs auto`, the cells of `sleep`, one launch each. The wall
clock is that of measuring: from the first load's first to the last load's last moment, pods brought
up and removed in between. By default with fewer requests than the article's 5,000, so that it ends
in minutes; `--full` takes its load, which is 44 minutes one after the other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.common import PROJECT_MATRIX, Measured, Options, figure, measured
from bench.overhead import ab_s
from runner.commands.cells import Choice
from runner.measurement.records import LaunchRecord

EXPERIMENT = "sleep"
REQUESTS = 400
GOAL_RATIO = 18.0

#: A figure of a launch, None if it has none.
Value = Callable[[LaunchRecord], float | None]


def _rate(record: LaunchRecord) -> float | None:
    return record.ab.requests_per_second if record.ab else None


def _p99(record: LaunchRecord) -> float | None:
    return record.ab.p99_ms if record.ab else None


def _cpu(record: LaunchRecord) -> float | None:
    return record.resources.cpu_ms_per_request if record.resources else None


#: What is compared: name, value, and the share by which side by side may differ.
FIGURES: tuple[tuple[str, Value, float], ...] = (
    ("requests/s", _rate, 0.005),
    ("p99", _p99, 0.02),
    ("CPU per request", _cpu, 0.10),
)


def run(options: Options) -> Iterator[str]:
    """Wall clocks, then for each figure the worst cell and the median cell."""
    requests = None if options.full else options.requests or REQUESTS
    choice = Choice(file=PROJECT_MATRIX, experiment=EXPERIMENT, requests=requests, launches=1)
    with tempfile.TemporaryDirectory() as name:
        alone = measured(choice, Path(name) / "alone", jobs=1, cells=options.cells)
        yield figure(f"{len(alone.launches)} cells, --jobs 1", f"{wall_s(alone):.1f} s")
        together = measured(choice, Path(name) / "together", jobs=None, cells=options.cells)
        yield figure(f"{len(together.launches)} cells, --jobs auto", f"{wall_s(together):.1f} s")
        yield from _clock(alone, together)
        yield from compared(firsts(alone), firsts(together))
        again = [record for _, record in together.timeline.ends if record.disturbed]
        yield figure("side by side: launches disturbed", f"{len(again)}")


def _clock(alone: Measured, together: Measured) -> Iterator[str]:
    ratio = wall_s(alone) / wall_s(together)
    yield figure(
        "wall clock, one after the other over side by side",
        f"{ratio:.1f}×",
        "≥ 18 (26 cells at full load)",
        met=ratio >= GOAL_RATIO,
    )


def firsts(done: Measured) -> dict[str, LaunchRecord]:
    """Each cell's launch, of those with figures."""
    return {c: records[0] for c, records in done.launches.items() if records[0].outcome.has_figures}


def wall_s(done: Measured) -> float:
    """Seconds from the first load's first to the last load's last moment."""
    begin = min(moment - ab_s(record) for moment, record in done.timeline.ends)
    return max(moment for moment, _ in done.timeline.ends) - begin


def compared(alone: dict[str, LaunchRecord], together: dict[str, LaunchRecord]) -> Iterator[str]:
    """For each figure: the cell that side by side changed most, and the median change."""
    for name, value, allowed in FIGURES:
        changes = {}
        for cell in alone.keys() & together.keys():
            before, after = value(alone[cell]), value(together[cell])
            if before and after is not None:
                changes[cell] = after / before - 1
        worst = max(changes, key=lambda cell: abs(changes[cell]))
        yield figure(
            f"{name}: worst cell",
            f"{changes[worst]:+.2%}",
            f"within {allowed:.1%}",
            met=abs(changes[worst]) <= allowed,
        )
        yield f"    ({worst}; of {len(changes)} cells {over(changes, allowed)} beyond the goal)"
        yield figure(f"{name}: median cell", f"{median(changes.values()):+.2%}")


def over(changes: dict[str, float], allowed: float) -> int:
    """How many cells changed by more than is allowed."""
    return sum(abs(change) > allowed for change in changes.values())
