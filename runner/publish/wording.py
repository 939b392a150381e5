"""Cells, versions and ranges in words. Names stand in backticks, which page and README render."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.report.axes import Value, natural_key
from runner.report.columns import NOTHING, two_decimals
from runner.report.row import Row
from runner.report.text import one_line

#: Values of an axis that a sentence names before it only counts them.
NAMED: Final = 6
#: Of at least so many values that hold, "any but" the one that does not is said.
AS_ANY: Final = 3
_WITH: Final = {"python": "on", "concurrency": "at"}
_NAMES: Final = {"python": "Python"}


def code(text: object) -> str:
    """A name as code. What comes from results must not end the span."""
    return f"`{one_line(str(text)).replace('`', chr(39))}`"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def counted(number: int, noun: str) -> str:
    """`1 cell`, `26 cells`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(values: Iterable[float | None], show: Callable[[float], str] = two_decimals) -> str:
    """`0.29–0.33`, or one figure where the two are shown alike; empty where none is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = show(min(known)), show(max(known))
    return low if low == high else f"{low}–{high}"


def times(value: float) -> str:
    """A ratio: with more decimals the nearer it is to 1, fewer where it is large."""
    return (
        f"{value:.1f}" if value >= 10 else f"{value:.3f}" if 0.9 < value < 1.1 else f"{value:.2f}"
    )


def shown(value: Value) -> str:
    """A value of an axis as the full table shows it and filters by it."""
    return NOTHING if value is None else one_line(str(value))


def values_on(rows: Iterable[Row], axis: str) -> list[Value]:
    """The different values of the rows on an axis, in a reader's order."""
    return sorted({row.value(axis) for row in rows}, key=lambda value: natural_key(axis, value))


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Which rows of many: the values, by axis, that single them out, and how many rows match.

    `besides` are the values of the same axes that the other rows have. `of` is the number of rows
    with the values; where it is more than `cells`, they do not tell these rows from all others.
    """

    values: Mapping[str, tuple[Value, ...]]
    besides: Mapping[str, tuple[Value, ...]]
    cells: int
    of: int

    def __str__(self) -> str:
        """`in all 4 cells on Python 3.9 with gevent 22.10.2`, or `in 3 of 8 cells`."""
        where = [_clause(axis, found, self.besides[axis]) for axis, found in self.values.items()]
        return " ".join([_share(self.cells, self.of), *where])

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for conditions that read alike but for their counts."""
        return (tuple(self.values.items()), self.cells == self.of)


def condition(some: Sequence[Row], among: Sequence[Row], axes: Sequence[str]) -> Condition:
    """What singles out some rows among many, by as few axes as tell it as well as all do."""
    every = {axis: tuple(values_on(among, axis)) for axis in axes}
    values = {axis: tuple(values_on(some, axis)) for axis in axes}
    telling = {axis: found for axis, found in values.items() if found != every[axis]}
    matching = _matching(among, telling)
    for axis in list(telling):
        fewer = {other: found for other, found in telling.items() if other != axis}
        if _matching(among, fewer) == matching:
            telling = fewer
    besides = {axis: tuple(v for v in every[axis] if v not in telling[axis]) for axis in telling}
    return Condition(values=telling, besides=besides, cells=len(some), of=matching)


def merged(conditions: Sequence[Condition]) -> Condition:
    """Conditions of equal `key` as one."""
    return Condition(
        values=conditions[0].values,
        besides=conditions[0].besides,
        cells=sum(c.cells for c in conditions),
        of=sum(c.of for c in conditions),
    )


def _matching(rows: Sequence[Row], values: Mapping[str, Sequence[Value]]) -> int:
    return sum(all(row.value(axis) in found for axis, found in values.items()) for row in rows)


def _share(some: int, of: int) -> str:
    if some < of:
        return f"in {some:,} of {counted(of, 'cell')}"
    return {1: "in the one cell", 2: "in both cells"}.get(some, f"in all {some:,} cells")


def _clause(axis: str, values: Sequence[Value], besides: Sequence[Value]) -> str:
    """`with gevent 25.9.1`; where only one value is left out of many, `with any server but …`."""
    if len(besides) == 1 and len(values) >= AS_ANY:
        return (
            f"{_WITH.get(axis, 'with')} any {_NAMES.get(axis, axis)} but {_said(besides[0], axis)}"
        )
    said = [_said(value, axis) for value in values]
    if len(said) > NAMED:
        said = [*said[: NAMED - 1], f"{len(said) - NAMED + 1} more"]
    return f"{_WITH.get(axis, 'with')} {_NAMES.get(axis, axis)} {listed(said, 'or')}"


def _said(value: Value, axis: str) -> str:
    return f"no {axis}" if value is None else one_line(str(value))
