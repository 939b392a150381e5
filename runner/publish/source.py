"""A run as the page and its charts are given it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.report.rows import Launches, Row
from runner.report.run import Run
from runner.store.records import RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """A run, and where its files are."""

    directory: RunDirectory
    collated: Run

    @property
    def run(self) -> RunRecord:
        """The run's record."""
        return self.collated.record

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its rows in table order."""
        return self.collated.rows

    @property
    def launches(self) -> Launches:
        """Its launches by cell."""
        return self.collated.launches

    @property
    def label(self) -> str:
        """How the run is told from others of the same page: `sleep, 2026-11-24 15:02 UTC`."""
        return f"{self.run.experiment}, {self.run.started_at[:16].replace('T', ' ')} UTC"
