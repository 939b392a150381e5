"""What an exporter is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.report.pivot import pivot_table
from runner.report.row import Row
from runner.report.table import Table, comparison
from runner.store.records import RunRecord


@dataclass(frozen=True, kw_only=True)
class Document:
    """A run's rows in their order; the axis to pivot on, or the columns to show, if any."""

    run: RunRecord
    rows: tuple[Row, ...]
    pivot: str | None = None
    columns: str | None = None

    def table(self) -> Table:
        """The table for people; `UsageError` for an axis that cannot be pivoted on."""
        if self.pivot is None:
            return comparison(self.rows, self.run, self.columns)
        return pivot_table(self.rows, self.run, self.pivot)


#: The one interface of all exporters: a document to text that ends with a newline.
Exporter = Callable[[Document], str]
