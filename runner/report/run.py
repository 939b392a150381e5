"""A run with everything that follows from its records: made once, and passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from runner.options import THRESHOLD
from runner.report.baseline import baselines, with_speedup
from runner.report.rows import Launches, Row, rows_of
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run: its record, its launches by cell, its rows in table order, each row's baseline.

    `baselines` are by the cell of the row that is compared with them; rows without one are not in
    it.
    """

    record: RunRecord
    launches: Launches
    rows: tuple[Row, ...]
    baselines: Mapping[str, Row]

    @cached_property
    def cells(self) -> dict[str, CellRecord]:
        """The records of all cells by id, those that cannot be measured last."""
        return {cell.id: cell for cell in (*self.record.cells, *self.record.unavailable)}

    @cached_property
    def by_cell(self) -> dict[str, Row]:
        """The rows by their cells' ids, in table order."""
        return {row.cell: row for row in self.rows}

    def measured(self) -> Iterator[Row]:
        """The rows with performance figures."""
        for row in self.rows:
            if row.outcome is not None and row.outcome.has_figures and row.requests_per_second:
                yield row


def collate(record: RunRecord, launches: Launches, *, threshold: float = THRESHOLD) -> Run:
    """The run that these records are of, measured to its end or not.

    `threshold` is the share by which medians must differ before a difference is called one.
    """
    rows = rows_of(record, launches)
    found = baselines(rows, record)
    finished = tuple(with_speedup(rows, found, launches, threshold))
    by_cell = {row.cell: row for row in finished}
    return Run(
        record=record,
        launches=launches,
        rows=finished,
        baselines={cell: by_cell[base.cell] for cell, base in found.items()},
    )


def read_run(directory: RunDirectory, *, threshold: float = THRESHOLD) -> Run:
    """The run that is stored in a directory; `UsageError` where it cannot be read."""
    return collate(directory.read_run(), directory.launches(), threshold=threshold)
