"""`matrix export`: a run for other programs."""

from __future__ import annotations

from pathlib import Path

from runner.export import export
from runner.export.source import Source
from runner.options import ExportFormat
from runner.report.expected import check
from runner.report.rows import collate
from runner.store.run_directory import open_run


def exported(results: Path, run: str, format_: ExportFormat) -> str:
    """The run as a text of this format; `UsageError` for what is no run."""
    directory = open_run(results, run)
    record, launches = directory.read_run(), directory.launches()
    rows = collate(record, launches)
    source = Source(run=record, rows=rows, launches=launches, checked=check(record, rows))
    return export(source, format_)
