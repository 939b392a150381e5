"""How cells are named in charts: by what tells them apart, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from runner.publish.source import PublishedRun
from runner.report.rows import Row, Value, axes_of, natural_key

PATCH: Final = "patch"
SEPARATOR: Final = " · "
#: Axes whose values need no name beside them.
_SPEAKING: Final = {"patch", "server", "workload", "driver"}


def varying_axes(run: PublishedRun) -> list[str]:
    """The run's axes with more than one value, those dropped from a cell left aside."""
    return [axis for axis in axes_of(run.run) if len(_values(run.rows, axis)) > 1]


def _values(rows: Iterable[Row], axis: str) -> set[Value]:
    return {row.value(axis) for row in rows} - {None}


def in_groups(run: PublishedRun) -> list[Row]:
    """The rows so that those which differ only in their patch mode are neighbours."""
    return ordered(run.rows, [*(axis for axis in varying_axes(run) if axis != PATCH), PATCH])


def ordered(rows: Iterable[Row], axes: Sequence[str]) -> list[Row]:
    """The rows by these axes, each in its natural order."""
    rows = list(rows)
    # Versions take long to compare, and a thousand rows have few of them.
    ranks = {axis: _ranks({row.value(axis) for row in rows}, axis) for axis in axes}
    return sorted(rows, key=lambda row: [ranks[axis][row.value(axis)] for axis in axes])


def _ranks(values: Iterable[Value], axis: str) -> dict[Value, int]:
    in_order = sorted(values, key=lambda value: natural_key(axis, value))
    return {value: rank for rank, value in enumerate(in_order)}


def label(row: Row, axes: Sequence[str]) -> str:
    """The row's values on these axes: `Python 3.11 · gevent 25.9.1 · werkzeug`."""
    return label_of({axis: row.value(axis) for axis in axes}, axes)


def label_of(values: Mapping[str, Value], axes: Sequence[str]) -> str:
    """The values on these axes as a label; axes without a value are left out."""
    return SEPARATOR.join(
        _spoken(axis, value) for axis in axes if (value := values.get(axis)) is not None
    )


def _spoken(axis: str, value: Value) -> str:
    if axis == "python":
        return f"Python {value}"
    if axis == "concurrency":
        return f"{value} clients"
    return str(value) if axis in _SPEAKING else f"{axis} {value}"


def cell_labels(run: PublishedRun) -> dict[str, str]:
    """A label for each cell of the run, no two alike: where they would be, the cell's own id."""
    axes = [*(axis for axis in varying_axes(run) if axis != PATCH), PATCH]
    labels = {row.cell: label(row, axes) for row in run.rows}
    counts = Counter(labels.values())
    return {cell: text if counts[text] == 1 else cell for cell, text in labels.items()}
