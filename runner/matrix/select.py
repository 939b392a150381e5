"""What the command line changes of an experiment: which of its cells, and their load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from runner.errors import UsageError
from runner.matrix.ceiling import too_long
from runner.matrix.cell import Cell, Experiment
from runner.matrix.values import MOST_REPEATS
from runner.matrix.yaml_document import suggestion

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


def overridden(
    experiment: Experiment,
    *,
    requests: int | None = None,
    concurrency: int | None = None,
    launches: int | None = None,
    repeats: int | None = None,
) -> Experiment:
    """The experiment with another load or number of launches or repeats; `UsageError` for nonsense.

    A concurrency given here replaces the axis of that name: cells that differed only in it are one.
    """
    for flag, value in (
        ("--requests", requests),
        ("--concurrency", concurrency),
        ("--launches", launches),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{flag} {value}: give a whole number above 0")
    if repeats is not None and not 0 <= repeats <= MOST_REPEATS:
        raise UsageError(f"--repeats {repeats}: give a whole number from 0 to {MOST_REPEATS}")
    if requests is None and concurrency is None and launches is None and repeats is None:
        return experiment
    cells = experiment.cells
    if concurrency is not None:
        cells = tuple(
            replace(
                c, concurrency=concurrency, varied=tuple(v for v in c.varied if v != "concurrency")
            )
            for c in cells
        )
    if requests is not None:
        cells = tuple(replace(cell, requests=requests) for cell in cells)
    changed = replace(
        experiment,
        cells=tuple(dict.fromkeys(cells)),
        launches=launches or experiment.launches,
        repeats=experiment.repeats if repeats is None else repeats,
    )
    _refuse_impossible(changed)
    return changed


def _refuse_impossible(experiment: Experiment) -> None:
    for cell in experiment.cells:
        if cell.concurrency > cell.requests:
            raise UsageError(
                f"concurrency {cell.concurrency} exceeds {cell.requests} requests: "
                "raise --requests, or lower --concurrency"
            )
    if problem := too_long(experiment.cells, experiment.limits):
        raise UsageError(problem)
