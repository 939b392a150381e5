"""What changed between two runs, cell by cell.

A machine has its days: what two runs show of a cell is not compared, but its ratio to its own run's
baseline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tabulate import tabulate

from runner.outcome import Outcome
from runner.report.baseline import Pair as OfBaseline
from runner.report.baseline import pairs as of_baselines
from runner.report.figures import RATE
from runner.report.rows import Row
from runner.report.run import Run
from runner.report.setup_differences import Pair, setup_differences
from runner.report.statistics import ALPHA, Contrast, Sample, Verdict, contrast, sample, weighted
from runner.report.tables import NOTHING
from runner.store.records import CellRecord, RunRecord
from runner.text import one_line


class Change(StrEnum):
    """What became of a cell."""

    BETTER = "outcome improved"
    WORSE = "outcome got worse"
    OTHER = "outcome changed"
    NONE = "same outcome"
    NEW = "new"
    VANISHED = "vanished"


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """One cell of either run. `ratio` is the new median rate over the old one.

    Rates are in requests per second. `cell` names both cells where they are called differently.
    """

    cell: str
    old: Outcome | None
    new: Outcome | None
    change: Change | Verdict
    old_rate: float | None = None
    new_rate: float | None = None
    ratio: float | None = None
    reason: str | None = None

    @property
    def is_regression(self) -> bool:
        """Whether the cell is worse off than before."""
        return self.change in {Change.WORSE, Verdict.LOWER}


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs side by side."""

    old: RunRecord
    new: RunRecord
    setup_differences: tuple[str, ...]
    cells: tuple[CellComparison, ...]

    @property
    def has_regression(self) -> bool:
        """Whether any cell is worse off than before."""
        return any(cell.is_regression for cell in self.cells)


def compare(before: Run, after: Run) -> RunComparison:
    """Compare two runs; the intervals hold together over all cells that are compared."""
    pairs = paired(before, after)
    changes = _changes(before, after, pairs)
    return RunComparison(
        old=before.record,
        new=after.record,
        setup_differences=tuple(setup_differences(before, after, pairs)),
        cells=tuple(
            _cell(label, *rows, changes.get(label))
            for label, rows in _lines(before, after, pairs).items()
        ),
    )


def _lines(
    before: Run, after: Run, pairs: Sequence[Pair]
) -> dict[str, tuple[Row | None, Row | None]]:
    """What to call each cell or pair of cells, and its rows: those of the new run first."""
    by_new = {pair.new.id: pair for pair in pairs}
    lines: dict[str, tuple[Row | None, Row | None]] = {}
    for row in after.rows:
        pair = by_new.get(row.cell)
        old = before.by_cell[pair.old.id] if pair else None
        lines[pair.label if pair else row.cell] = (old, row)
    compared = {pair.old.id for pair in pairs}
    return lines | {row.cell: (row, None) for row in before.rows if row.cell not in compared}


def _changes(before: Run, after: Run, pairs: Sequence[Pair]) -> dict[str, Contrast]:
    """The ratio to the own baseline in the new run over that in the old one, by label."""
    old, new = (
        of_baselines(RATE, run.rows, run.baselines, run.launches) for run in (before, after)
    )
    found: dict[str, Sample] = {}
    for pair in pairs:
        was, now = old.get(pair.old.id), new.get(pair.new.id)
        if was and now and _is_comparable(was, now):
            parts = [(1, sample([*now.ratios.values()])), (-1, sample([*was.ratios.values()]))]
            found[pair.label] = weighted(parts)
    return {
        label: contrast(
            logarithms, comparisons=len(found), delta=after.deltas[RATE.name], alpha=ALPHA
        )
        for label, logarithms in found.items()
    }


def _is_comparable(was: OfBaseline, now: OfBaseline) -> bool:
    same = now.row.outcome is was.row.outcome or _both_answer(was.row, now.row)
    return same and all(
        one.long_enough and one.ratios and not one.is_baseline for one in (was, now)
    )


def _both_answer(old: Row, new: Row) -> bool:
    """Whether one is `ok` and the other `limited`: by how much they differ is told by their rates.

    Earlier releases did not know `limited`, and a cell near its bound may be either.
    """
    return {old.outcome, new.outcome} == {Outcome.OK, Outcome.LIMITED}


def _cell(
    cell: str,
    before: Row | None,
    after: Row | None,
    change: Contrast | None,
) -> CellComparison:
    old, new = before.outcome if before else None, after.outcome if after else None
    became: Change | Verdict
    if before is None or after is None:
        became = Change.NEW if before is None else Change.VANISHED
    elif change is not None and change.verdict is not None:
        became = change.verdict
    else:
        became = _outcome_change(old, new)
    return CellComparison(
        cell=cell,
        old=old,
        new=new,
        change=became,
        old_rate=before.requests_per_second if before else None,
        new_rate=after.requests_per_second if after else None,
        ratio=change.ratio if change else None,
        reason=after.reason if after else None,
    )


def _outcome_change(old: Outcome | None, new: Outcome | None) -> Change | Verdict:
    """Whether the new outcome is better: with figures before without, then the milder one.

    Two failures of different kinds are a change and no progress. Nor is it known for the worse
    where an outcome says nothing about the cell.
    """
    if old is new:
        return Change.NONE
    if old is None or new is None or old.says_nothing or new.says_nothing:
        return Change.OTHER
    if not (old.has_figures or new.has_figures):
        return Change.OTHER
    return Change.BETTER if new.severity < old.severity else Change.WORSE


# -- which cells are compared ----------------------------------------------------------------------


def paired(before: Run, after: Run) -> list[Pair]:
    """Cells of equal id; of an imported run also those that partly match exactly one cell."""
    olds, news = before.cells, after.cells
    pairs = [Pair(old=olds[cell], new=news[cell]) for cell in news if cell in olds]
    gone = [cell for cell in olds.values() if cell.id not in news]
    new = [cell for cell in news.values() if cell.id not in olds]
    if before.record.is_imported:
        found = _partners(gone, new, after.record.axes)
        pairs += [Pair(old=cell, new=other) for cell, other in found]
    elif after.record.is_imported:
        found = _partners(new, gone, before.record.axes)
        pairs += [Pair(old=other, new=cell) for cell, other in found]
    return pairs


def _partners(
    imported: Iterable[CellRecord], others: Sequence[CellRecord], axes: Sequence[str]
) -> list[tuple[CellRecord, CellRecord]]:
    """Imported cells with the one other cell that agrees on everything known of them.

    `axes` are the other run's: on those an imported cell's concurrency counts as known, too. A cell
    of which nothing is known matches every cell, so it is paired with none.
    """
    found = []
    for cell in imported:
        values = {axis: _value(cell, axis) for axis in (*cell.axes, *axes)}
        given = {axis: value for axis, value in values.items() if value is not None}
        matches = [o for o in others if all(_value(o, a) == value for a, value in given.items())]
        if any(cell.axes.values()) and len(matches) == 1:
            found.append((cell, matches[0]))
    claims = Counter(other.id for _, other in found)
    return [(cell, other) for cell, other in found if claims[other.id] == 1]


def _value(cell: CellRecord, axis: str) -> str | None:
    settings = {
        "python": cell.python,
        "patch": cell.patch,
        "order": cell.order,
        "server": cell.server,
        "workload": cell.workload,
        "concurrency": None if cell.concurrency is None else str(cell.concurrency),
        "rate": None if cell.rate is None else f"{cell.rate:g}",
        **cell.workload_parameters,
    }
    return settings.get(axis) or cell.packages.get(axis) or cell.axes.get(axis)


# -- for people ------------------------------------------------------------------------------------


def comparison_text(comparison: RunComparison) -> str:
    """Doubts first, then a line per cell, then the sum."""
    old, new = comparison.old, comparison.new
    lines = [f"old: {old.experiment}, run {old.run_id}", f"new: {new.experiment}, run {new.run_id}"]
    if comparison.setup_differences:
        lines += ["", "Differences in setup that could explain a difference in results:"]
        lines += [f"  {difference}" for difference in comparison.setup_differences]
    headings = ("cell", "old", "/s", "new", "/s", "new / old", "verdict")
    table = tabulate([_line(cell) for cell in comparison.cells], headings, disable_numparse=True)
    counts = Counter(str(cell.change) for cell in comparison.cells)
    total = ", ".join(f"{number} {change}" for change, number in counts.most_common())
    ending = "regression" if comparison.has_regression else "no regression"
    return "\n".join([*lines, "", table, "", *_reasons(comparison), f"{ending}: {total}"])


def _line(cell: CellComparison) -> tuple[str, ...]:
    return (
        cell.cell,
        str(cell.old or NOTHING),
        _figure(cell.old_rate, 2),
        str(cell.new or NOTHING),
        _figure(cell.new_rate, 2),
        _figure(cell.ratio, 3),
        str(cell.change),
    )


def _figure(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _reasons(comparison: RunComparison) -> list[str]:
    """Why cells ended otherwise than before, or worse."""
    reasons = [
        f"{cell.cell}: {one_line(cell.reason)}"
        for cell in comparison.cells
        if cell.reason and (cell.is_regression or cell.change is Change.OTHER)
    ]
    return [*reasons, ""] if reasons else []
