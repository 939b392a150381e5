"""The cell of a point of the matrix, where axes that cannot matter are dropped from cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from runner.matrix.axes import BASE_AXES
from runner.matrix.cell import Cell

#: The axes of a load, on which a percentage and what it is a percentage of differ.
LOAD_AXES = frozenset({"rate", "concurrency"})


class HasValues(Protocol):
    """Anything with a value on each axis, None if the axis was dropped."""

    def value(self, column: str, /) -> object:
        """The value on an axis."""
        ...


RowT = TypeVar("RowT", bound=HasValues)


class CanonicalIndex(Generic[RowT]):
    """Rows by their values on some axes. Of equal rows the first counts."""

    def __init__(self, rows: Iterable[RowT], axes: Sequence[str]) -> None:
        # One table per set of axes that rows carry: there are few such sets, and many rows.
        tables: dict[tuple[str, ...], dict[tuple[object, ...], RowT]] = {}
        for row in rows:
            carried = tuple(axis for axis in axes if row.value(axis) is not None)
            table = tables.setdefault(carried, {})
            table.setdefault(tuple(row.value(axis) for axis in carried), row)
        self._tables = sorted(tables.items(), key=lambda item: len(item[0]), reverse=True)

    def find(self, point: Callable[[str], object]) -> RowT | None:
        """The row that agrees with the point on all axes that the row carries, None for none.

        `point` gives a value by axis. Of several rows the one that carries most axes is meant.
        """
        for carried, table in self._tables:
            row = table.get(tuple(point(axis) for axis in carried))
            if row is not None:
                return row
        return None


@dataclass(frozen=True)
class Point:
    """A cell as a row of an index."""

    cell: Cell

    def value(self, column: str, /) -> str | None:
        """The cell's value on an axis."""
        return self.cell.axis(column)


def full_loads(
    cells: Iterable[Cell], baseline: Mapping[str, str], axes: Iterable[str]
) -> dict[Cell, Cell | None]:
    """What each cell with a rate in per cent is a percentage of: its baseline in a closed loop.

    That is the cell of `load.concurrency` clients among `cells`; None where there is none.
    """
    cells = [*cells]
    shares = [cell for cell in cells if cell.share is not None]
    if not shares:
        return {}
    clients = {cell.concurrency for cell in shares}
    wanted = {axis: value for axis, value in baseline.items() if axis not in LOAD_AXES}
    index = CanonicalIndex(
        (
            Point(cell)
            for cell in cells
            if baseline
            and cell.rate is None
            and cell.concurrency in clients
            and all(cell.axis(axis) == value for axis, value in wanted.items())
        ),
        [
            axis
            for axis in dict.fromkeys((*axes, *BASE_AXES))
            if axis not in {*baseline, *LOAD_AXES}
        ],
    )
    found = {cell: index.find(cell.axis) for cell in shares}
    return {cell: point.cell if point else None for cell, point in found.items()}
