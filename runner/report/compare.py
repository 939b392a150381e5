"""What changed between two runs: the rule of a single table, cell by cell, and what casts doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.measurement.records import LaunchRecord
from runner.options import THRESHOLD
from runner.outcome import Outcome
from runner.report.doubts import Side, doubts
from runner.report.pairing import Pair, paired
from runner.report.row import Row
from runner.report.rows import collate
from runner.report.speedup import rates_by_round
from runner.report.statistics import Comparison, Difference, differences
from runner.store.records import RunRecord


class Change(StrEnum):
    """What became of a cell."""

    BETTER = "outcome improved"
    WORSE = "outcome got worse"
    OTHER = "outcome changed"
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
    change: Change | Difference
    old_rate: float | None = None
    new_rate: float | None = None
    ratio: float | None = None
    reason: str | None = None

    @property
    def is_regression(self) -> bool:
        """Whether the cell is worse off than before."""
        return self.change in {Change.WORSE, Difference.SLOWER}


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs side by side. `doubts` are differences of method and machine, named first."""

    old: RunRecord
    new: RunRecord
    doubts: tuple[str, ...]
    cells: tuple[CellComparison, ...]

    @property
    def has_regression(self) -> bool:
        """Whether any cell is worse off than before."""
        return any(cell.is_regression for cell in self.cells)


def compare(
    old: tuple[RunRecord, Mapping[str, Sequence[LaunchRecord]]],
    new: tuple[RunRecord, Mapping[str, Sequence[LaunchRecord]]],
    *,
    threshold: float = THRESHOLD,
) -> RunComparison:
    """Compare two runs; Holm's correction is over all cells that have rates in both.

    `threshold` is the share by which medians must differ to count.
    """
    before, after = (
        Side(run=run, launches=launches, rows={row.cell: row for row in collate(run, launches)})
        for run, launches in (old, new)
    )
    pairs = paired(before.run, after.run)
    rated = _rated(before, after, pairs)
    verdicts = dict(zip(rated, differences([*rated.values()], threshold=threshold), strict=True))
    return RunComparison(
        old=before.run,
        new=after.run,
        doubts=tuple(doubts(before, after, pairs)),
        cells=tuple(
            _cell(label, *rows, verdicts.get(label), rated.get(label))
            for label, rows in _lines(before, after, pairs).items()
        ),
    )


def _lines(
    before: Side, after: Side, pairs: Sequence[Pair]
) -> dict[str, tuple[Row | None, Row | None]]:
    """What to call each cell or pair of cells, and its rows: those of the new run first."""
    by_new = {pair.new.id: pair for pair in pairs}
    lines: dict[str, tuple[Row | None, Row | None]] = {}
    for cell, row in after.rows.items():
        pair = by_new.get(cell)
        lines[pair.label if pair else cell] = (before.rows[pair.old.id] if pair else None, row)
    held = {pair.old.id for pair in pairs}
    return lines | {cell: (row, None) for cell, row in before.rows.items() if cell not in held}


def _rated(before: Side, after: Side, pairs: Sequence[Pair]) -> dict[str, Comparison]:
    """Pairs of equal outcome with rates on both sides, new against old."""
    found = {}
    for pair in pairs:
        old, new = before.rows[pair.old.id], after.rows[pair.new.id]
        reference = rates_by_round(old, before.launches)
        values = rates_by_round(new, after.launches)
        if values and reference and new.outcome is old.outcome:
            found[pair.label] = Comparison(
                values=tuple(values.values()), reference=tuple(reference.values())
            )
    return found


def _cell(
    cell: str,
    before: Row | None,
    after: Row | None,
    verdict: Difference | None,
    rates: Comparison | None,
) -> CellComparison:
    old, new = before.outcome if before else None, after.outcome if after else None
    change: Change | Difference
    if before is None or after is None:
        change = Change.NEW if before is None else Change.VANISHED
    elif verdict is not None:
        change = verdict
    else:
        change = _outcome_change(old, new)
    return CellComparison(
        cell=cell,
        old=old,
        new=new,
        change=change,
        old_rate=before.requests_per_second if before else None,
        new_rate=after.requests_per_second if after else None,
        ratio=rates.ratio if rates else None,
        reason=after.reason if after else None,
    )


def _outcome_change(old: Outcome | None, new: Outcome | None) -> Change | Difference:
    """Whether the new outcome is better: with figures before without, then the milder one.

    Two failures of different kinds are a change and no progress. Nor is it known for the worse
    where an outcome says nothing about the cell.
    """
    if old is new:
        return Difference.NONE_SHOWN
    if old is None or new is None or old.says_nothing or new.says_nothing:
        return Change.OTHER
    if not (old.has_figures or new.has_figures):
        return Change.OTHER
    return Change.BETTER if new.severity < old.severity else Change.WORSE
