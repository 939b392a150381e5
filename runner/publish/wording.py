"""Cells, versions and ranges in words. Names stand in backticks, which page and README render."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runner.report.rows import Row, SortKey, Value, natural_key
from runner.report.tables import NOTHING, ratio, two_decimals
from runner.text import one_line

#: Values of an axis that a sentence names before it only counts them.
NAMED: Final = 6
#: So many points are named one by one.
MANY: Final = 3
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
    """`1 cell`, `26 cells`, `7 launches`."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def span(values: Iterable[float | None], show: Callable[[float], str] = two_decimals) -> str:
    """`0.29–0.33`, or one figure where the two are shown alike; empty where none is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = show(min(known)), show(max(known))
    return low if low == high else f"{low}–{high}"


def ratios(values: Iterable[float | None]) -> str:
    """A span of ratios, with three decimals where all are near 1, which tells them apart."""
    known = [value for value in values if value is not None]
    near = all(0.9 < value < 1.1 for value in known)
    return span(known, ratio if near else _ratio)


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else two_decimals(value)


def shown(value: Value) -> str:
    """A value of an axis as the full table shows it and filters by it."""
    return NOTHING if value is None else one_line(str(value))


def values_on(rows: Iterable[Row], axis: str) -> list[Value]:
    """The different values of the rows on an axis, in a reader's order."""
    return sorted({row.value(axis) for row in rows}, key=lambda value: natural_key(axis, value))


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Which rows of many: their values on the axes that single them out, and how many match.

    `points` are their different combinations of values on `axes`. `of` is the number of rows with
    such values; where it is more than `cells`, they do not tell these rows from all others. `rest`
    is what singles out all other rows, in words, where that is shorter by far.
    """

    axes: tuple[str, ...]
    points: tuple[tuple[Value, ...], ...]
    cells: int
    of: int
    rest: str = ""

    def __str__(self) -> str:
        """`in all 4 cells on Python 3.9 with gevent 22.10.2`, or `in 3 of 8 cells`."""
        if self.rest:
            return f"in {counted(self.cells, 'cell')}, all but those {self.rest}"
        return f"{_share(self.cells, self.of)} {self.where}".rstrip()

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for conditions that read alike but for their counts."""
        return (self.axes, self.points, self.rest, self.cells == self.of)

    def values(self, axis: str) -> tuple[Value, ...]:
        """The different values on one of the axes, in order."""
        place = self.axes.index(axis)
        return tuple(dict.fromkeys(point[place] for point in self.points))

    @property
    def where(self) -> str:
        """The points one by one where they are few and no full grid, else the values by axis."""
        if len(self.points) <= MANY and not _is_grid(self.points):
            return ", or ".join(self._point(point) for point in self.points)
        return " ".join(_clause(axis, self.values(axis)) for axis in self.axes)

    def _point(self, point: Sequence[Value]) -> str:
        """`on Python 3.9 with gevent 22.10.2 and grpcio 1.53.0`."""
        pairs = zip(self.axes, point, strict=True)
        clauses = [_clause(axis, [value]) for axis, value in pairs if value is not None]
        together = [clause.removeprefix("with ") for clause in clauses if clause[:5] == "with "]
        return " ".join(
            [
                *(clause for clause in clauses if clause[:5] != "with "),
                *([f"with {listed(together)}"] if together else []),
            ]
        )


def condition(some: Sequence[Row], among: Sequence[Row], axes: Sequence[str]) -> Condition:
    """What singles out some rows among many, by as few axes as tell it as well as all do."""
    found = _condition(some, among, axes)
    own = {row.cell for row in some}
    others = [row for row in among if row.cell not in own]
    if not others or found.cells < found.of:
        return found
    rest = _condition(others, among, axes)
    is_shorter = rest.cells == rest.of and 2 * len(rest.points) < len(found.points)
    return replace(found, rest=rest.where if is_shorter else "")


def _condition(some: Sequence[Row], among: Sequence[Row], axes: Sequence[str]) -> Condition:
    every = {axis: values_on(among, axis) for axis in axes}
    values = {axis: values_on(some, axis) for axis in axes}
    telling = [axis for axis in axes if values[axis] != every[axis]]
    # Of axes that tell the same, those go first that do not tell it alone or tell it by a lack.
    weak = sorted(axes, key=lambda axis: (axis in telling, None not in values[axis]))
    found = _fewest(some, among, axes, weak)
    if not _is_grid(_points(some, found)) and len(_points(some, found)) > MANY:
        found = _fewest(some, among, telling, weak)
    return Condition(
        axes=tuple(found),
        points=_points(some, found),
        cells=len(some),
        of=_matching(some, among, found),
    )


def _fewest(
    some: Sequence[Row], among: Sequence[Row], axes: Sequence[str], weak: Sequence[str]
) -> list[str]:
    """The axes without those that can be left out, the weakest first, with nothing lost."""
    kept = list(axes)
    matching = _matching(some, among, kept)
    for axis in weak:
        fewer = [other for other in kept if other != axis]
        if _matching(some, among, fewer) == matching:
            kept = fewer
    return kept


def _is_grid(points: Sequence[Sequence[Value]]) -> bool:
    """Whether the points are all combinations of their values."""
    return len(points) == math.prod(len(set(values)) for values in zip(*points, strict=True))


def merged(conditions: Sequence[Condition]) -> Condition:
    """Conditions of equal `key` as one."""
    return replace(
        conditions[0],
        cells=sum(c.cells for c in conditions),
        of=sum(c.of for c in conditions),
    )


def _points(rows: Sequence[Row], axes: Sequence[str]) -> tuple[tuple[Value, ...], ...]:
    """The rows' different points, in a reader's order."""

    def order(point: tuple[Value, ...]) -> list[SortKey]:
        return [natural_key(axis, value) for axis, value in zip(axes, point, strict=True)]

    return tuple(sorted({_point(row, axes) for row in rows}, key=order))


def _point(row: Row, axes: Sequence[str]) -> tuple[Value, ...]:
    return tuple(row.value(axis) for axis in axes)


def _matching(some: Sequence[Row], among: Sequence[Row], axes: Sequence[str]) -> int:
    """How many of the rows are, on these axes, like any of some."""
    points = {_point(row, axes) for row in some}
    return sum(_point(row, axes) in points for row in among)


def _share(some: int, of: int) -> str:
    if some < of:
        return f"in {some:,} of {counted(of, 'cell')}"
    return {1: "in the one cell", 2: "in both cells"}.get(some, f"in all {some:,} cells")


def _clause(axis: str, values: Sequence[Value]) -> str:
    """`with gevent 25.9.1 or 24.2.1`, `on Python 3.9`, `with driver pg8000 or none`."""
    said = [one_line(str(value)) for value in values if value is not None]
    if len(said) > NAMED:
        said = [*said[: NAMED - 1], f"{len(said) - NAMED + 1} more"]
    if not said:
        return f"without {axis}"
    if None in values:
        said.append("none")
    return f"{_WITH.get(axis, 'with')} {named(axis)} {listed(said, 'or')}"


def named(axis: str) -> str:
    """An axis in a sentence."""
    return _NAMES.get(axis, axis)
