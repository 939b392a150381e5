"""Whether a run is precise enough to end after a round, and what keeps it from that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.axis_values import axis_text
from runner.report.baseline import TOO_FEW_ROUNDS, by_round
from runner.report.figures import FIGURES, Figure
from runner.report.modes import Mode, modes
from runner.report.row import Row
from runner.report.run import Run, collate, common_rounds, launches_by_cell
from runner.store.records import RunRecord
from runner.text import counted, percent

#: So many of several things are named; the others are counted.
MOST_NAMED: Final = 4
NARROW: Final = "no interval of a patch mode reaches further than δ from its ratio"
NO_BASELINE: Final = "it has no baseline here"
NOT_OF_BOTH: Final = "not known of both the cells and their baselines"


@dataclass(frozen=True, kw_only=True)
class Wide:
    """An interval that is wider than its δ, on either side of the ratio; shares: 0.12 is 12 %."""

    what: str
    share: float
    delta: float

    @property
    def size(self) -> str:
        """How wide it is."""
        return f"± {100 * self.share:.3g} %"


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How precise a run is, by its patch modes.

    Of `compared` figures `intervals` have one. `wide` are those that are too wide, `waiting` what
    will have one after further rounds, `without` what cannot have one, each with the reason.
    """

    compared: int
    intervals: int
    wide: tuple[Wide, ...]
    waiting: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        """Whether further rounds are not needed."""
        return not self.wide and not self.waiting


def precision(run: Run) -> Precision:
    """How precise the run's comparisons are.

    What cannot have an interval, however many rounds follow, is in `without`: cells that failed,
    loads that are too short, figures that are known of one side only.
    """
    compared = [mode for mode in modes(run) if not mode.is_baseline]
    found = [(mode, figure) for mode in compared for figure in FIGURES]
    with_contrast = [(m, f) for m, f in found if f.name in m.contrasts]
    return Precision(
        compared=len(with_contrast),
        intervals=sum(m.contrasts[f.name].half_width is not None for m, f in with_contrast),
        wide=tuple(wide for m, f in with_contrast if (wide := _wide(run, m, f))),
        waiting=tuple(_what(m, [f.label]) for m, f in with_contrast if _is_waiting(run, m, f)),
        without=tuple(_without(run, compared)),
    )


def _what(mode: Mode, labels: Sequence[str]) -> str:
    return f"{', '.join(labels)} of {mode_name(mode)}"


def mode_name(mode: Mode) -> str:
    """`gevent`, or with what else varies: `gevent (rate 45)`."""
    values = {axis: axis_text(value) for axis, value in mode.values.items() if value is not None}
    patch = values.pop("patch", "cells without a patch mode")
    others = ", ".join(f"{axis} {value}" for axis, value in values.items())
    return f"{patch} ({others})" if others else patch


def _wide(run: Run, mode: Mode, figure: Figure) -> Wide | None:
    half, delta = mode.contrasts[figure.name].half_width, run.deltas[figure.name]
    if half is None or half <= math.log1p(delta):
        return None
    return Wide(what=_what(mode, [figure.label]), share=math.expm1(half), delta=delta)


def _is_waiting(run: Run, mode: Mode, figure: Figure) -> bool:
    """Whether all launches have the figure, and only rounds are missing that cells share.

    Too few do where a run is young, or where some cells were measured before and others were not.
    Launches that ended in another way lack it: how a cell ends is not waited for. One that the
    engine failed in says nothing of its cell.
    """
    if mode.contrasts[figure.name].reason != TOO_FEW_ROUNDS:
        return False
    rows = (run.by_cell[cell] for cell in mode.compared[figure.name])
    both = (one for row in rows for one in (row, run.baselines[row.cell]))
    return all(len(by_round(figure, row, run.launches)) == _telling(run, row) for row in both)


def _telling(run: Run, row: Row) -> int:
    """How many launches of the row say something of its cell."""
    return sum(one.outcome is not Outcome.ENGINE_ERROR for one in run.launches[row.cell])


def _without(run: Run, compared: Iterable[Mode]) -> Iterator[str]:
    """What has no interval and will have none, by the reason: modes that have it in common."""
    found: dict[tuple[str, str], list[str]] = {}
    for mode in compared:
        reasons: dict[str, list[str]] = {}
        for figure in FIGURES:
            if reason := _why_without(run, mode, figure):
                reasons.setdefault(reason, []).append(figure.label)
        for reason, labels in reasons.items():
            found.setdefault((", ".join(labels), reason), []).append(mode_name(mode))
    for (figures, reason), names in found.items():
        yield f"{figures} of {', '.join(names)} ({reason})"


def _why_without(run: Run, mode: Mode, figure: Figure) -> str | None:
    """Why the mode's figure has no interval; None if it has one, or none of its cells works."""
    if contrast := mode.contrasts.get(figure.name):
        return None if _is_waiting(run, mode, figure) else contrast.reason
    working = [row for row in mode.rows if row.outcome and row.outcome.has_figures]
    if not working or not run.record.baseline:
        return None
    return NOT_OF_BOTH if any(row.cell in run.baselines for row in working) else NO_BASELINE


# -- at the end of a round -------------------------------------------------------------------------


def at_round(record: RunRecord, launches: Iterable[LaunchRecord], number: int) -> Run:
    """The run as it is after so many rounds, whatever there is of later ones."""
    made = [launch for launch in launches if launch.launch <= number]
    return collate(record, launches_by_cell(made))


def is_enough(record: RunRecord, launches: Iterable[LaunchRecord], number: int) -> bool:
    """Whether a run ends after so many rounds, of which the last is this one."""
    least = record.least_launches
    if least is None or number < least:
        return False
    return is_precise(record, launches, number)


def is_precise(record: RunRecord, launches: Iterable[LaunchRecord], last: int) -> bool:
    """Whether a run's intervals are narrow enough, by its launches up to that number."""
    return precision(at_round(record, launches, last)).is_enough


def why_ended(record: RunRecord, launches: Sequence[LaunchRecord]) -> str:
    """Why a run of as many rounds as needed has ended: `after 4 rounds: …`."""
    number = common_rounds(launches)
    return why_ended_after(record, launches, number, number)


def why_ended_after(
    record: RunRecord, launches: Iterable[LaunchRecord], number: int, last: int
) -> str:
    """The same of a run of so many rounds, whose launches have numbers up to `last`."""
    found = precision(at_round(record, launches, last))
    rounds = counted(number, "round")
    if not found.is_enough:
        return f"after {rounds}, the maximum: {obstacles(found)}"
    if not found.compared:
        reached = "nothing is compared"
    elif not found.intervals:
        reached = "no comparison can have an interval"
    else:
        reached = NARROW
    without = f"; without an interval: {_some(found.without)}" if found.without else ""
    return f"after {rounds}: {reached}{without}"


def obstacles(found: Precision) -> str:
    """What keeps a run from being precise enough, the widest intervals first."""
    widest = sorted(found.wide, key=lambda wide: wide.share / wide.delta, reverse=True)
    return _some(
        [
            *(f"{w.what} is still {w.size}, wider than {percent(w.delta)}" for w in widest),
            *(f"{what} has too few rounds for an interval" for what in found.waiting),
        ]
    )


def _some(texts: Sequence[str]) -> str:
    further = len(texts) - MOST_NAMED
    return "; ".join([*texts[:MOST_NAMED], f"{further} more"] if further > 0 else texts)


def round_text(record: RunRecord, launches: Iterable[LaunchRecord], number: int) -> str:
    """One line on a run after a round that is not its last."""
    found = precision(at_round(record, launches, number))
    if not found.compared:
        return "nothing to compare yet"
    if found.wide or (found.waiting and found.intervals):
        return obstacles(found)
    if found.waiting:
        return "too few rounds for intervals yet"
    if not found.intervals:
        return f"without an interval: {_some(found.without)}"
    return NARROW
