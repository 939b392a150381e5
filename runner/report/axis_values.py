"""The order and the texts of an axis's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from packaging.version import InvalidVersion, Version

from runner.matrix import plugins
from runner.matrix.placements import PLACEMENTS
from runner.matrix.servers import server_name
from runner.matrix.values import patch_name, share
from runner.text import one_line

Value = str | int | float | None
#: Axes whose values need no name beside them.
_SELF_EXPLAINING: Final = {"patch", "server", "workload", "driver"}
_FIRST: Final = Version("0")

SortKey = tuple[int, float, Version, str]


@cache
def _places() -> dict[str, dict[str, int]]:
    """The order of the words that the server program's modules define."""
    words = {
        "patch": plugins.patches(),
        "placement": PLACEMENTS,
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
    if axis == "rate" and (part := share(value)) is not None:
        return (4, part, _FIRST, "")
    places = _places().get(axis)
    if places is not None:
        return (1, places.get(_word(axis, value), len(places)), _FIRST, value)
    try:
        return (2, 0, Version(value), value)
    except InvalidVersion:
        return (3, 0, _FIRST, value)


def _word(axis: str, value: str) -> str:
    """The word of an axis's value: without a server's settings, or a patch's arguments."""
    return {"server": server_name, "patch": patch_name}.get(axis, str)(value)


def axis_text(value: Value) -> str:
    """An axis's value as a reader knows it: a rate of 45.0 is 45."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def named(values: Mapping[str, Value], axes: Iterable[str]) -> str:
    """The values on these axes: `Python 3.11 · gevent 25.9.1 · werkzeug`."""
    return " · ".join(
        _with_axis(axis, one_line(axis_text(value)))
        for axis in axes
        if (value := values.get(axis)) is not None
    )


def _with_axis(axis: str, value: str) -> str:
    if axis == "python":
        return f"Python {value}"
    if axis == "concurrency":
        return f"{value} clients"
    return value if axis in _SELF_EXPLAINING else f"{axis} {value}"
