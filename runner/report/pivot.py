"""Rows laid out by one axis: a line per combination of the others, a column per value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.errors import UsageError
from runner.matrix.canonical import CanonicalIndex
from runner.outcome import Outcome
from runner.report.axis_values import Value, axis_text, natural_key
from runner.report.notes import Note, notes
from runner.report.row import Row, axes_of
from runner.report.run import Run
from runner.report.tables import NOTHING, Table, shown_axes, shown_outcome, two_decimals
from runner.text import one_line, suggestion


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows laid out by one axis: a line per combination of the other axes, a column per value.

    Each line pairs the combination's values, in the order of `axes`, with the row of each column.
    A cell is on every line that it is the canonical cell of.
    """

    axes: tuple[str, ...]
    columns: tuple[Value, ...]
    lines: tuple[tuple[tuple[Value, ...], tuple[Row | None, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A combination of axis values, None for an axis that was dropped."""

    values: Mapping[str, Value]

    @property
    def carried(self) -> tuple[str, ...]:
        return tuple(axis for axis, value in self.values.items() if value is not None)

    def on(self, axes: Iterable[str]) -> tuple[Value, ...]:
        return tuple(self.values[axis] for axis in axes)


def grid(run: Run, axis: str) -> Grid:
    """The run's rows by an axis, lines in the order of the rows.

    Raises `UsageError` for an unknown axis, and for one that no cell has a value on.
    """
    known = axes_of(run.record)
    if axis not in known:
        raise UsageError(f"--pivot: unknown axis {axis!r}{suggestion(axis, known)}")
    columns = _columns(run.rows, axis)
    others = [other for other in shown_axes(run.rows, run.record) if other != axis]
    cells = CanonicalIndex(run.rows, [*others, axis])
    return Grid(
        axes=tuple(others),
        columns=tuple(columns),
        lines=tuple(
            (point.on(others), _found(point, cells, axis, columns))
            for point in _points(run.rows, others)
        ),
    )


def pivot_table(run: Run, axis: str) -> Table:
    """The grid as a table for people. Raises what `grid` raises."""
    laid_out = grid(run, axis)
    heading = Note(heading=f"Cells show requests/s by {axis}", items=(_EXPLANATION,))
    return Table(
        headings=(*laid_out.axes, *(axis_text(value) for value in laid_out.columns)),
        numeric=(*(False for _ in laid_out.axes), *(True for _ in laid_out.columns)),
        lines=tuple(_line(values, found) for values, found in laid_out.lines),
        notes=(heading, *notes(run)),
    )


_EXPLANATION: Final = (
    "A word alone is the outcome of a cell without figures; – is a cell that is unavailable, "
    "not measured, or not part of the experiment."
)


def _columns(rows: Iterable[Row], axis: str) -> list[Value]:
    found = {row.value(axis) for row in rows} - {None}
    if not found:
        raise UsageError(f"--pivot: no cell of this run has a value on the axis {axis!r}")
    return sorted(found, key=lambda value: natural_key(axis, value))


def _points(rows: Sequence[Row], axes: Sequence[str]) -> list[_Point]:
    """The combinations to give a line: those that no other one is a fuller form of."""
    points = [
        _Point(values=dict(zip(axes, values, strict=True)))
        for values in dict.fromkeys(tuple(row.value(axis) for axis in axes) for row in rows)
    ]
    # Per set of carried axes: what the points that carry more look like when cut down to it.
    fuller = {
        carried: {p.on(carried) for p in points if set(p.carried) > set(carried)}
        for carried in {point.carried for point in points}
    }
    return [point for point in points if point.on(point.carried) not in fuller[point.carried]]


def _found(
    point: _Point, cells: CanonicalIndex[Row], axis: str, columns: Sequence[Value]
) -> tuple[Row | None, ...]:
    return tuple(cells.find({**point.values, axis: column}.__getitem__) for column in columns)


def _line(values: Sequence[Value], found: Sequence[Row | None]) -> tuple[str, ...]:
    labels = (NOTHING if value is None else axis_text(value) for value in values)
    return tuple(one_line(text) for text in (*labels, *(_rate_or_word(row) for row in found)))


def _rate_or_word(row: Row | None) -> str:
    if row is None or row.outcome in {None, Outcome.UNAVAILABLE}:
        return NOTHING
    if row.requests_per_second is None:
        return shown_outcome(row)
    rate = two_decimals(row.requests_per_second)
    return rate if row.outcome is Outcome.OK else f"{shown_outcome(row)} {rate}"
