"""A run with everything that follows from its records: made once, and passed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.records import LaunchRecord
from runner.report.attempts import NONE_REJECTED, with_attempts
from runner.report.baseline import alpha_of, baselines, with_contrasts
from runner.report.figures import deltas
from runner.report.row import Launches, Row
from runner.report.rows import rows_of
from runner.store.diagnoses import diagnoses as stored_diagnoses
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run: its record, its launches by cell, its rows in table order.

    `baselines` are the rows' baselines by the rows' cells, `deltas` the shares by which a figure
    must differ before that matters, by the figure's name.
    `rejected` are attempts that were disturbed and repeated, by launch and attempt. They are in no
    figure of the rows. Nor are `diagnoses`, by cell: what launches beside the measured ones found.
    """

    record: RunRecord
    launches: Launches
    rows: tuple[Row, ...]
    baselines: Mapping[str, Row]
    deltas: Mapping[str, float]
    rejected: Launches = field(default_factory=dict)
    diagnoses: Mapping[str, DiagnosisRecord] = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[str, CellRecord]:
        """The records of all cells by id, those that cannot be measured last."""
        return {cell.id: cell for cell in (*self.record.cells, *self.record.unavailable)}

    @cached_property
    def by_cell(self) -> dict[str, Row]:
        """The rows by their cells' ids, in table order."""
        return {row.cell: row for row in self.rows}

    @cached_property
    def rounds(self) -> int:
        """How many launches each cell has, or was to have where their number was fixed."""
        if self.record.least_launches is None:
            return self.record.launches
        return min(map(len, self.launches.values()), default=0)

    def measured(self) -> Iterator[Row]:
        """The rows with performance figures."""
        for row in self.rows:
            if row.outcome is not None and row.outcome.has_figures and row.requests_per_second:
                yield row


def launches_by_cell(launches: Iterable[LaunchRecord]) -> dict[str, list[LaunchRecord]]:
    """The launches of each cell, in the order of their numbers."""
    found: dict[str, list[LaunchRecord]] = {}
    for launch in sorted(launches, key=lambda launch: launch.launch):
        found.setdefault(launch.cell, []).append(launch)
    return found


def common_rounds(launches: Iterable[LaunchRecord]) -> int:
    """The number of the last round of which every cell that was launched at all has a launch."""
    numbers: dict[str, set[int]] = {}
    for launch in launches:
        numbers.setdefault(launch.cell, set()).add(launch.launch)
    return max(set.intersection(*numbers.values()), default=0) if numbers else 0


def collate(
    record: RunRecord,
    launches: Launches,
    *,
    rejected: Launches = NONE_REJECTED,
    delta: Mapping[str, float] | None = None,
    diagnoses: Mapping[str, DiagnosisRecord] | None = None,
) -> Run:
    """The run that these records are of, measured to its end or not.

    `rejected` are the attempts that were disturbed and repeated, as far as they are stored.
    `delta` replaces the shares that the run says matter, by the figure's name.
    """
    rows = with_attempts(rows_of(record, launches), record, launches, rejected)
    matters, found = deltas(record, delta), baselines(rows, record)
    alpha = alpha_of(record, launches)
    compared = with_contrasts(rows, found, launches, deltas=matters, alpha=alpha)
    return Run(
        record=record,
        launches=launches,
        rows=tuple(compared),
        baselines=found,
        deltas=matters,
        rejected=rejected,
        diagnoses=diagnoses or {},
    )


def read_run(directory: RunDirectory, *, delta: Mapping[str, float] | None = None) -> Run:
    """The run that is stored in a directory; `UsageError` if it cannot be read."""
    return collate(
        directory.read_run(),
        directory.launches(),
        rejected=directory.rejected(),
        delta=delta,
        diagnoses=stored_diagnoses(directory),
    )
