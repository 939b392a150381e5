"""`--select AXIS=GLOB`: which of an experiment's cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from runner.errors import UsageError
from runner.matrix.cell import Cell
from runner.matrix.document import suggestion

#: Not an axis, but a name that every cell has.
BY_ID = "cell"
#: Axes that every cell has, varied or not.
ALWAYS = ("python", "patch", "server", "workload", "concurrency")


def parse(patterns: Sequence[str], axes: Iterable[str]) -> dict[str, list[str]]:
    """Globs by axis. Raises `UsageError` for what is not `AXIS=GLOB` or names no axis."""
    known = [*dict.fromkeys((*axes, *ALWAYS)), BY_ID]
    globs: dict[str, list[str]] = {}
    for pattern in patterns:
        axis, equals, glob = pattern.partition("=")
        if not equals or not glob:
            raise UsageError(f"--select {pattern}: write AXIS=GLOB, e.g. --select 'python=3.1*'")
        if axis not in known:
            raise UsageError(f"--select {pattern}: unknown axis {axis!r}{suggestion(axis, known)}")
        globs.setdefault(axis, []).append(glob)
    return globs


def select(cells: Sequence[Cell], patterns: Sequence[str], axes: Iterable[str]) -> tuple[Cell, ...]:
    """The cells that match: of one axis any glob, of different axes all.

    A cell whose version is not exact yet is kept wherever its exact version might match; select
    again when it is known. Raises `UsageError` where nothing is left, listing the axis's values.
    """
    globs = parse(patterns, axes)
    if not globs:
        return tuple(cells)
    chosen = tuple(cell for cell in cells if _matches(cell, globs))
    if not chosen:
        raise UsageError(
            f"--select {' '.join(patterns)}: matches no cell; there are "
            + "; ".join(f"{axis}: {_values(cells, axis)}" for axis in globs)
        )
    return chosen


def _values(cells: Iterable[Cell], axis: str) -> str:
    values = list(dict.fromkeys(_value(cell, axis) or "–" for cell in cells))
    return ", ".join(values[:20]) + (" …" if len(values) > 20 else "")


def _value(cell: Cell, axis: str) -> str | None:
    return cell.id if axis == BY_ID else cell.axis(axis)


def _matches(cell: Cell, globs: Mapping[str, list[str]]) -> bool:
    return all(
        any(fnmatchcase(_value(cell, axis) or "", glob) for glob in choices)
        or _undecided(cell, axis)
        for axis, choices in globs.items()
    )


def _undecided(cell: Cell, axis: str) -> bool:
    """Whether the cell's value on the axis becomes known only when it is locked."""
    versions = [r for r in cell.requirements if axis in {r.name, BY_ID}]
    return any(r.exact is None for r in versions)
