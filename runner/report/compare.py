"""What changed from some runs to others, cell by cell.

A machine is faster on some days than on others, and all launches of a run share one: so between
runs the unit is the run, not the launch. With three runs on both sides the figures themselves are
compared. With fewer, each cell's ratio to its own run's baseline is, which such days do not change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Final

from runner.outcome import Outcome
from runner.report.baseline import TOO_SHORT, alpha_of
from runner.report.figures import FIGURES, Figure
from runner.report.pairing import Match, paired
from runner.report.run import Run
from runner.report.setup_differences import setup_differences
from runner.report.side import Measured, Side, Values, values_of
from runner.report.statistics import (
    ALPHA,
    ENOUGH_FOR_INTERVAL,
    Contrast,
    Sample,
    Verdict,
    contrast,
    sample,
    weighted,
)
from runner.store.records import RunRecord

#: So many runs a side have a spread of their own, so that their figures can be compared.
ENOUGH_RUNS: Final = ENOUGH_FOR_INTERVAL
#: The figures whose ratio to a baseline does not depend on the day.
SAME_EVERY_DAY: Final = frozenset({"rate", "rss"})
TOO_FEW_RUNS: Final = "absolute figures need three runs a side"


class Change(StrEnum):
    """What became of a cell's outcome."""

    BETTER = "outcome improved"
    WORSE = "outcome got worse"
    OTHER = "outcome changed"
    NONE = "same outcome"
    NEW = "new"
    VANISHED = "vanished"


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """One cell of either side, with what each side knows of it: None if it has no such cell.

    `contrasts` are the new figures over the old ones by the figure's name, of the figures that both
    sides have. `cell` names both cells where they are called differently. `absolute` is as in
    `RunComparison`.
    """

    cell: str
    old: Measured | None
    new: Measured | None
    change: Change
    contrasts: Mapping[str, Contrast]
    absolute: bool

    @property
    def worse(self) -> list[Figure]:
        """The figures that are worse than before.

        Of fewer than three runs a side those do not count whose ratio to a baseline has days of its
        own: one that is higher may be so on that day alone.
        """
        counted = [f for f in FIGURES if self.absolute or f.name in SAME_EVERY_DAY]
        return [f for f in counted if self.verdict(f) is f.worse]

    def verdict(self, figure: Figure) -> Verdict | None:
        """What is known of the figure; None if it is not compared."""
        found = self.contrasts.get(figure.name)
        return found.verdict if found else None

    @property
    def is_regression(self) -> bool:
        """Whether the cell is worse off than before."""
        return self.change is Change.WORSE or bool(self.worse)


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two sides, of one or more runs each.

    `absolute`: whether figures themselves are compared, not ratios to a baseline. `deltas` are the
    shares by which a figure must differ before that matters, by its name.
    """

    old: tuple[RunRecord, ...]
    new: tuple[RunRecord, ...]
    absolute: bool
    deltas: Mapping[str, float]
    setup_differences: tuple[str, ...]
    cells: tuple[CellComparison, ...]

    @property
    def has_regression(self) -> bool:
        """Whether any cell is worse off than before."""
        return any(cell.is_regression for cell in self.cells)


def compare(old: Sequence[Run], new: Sequence[Run]) -> RunComparison:
    """Compare runs with others; the intervals of a figure hold together over all cells."""
    before, after = Side(runs=tuple(old)), Side(runs=tuple(new))
    pairs = paired(before, after)
    absolute = min(len(old), len(new)) >= ENOUGH_RUNS
    deltas = new[-1].deltas
    contrasts: dict[str, dict[str, Contrast]] = {}
    for figure in FIGURES:
        for label, found in _contrasts(
            before, after, pairs, figure, absolute=absolute, delta=deltas[figure.name]
        ).items():
            contrasts.setdefault(label, {})[figure.name] = found
    return RunComparison(
        old=tuple(run.record for run in old),
        new=tuple(run.record for run in new),
        absolute=absolute,
        deltas=deltas,
        setup_differences=tuple(setup_differences(before, after, pairs)),
        cells=tuple(
            CellComparison(
                cell=label,
                old=was,
                new=now,
                change=_outcome_change(was, now),
                contrasts=contrasts.get(label, {}),
                absolute=absolute,
            )
            for label, was, now in _lines(before, after, pairs)
        ),
    )


def _lines(
    before: Side, after: Side, pairs: Sequence[Match]
) -> Iterator[tuple[str, Measured | None, Measured | None]]:
    """What to call each cell or pair of cells, and what is known: those of the new runs first."""
    by_new = {pair.new.id: pair for pair in pairs}
    for cell, now in after.measured.items():
        pair = by_new.get(cell)
        yield (pair.label, before.measured[pair.old.id], now) if pair else (cell, None, now)
    compared = {pair.old.id for pair in pairs}
    for cell, was in before.measured.items():
        if cell not in compared:
            yield cell, was, None


def _outcome_change(before: Measured | None, after: Measured | None) -> Change:
    """Whether the new outcome is better: with figures before without, then the milder one.

    Two failures of different kinds are a change and no progress. Nor is it known for the worse
    where an outcome says nothing about the cell. `ok` and `limited` differ by where a bound is
    drawn: what became worse, the figures tell.
    """
    if before is None or after is None:
        return Change.NEW if before is None else Change.VANISHED
    old, new = before.outcome, after.outcome
    if old is new:
        return Change.NONE
    if old is None or new is None or old.says_nothing or new.says_nothing or old.counts_as(new):
        return Change.OTHER
    if not (old.has_figures or new.has_figures):
        return Change.OTHER
    return Change.BETTER if new.severity < old.severity else Change.WORSE


# -- figures ---------------------------------------------------------------------------------------


def _contrasts(
    before: Side,
    after: Side,
    pairs: Sequence[Match],
    figure: Figure,
    *,
    absolute: bool,
    delta: float,
) -> dict[str, Contrast]:
    """The new figure over the old one, by the pair's label, where both have it."""
    old, new = values_of(before, figure), values_of(after, figure)
    changes = {
        pair.label: _change(was, now, figure, absolute=absolute)
        for pair in pairs
        if _same_kind(before.measured[pair.old.id].outcome, after.measured[pair.new.id].outcome)
        and (was := old.get(pair.old.id))
        and (now := new.get(pair.new.id))
    }
    judged = sum(isinstance(change, Sample) for change in changes.values())
    alpha = ALPHA if absolute else _alpha_of_rounds(before, after)
    return {
        label: change
        if isinstance(change, Contrast)
        else contrast(change, comparisons=judged, delta=delta, alpha=alpha)
        for label, change in changes.items()
    }


def _same_kind(old: Outcome | None, new: Outcome | None) -> bool:
    return old is not None and old.counts_as(new)


def _alpha_of_rounds(before: Side, after: Side) -> float:
    """The least of the runs': one that ended once it was precise enough has too narrow a spread."""
    return min(alpha_of(run.record, run.launches) for side in (before, after) for run in side.runs)


def _change(was: Values, now: Values, figure: Figure, *, absolute: bool) -> Sample | Contrast:
    """The mean logarithm of the change, or why it is not judged."""
    if absolute:
        reason = _why_not_absolute(was, now)
        return _undecided(was.own, now.own, reason) if reason else ratio_of(was.own, now.own)
    if not (was.has_baseline and now.has_baseline):
        return _undecided(was.own, now.own, TOO_FEW_RUNS)
    if reason := was.reason or now.reason or _why_too_few(was, now, figure):
        return _undecided(was.ratios, now.ratios, reason)
    return ratio_of(was.ratios, now.ratios)


def _why_too_few(was: Values, now: Values, figure: Figure) -> str | None:
    """How many rounds of each side can be compared, if they are too few for an interval."""
    rounds = [len(was.ratios), len(now.ratios)]
    if min(rounds) >= ENOUGH_FOR_INTERVAL:
        return None
    alike = " after as many attempts, so beside as many others" * figure.depends_on_neighbours
    return (
        f"{rounds[0]} → {rounds[1]} rounds have figures of the cell and its baseline{alike}; an "
        f"interval needs {ENOUGH_FOR_INTERVAL} on each side"
    )


def _why_not_absolute(was: Values, now: Values) -> str | None:
    if min(len(was.own), len(now.own)) < ENOUGH_RUNS:
        return TOO_FEW_RUNS
    return TOO_SHORT if was.short or now.short else None


def ratio_of(old: Sequence[float], new: Sequence[float]) -> Sample:
    """The mean of the new logarithms over that of the old ones, with Welch's error."""
    return weighted([(1, sample(new)), (-1, sample(old))])


def _undecided(old: Sequence[float], new: Sequence[float], reason: str) -> Contrast:
    ratio = math.exp(fmean(new) - fmean(old)) if old and new else None
    return Contrast(ratio=ratio, verdict=Verdict.UNDECIDED, reason=reason)
