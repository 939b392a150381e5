"""Which cell of an old run is held against which of a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.store.records import CellRecord, RunRecord


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A cell of the old run and the one of the new run that it is held against."""

    old: CellRecord
    new: CellRecord

    @property
    def label(self) -> str:
        """Their id, or both where they differ."""
        return self.new.id if self.old.id == self.new.id else f"{self.old.id} → {self.new.id}"


def paired(old: RunRecord, new: RunRecord) -> list[Pair]:
    """Cells of equal id; of an imported run also those that partly match exactly one cell."""
    before, after = _cells(old), _cells(new)
    pairs = [Pair(old=before[cell], new=after[cell]) for cell in after if cell in before]
    olds = [cell for cell in before.values() if cell.id not in after]
    news = [cell for cell in after.values() if cell.id not in before]
    if old.is_imported:
        pairs += [Pair(old=cell, new=other) for cell, other in _partners(olds, news, new.axes)]
    elif new.is_imported:
        pairs += [Pair(old=other, new=cell) for cell, other in _partners(news, olds, old.axes)]
    return pairs


def _cells(run: RunRecord) -> Mapping[str, CellRecord]:
    return {cell.id: cell for cell in (*run.cells, *run.unavailable)}


def _partners(
    imported: Iterable[CellRecord], others: Sequence[CellRecord], axes: Sequence[str]
) -> list[tuple[CellRecord, CellRecord]]:
    """Imported cells with the one other cell that agrees on all that is said of them.

    `axes` are the other run's: on those an imported cell's concurrency counts as said, too. A cell
    that nothing was said of matches everything, which is to say nothing.
    """
    found = []
    for cell in imported:
        said = {axis: _value(cell, axis) for axis in (*cell.axes, *axes)}
        said = {axis: value for axis, value in said.items() if value is not None}
        matches = [o for o in others if all(_value(o, a) == value for a, value in said.items())]
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
        "concurrency": str(cell.concurrency),
        **cell.workload_parameters,
    }
    return settings.get(axis) or cell.packages.get(axis) or cell.axes.get(axis)
