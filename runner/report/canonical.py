"""Finding the cell that stands for a point of the matrix.

Axes that cannot matter are dropped from a cell, so one cell can stand for many points: the
unpatched one of a Python for every gevent and grpcio of that Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from runner.report.axes import Value


class HasValues(Protocol):
    """Anything with a value on each axis, None where the axis was dropped."""

    def value(self, column: str, /) -> Value:
        """The value on an axis."""
        ...


RowT = TypeVar("RowT", bound=HasValues)


class CanonicalIndex(Generic[RowT]):
    """Rows by their values on some axes. Of equal rows the first counts."""

    def __init__(self, rows: Iterable[RowT], axes: Sequence[str]) -> None:
        # One table per set of axes that rows carry: there are few such sets, and many rows.
        tables: dict[tuple[str, ...], dict[tuple[Value, ...], RowT]] = {}
        for row in rows:
            carried = tuple(axis for axis in axes if row.value(axis) is not None)
            table = tables.setdefault(carried, {})
            table.setdefault(tuple(row.value(axis) for axis in carried), row)
        self._tables = sorted(tables.items(), key=lambda item: len(item[0]), reverse=True)

    def find(self, point: Callable[[str], Value]) -> RowT | None:
        """The row that agrees with the point on all axes that the row carries, None for none.

        `point` gives a value by axis. Of several rows the one that carries most axes is meant.
        """
        for carried, table in self._tables:
            row = table.get(tuple(point(axis) for axis in carried))
            if row is not None:
                return row
        return None
