"""A run as the page and its charts are given it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.measurement.records import LaunchRecord
from runner.report.row import Row
from runner.store.records import RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """A run: where its files are, its record, its rows in table order, its launches by cell."""

    directory: RunDirectory
    run: RunRecord
    rows: tuple[Row, ...]
    launches: Mapping[str, Sequence[LaunchRecord]]

    @property
    def label(self) -> str:
        """How the run is told from others of the same page: `sleep, 2026-11-24 15:02 UTC`."""
        return f"{self.run.experiment}, {self.run.started_at[:16].replace('T', ' ')} UTC"
