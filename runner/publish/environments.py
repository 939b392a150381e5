"""A run by environment: what its cells have in common but for the patch mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from runner.report.axis_values import Value, named
from runner.report.pivot import Grid, grid
from runner.report.row import Row, axes_of
from runner.report.run import Run

PATCH: Final = "patch"


class Environment(NamedTuple):
    """An environment's name, made of what tells it from the others, and its cells by patch mode."""

    name: str
    rows: tuple[Row, ...]


def by_environment(run: Run) -> Grid | None:
    """The run's cells with a line per environment; None where no cell's patch mode is known."""
    if all(row.patch is None for row in run.rows):
        return None
    return grid(run, PATCH)


def environments(run: Run, laid_out: Grid | None) -> list[Environment]:
    """The lines of `by_environment` with their names; each cell by itself where there are none.

    A baseline is in all environments that it is the baseline of.
    """
    if laid_out is None:
        return [Environment(row.cell, (row,)) for row in run.rows]
    axes = [axis for axis in varying_axes(run) if axis != PATCH]
    return [
        Environment(
            named(dict(zip(laid_out.axes, values, strict=True)), axes) or run.record.experiment,
            tuple(row for row in found if row),
        )
        for values, found in laid_out.lines
    ]


def most_different(
    found: Sequence[Environment], most: int, figure: Callable[[Row], float | None]
) -> list[Environment]:
    """At most so many, in their order: those whose cells' figures are the most times apart.

    One in which only some of the cells have figures comes before all others.
    """
    if len(found) <= most:
        return list(found)
    ranked = sorted(found, key=lambda one: _times_apart(map(figure, one.rows)), reverse=True)
    chosen = {one.name for one in ranked[:most]}
    return [one for one in found if one.name in chosen][:most]


def _times_apart(figures: Iterable[float | None]) -> float:
    values = list(figures)
    known = [value for value in values if value]
    if not known:
        return 0.0
    return max(known) / min(known) if len(known) == len(values) else float("inf")


def varying_axes(run: Run) -> list[str]:
    """The run's axes with more than one value; cells without a value do not count."""
    return [axis for axis in axes_of(run.record) if len(_values(run.rows, axis)) > 1]


def _values(rows: Iterable[Row], axis: str) -> set[Value]:
    return {row.value(axis) for row in rows} - {None}
