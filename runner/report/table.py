"""A table for people: rounded figures, and below it what figures cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.report.columns import Column, chosen, columns_for
from runner.report.notes import Note, notes
from runner.report.row import Row
from runner.report.text import one_line
from runner.store.records import RunRecord


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headings, lines of as many texts each, and notes. `numeric` columns align to the right.

    Every text is one line without control characters.
    """

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[Note, ...]


def comparison(rows: Sequence[Row], run: RunRecord, columns: str | None = None) -> Table:
    """One line per measured cell; the others are in the notes with their reasons.

    `columns` lists those to show, instead of all; `UsageError` for an unknown one.
    """
    measured = [row for row in rows if row.outcome and row.outcome.is_launched]
    shown = chosen(columns, run) if columns else columns_for(measured, run)
    return Table(
        headings=tuple(column.heading for column in shown),
        numeric=tuple(column.show is not None for column in shown),
        lines=tuple(tuple(_text(column, row) for column in shown) for row in measured),
        notes=notes(rows, run),
    )


def _text(column: Column, row: Row) -> str:
    text = one_line(column.text(row))
    return f"{text} (disturbed)" if column.key == "outcome" and row.disturbed else text
