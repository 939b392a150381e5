"""What every exporter is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.measurement.records import LaunchRecord
from runner.report.expected import Checked
from runner.report.row import Row
from runner.store.records import RunRecord


@dataclass(frozen=True, kw_only=True)
class Source:
    """A run: its record, its rows, its launches by cell, and what was expected of it."""

    run: RunRecord
    rows: Sequence[Row]
    launches: Mapping[str, Sequence[LaunchRecord]]
    checked: Sequence[Checked] = ()

    def measured(self) -> Iterator[Row]:
        """The rows with performance figures: no other may look like a result elsewhere."""
        for row in self.rows:
            if row.outcome is not None and row.outcome.has_figures and row.requests_per_second:
                yield row
