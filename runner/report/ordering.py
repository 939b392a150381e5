"""Rows in the order that a reader asks for."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import UsageError
from runner.report.axes import natural_key
from runner.report.columns import FIGURES
from runner.report.row import Row
from runner.report.rows import keys_of
from runner.report.text import suggestion
from runner.store.records import RunRecord


def sort_rows(rows: Sequence[Row], column: str, run: RunRecord) -> list[Row]:
    """The rows by one column, `-column` from the highest down. Unknown values come last.

    A column goes by its key in table.json or its heading. Raises `UsageError` for any other.
    """
    name = column.removeprefix("-")
    key = {c.heading: c.key for c in FIGURES}.get(name, name)
    known = keys_of(run)
    if key not in known:
        raise UsageError(f"--sort: unknown column {name!r}{suggestion(name, known)}")
    having = [row for row in rows if row.value(key) is not None]
    having.sort(key=lambda row: natural_key(key, row.value(key)), reverse=column.startswith("-"))
    return having + [row for row in rows if row.value(key) is None]
