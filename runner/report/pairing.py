"""Which cells of two sides are compared with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.report.side import Side
from runner.store.records import CellRecord


@dataclass(frozen=True, kw_only=True)
class Match:
    """A cell of the old runs and the one of the new runs that it is compared with."""

    old: CellRecord
    new: CellRecord

    @property
    def label(self) -> str:
        """Their id, or both where they differ."""
        return self.new.id if self.old.id == self.new.id else f"{self.old.id} → {self.new.id}"


def paired(before: Side, after: Side) -> list[Match]:
    """Cells of equal id; of an imported run also those that partly match exactly one cell."""
    olds, news = before.cells, after.cells
    pairs = [Match(old=olds[cell], new=news[cell]) for cell in news if cell in olds]
    gone = [cell for cell in olds.values() if cell.id not in news]
    new = [cell for cell in news.values() if cell.id not in olds]
    if before.is_imported:
        found = _partners(gone, new, after.axes)
        pairs += [Match(old=cell, new=other) for cell, other in found]
    elif after.is_imported:
        found = _partners(new, gone, before.axes)
        pairs += [Match(old=other, new=cell) for cell, other in found]
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
        "placement": cell.placement,
        "server": cell.server,
        "workload": cell.workload,
        "concurrency": None if cell.concurrency is None else str(cell.concurrency),
        "rate": None if cell.rate is None else f"{cell.rate:g}",
        **cell.workload_parameters,
    }
    return settings.get(axis) or cell.packages.get(axis) or cell.axes.get(axis)
