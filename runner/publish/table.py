"""The full table of the page: every cell of every run, to be sorted, filtered and narrowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.publish.answers import shown_outcome
from runner.publish.publication import Part, Publication, PublishedCell
from runner.publish.signs import SIGNS, sign, style
from runner.publish.wording import shown
from runner.report.rows import Value, natural_key
from runner.report.tables import (
    FIGURES,
    LAUNCHES,
    OUTCOME,
    OVERFLOWS,
    VERDICT,
    Column,
    shown_axes,
)
from runner.text import one_line

#: Key and heading of what the table for people has no column for.
CELL, RUN, DISTURBED, REASON = (
    Column(key="cell", heading="cell"),
    Column(key="run", heading="run"),
    Column(key="disturbed", heading="disturbed"),
    Column(key="reason", heading="reason"),
)
#: Columns that a reader who wants them switches on.
HIDDEN_AT_FIRST = {"cell", "disturbed"}
SortValue = float | str | None


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A column: `choices` are the values to filter by, in order, None where it is no filter."""

    key: str
    text: str
    numeric: bool
    hidden: bool
    choices: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A cell: the texts of its columns, and what they sort by (an index into `choices`)."""

    cell: PublishedCell
    sign: str
    style: str
    texts: tuple[str, ...]
    values: tuple[SortValue, ...]


@dataclass(frozen=True, kw_only=True)
class FullTable:
    """Headings, and rows of as many texts."""

    headings: tuple[Heading, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A cell with its raw values by column."""

    cell: PublishedCell
    values: Mapping[str, Value]

    def text(self, column: Column) -> str:
        """What stands in the column, on one line."""
        if column.show is not None:
            return one_line(column.text(self.cell.row))
        return shown(self.values.get(column.key))


def full_table(published: Publication) -> FullTable:
    """The table of all runs of a publication."""
    items = [_item(part, cell) for part in published.parts for cell in part.cells]
    filters = _filters(published, items)
    columns = _columns(filters, items)
    choices = {column.key: _choices(column, items) for column in filters}
    headings = tuple(
        Heading(
            key=column.key,
            text=column.heading,
            numeric=column.show is not None,
            hidden=_is_hidden(column, items, choices.get(column.key)),
            choices=choices.get(column.key),
        )
        for column in columns
    )
    ranks = {key: {text: n for n, text in enumerate(found)} for key, found in choices.items()}
    return FullTable(headings=headings, rows=tuple(_row(item, columns, ranks) for item in items))


def _is_hidden(column: Column, items: Sequence[_Item], choices: Sequence[str] | None) -> bool:
    """Whether a reader must ask for the column: one of equal values, or of none, tells nothing."""
    if column is OUTCOME:
        return False
    if column.key in HIDDEN_AT_FIRST or (choices is not None and len(choices) < 2):
        return True
    return all(item.values.get(column.key) is None for item in items)


def _item(part: Part, cell: PublishedCell) -> _Item:
    row = cell.row
    said = {
        RUN.key: part.source.label,
        OUTCOME.key: shown_outcome(row.outcome),
        DISTURBED.key: "yes" if row.disturbed else "no",
    }
    return _Item(cell=cell, values={**row.values(), **said})


def _filters(published: Publication, items: Sequence[_Item]) -> list[Column]:
    """The columns to filter by: runs, axes, outcome; verdict and disturbance where there are any.

    One run's axis may be no axis of another's.
    """
    axes = [axis for part in published.parts for axis in shown_axes(part.source.rows, part.run)]
    found = [Column(key=axis, heading=axis) for axis in dict.fromkeys(axes)]
    if len(published.parts) > 1:
        found.insert(0, RUN)
    found.append(OUTCOME)
    if any(item.cell.row.verdict for item in items):
        found.append(VERDICT)
    if any(item.cell.row.disturbed for item in items):
        found.append(DISTURBED)
    return found


def _columns(filters: Sequence[Column], items: Sequence[_Item]) -> list[Column]:
    """All columns, the verdict beside the ratio that it is about."""
    found = [column for column in (*filters, *FIGURES) if column is not VERDICT]
    if VERDICT in filters:
        found.insert(1 + [column.key for column in found].index("speedup"), VERDICT)
    if any(item.cell.row.listen_overflows for item in items):
        found.append(OVERFLOWS)
    return [*found, LAUNCHES, REASON, CELL]


def _choices(column: Column, items: Sequence[_Item]) -> tuple[str, ...]:
    """The column's different texts in a reader's order."""
    seen = {item.text(column): item.values.get(column.key) for item in items}
    if column is OUTCOME:
        return tuple(text for text in map(shown_outcome, SIGNS) if text in seen)
    return tuple(sorted(seen, key=lambda text: natural_key(column.key, seen[text])))


def _row(
    item: _Item, columns: Sequence[Column], ranks: Mapping[str, Mapping[str, int]]
) -> TableRow:
    texts = tuple(item.text(column) for column in columns)
    outcome = item.cell.row.outcome
    return TableRow(
        cell=item.cell,
        sign=sign(outcome),
        style=style(outcome),
        texts=texts,
        values=tuple(
            ranks[column.key][text] if column.key in ranks else _rounded(item, column)
            for column, text in zip(columns, texts, strict=True)
        ),
    )


def _rounded(item: _Item, column: Column) -> SortValue:
    """What a column sorts by, to as many digits as tell its values apart."""
    value = item.values.get(column.key)
    return round(value, 4) if isinstance(value, float) else value
