"""A run's rows as text, and as the tables in its directory."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import UsageError
from runner.report.document import Document
from runner.report.formats import EXPORTERS, MACHINE_FORMATS
from runner.report.ordering import sort_rows
from runner.report.row import Row
from runner.report.rows import collate
from runner.report.text import suggestion
from runner.store.records import RunRecord
from runner.store.run_directory import RunDirectory


def render(
    rows: Sequence[Row],
    run: RunRecord,
    *,
    format: str,  # noqa: A002 - the name of the option that it comes from
    pivot: str | None = None,
    sort: str | None = None,
    columns: str | None = None,
) -> str:
    """The rows in one of `EXPORTERS`' formats, ending with a newline.

    Raises `UsageError` for an unknown format, axis or column, for a pivot or a choice of columns
    that the format has no place for, and for both together.
    """
    if format not in EXPORTERS:
        known = suggestion(format, [str(name) for name in EXPORTERS])
        raise UsageError(f"--format: unknown format {format!r}{known}")
    if pivot is not None and format in MACHINE_FORMATS:
        raise UsageError(f"--pivot has no meaning with --format {format}; leave one of them out")
    if columns is not None and (format in MACHINE_FORMATS or pivot is not None):
        other = "--pivot" if pivot is not None else f"--format {format}"
        raise UsageError(f"--columns has no meaning with {other}; leave one of them out")
    ordered = rows if sort is None else sort_rows(rows, sort, run)
    return EXPORTERS[format](Document(run=run, rows=tuple(ordered), pivot=pivot, columns=columns))


def write_tables(directory: RunDirectory) -> list[Row]:
    """Collate a run and store `table.json`, `table.csv` and `table.md` in it; return the rows."""
    run = directory.read_run()
    rows = collate(run, directory.launches())
    formats = {"table.json": "json", "table.csv": "csv", "table.md": "github"}
    directory.write_tables({n: render(rows, run, format=f) for n, f in formats.items()})
    return rows
