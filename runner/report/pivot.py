"""The same rates the other way round: one column per value of an axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.errors import UsageError
from runner.outcome import Outcome
from runner.report.axes import Value, axes_of, natural_key
from runner.report.canonical import CanonicalIndex
from runner.report.columns import NOTHING, shown_axes, two_decimals
from runner.report.notes import Note, notes
from runner.report.row import Row
from runner.report.table import Table
from runner.report.text import one_line, suggestion
from runner.store.records import RunRecord


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A combination of axis values, None for an axis that was dropped."""

    values: Mapping[str, Value]

    @property
    def carried(self) -> tuple[str, ...]:
        return tuple(axis for axis, value in self.values.items() if value is not None)

    def on(self, axes: Iterable[str]) -> tuple[Value, ...]:
        return tuple(self.values[axis] for axis in axes)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows laid out by one axis: a line per combination of the other axes, a column per value.

    Each line pairs the combination's values, in the order of `axes`, with the row of each column.
    A cell stands on every line that it is the canonical cell of.
    """

    axes: tuple[str, ...]
    columns: tuple[Value, ...]
    lines: tuple[tuple[tuple[Value, ...], tuple[Row | None, ...]], ...]


def grid(rows: Sequence[Row], run: RunRecord, axis: str) -> Grid:
    """The rows by an axis, lines in the order of the rows.

    Raises `UsageError` for an axis that there is not, or that no cell has a value on.
    """
    known = axes_of(run)
    if axis not in known:
        raise UsageError(f"--pivot: unknown axis {axis!r}{suggestion(axis, known)}")
    columns = _columns(rows, axis)
    others = [other for other in shown_axes(rows, run) if other != axis]
    cells = CanonicalIndex(rows, [*others, axis])
    return Grid(
        axes=tuple(others),
        columns=tuple(columns),
        lines=tuple(
            (point.on(others), _found(point, cells, axis, columns))
            for point in _points(rows, others)
        ),
    )


def pivot_table(rows: Sequence[Row], run: RunRecord, axis: str) -> Table:
    """The grid as a table for people. Raises what `grid` raises."""
    laid_out = grid(rows, run, axis)
    heading = Note(heading=f"Cells show requests/s by {axis}", items=(_EXPLANATION,))
    return Table(
        headings=(*laid_out.axes, *(str(value) for value in laid_out.columns)),
        numeric=(*(False for _ in laid_out.axes), *(True for _ in laid_out.columns)),
        lines=tuple(_line(values, found) for values, found in laid_out.lines),
        notes=(heading, *notes(rows, run)),
    )


_EXPLANATION = (
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
    labels = (NOTHING if value is None else str(value) for value in values)
    return tuple(one_line(text) for text in (*labels, *(_text(row) for row in found)))


def _text(row: Row | None) -> str:
    if row is None or row.outcome in {None, Outcome.UNAVAILABLE}:
        return NOTHING
    if row.requests_per_second is None:
        return str(row.outcome)
    rate = two_decimals(row.requests_per_second)
    return rate if row.outcome is Outcome.OK else f"{row.outcome} {rate}"
