"""The axes of a table: their names, and their values in the order a reader expects."""

from __future__ import annotations

from functools import cache

from packaging.version import InvalidVersion, Version

from runner.matrix import plugins
from runner.matrix.axes import BASE_AXES
from runner.matrix.values import server_name
from runner.store.records import RunRecord

Value = str | int | float | None

_FIRST = Version("0")

SortKey = tuple[int, float, Version, str]


@cache
def _places() -> dict[str, dict[str, int]]:
    """The order of the words that the server program's modules define."""
    words = {
        "patch": plugins.patches(),
        "server": plugins.servers(),
        "workload": plugins.workloads(),
    }
    return {axis: {name: n for n, name in enumerate(known)} for axis, known in words.items()}


def natural_key(axis: str, value: Value) -> SortKey:
    """A key that sorts an axis's values: dropped, numbers, versions, then other text."""
    if value is None:
        return (0, 0, _FIRST, "")
    if not isinstance(value, str):
        return (1, value, _FIRST, "")
    places = _places().get(axis)
    if places is not None:
        return (1, places.get(server_name(value), len(places)), _FIRST, value)
    try:
        return (2, 0, Version(value), value)
    except InvalidVersion:
        return (3, 0, _FIRST, value)


def axes_of(run: RunRecord) -> tuple[str, ...]:
    """The run's axes in the order of the matrix file, then those that every row names."""
    return tuple(dict.fromkeys((*run.axes, *BASE_AXES)))


def further_axes(run: RunRecord) -> list[str]:
    """The run's axes that not every row names."""
    return [axis for axis in run.axes if axis not in BASE_AXES]
