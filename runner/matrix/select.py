"""What the command line changes of an experiment: which of its cells, and their load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TypeAlias

from runner.errors import UsageError
from runner.matrix.axes import ALIASES, SETTINGS
from runner.matrix.ceiling import too_long
from runner.matrix.cell import Cell, Experiment
from runner.matrix.values import MOST_REPEATS
from runner.text import suggestion

#: Not an axis, but a name that every cell has.
BY_ID = "cell"
#: Of one axis any glob must match, of different axes all.
Globs: TypeAlias = Mapping[str, Sequence[str]]


def parse(patterns: Sequence[str], axes: Iterable[str]) -> Globs:
    """The globs of `--select AXIS=GLOB` by axis; `UsageError` for one that names no axis."""
    known = [*dict.fromkeys((*axes, *SETTINGS)), BY_ID]
    globs: dict[str, list[str]] = {}
    for pattern in patterns:
        written, equals, glob = pattern.partition("=")
        axis = ALIASES.get(written, written)
        if not equals or not glob:
            raise UsageError(f"--select {pattern}: write AXIS=GLOB, e.g. --select 'python=3.1*'")
        if axis not in known:
            raise UsageError(f"--select {pattern}: unknown axis {axis!r}{suggestion(axis, known)}")
        globs.setdefault(axis, []).append(glob)
    return globs


def may_match(cell: Cell, globs: Globs) -> bool:
    """Whether the globs match a cell; true also for a version that is not exact yet."""
    return all(
        any(fnmatchcase(_value(cell, axis) or "", glob) for glob in choices) or _is_open(cell, axis)
        for axis, choices in globs.items()
    )


def _value(cell: Cell, axis: str) -> str | None:
    return cell.id if axis == BY_ID else cell.axis(axis)


def _is_open(cell: Cell, axis: str) -> bool:
    """Whether the cell's value on the axis is only known once its environment is locked."""
    return any(r.exact is None for r in cell.requirements if axis in {r.name, BY_ID})


def no_match(cells: Iterable[Cell], globs: Globs) -> UsageError:
    """The error for a selection that matches none of the cells; it lists the axes' values."""
    cells = list(cells)
    options = " ".join(f"--select {a}={glob}" for a, choices in globs.items() for glob in choices)
    there_are = "; ".join(f"{axis}: {_values(cells, axis)}" for axis in globs)
    several = any("," in glob for choices in globs.values() for glob in choices)
    hint = "; for several values, repeat --select AXIS=GLOB" if several else ""
    return UsageError(f"{options}: matches no cell; there are {there_are}{hint}")


def _values(cells: Iterable[Cell], axis: str) -> str:
    values = list(dict.fromkeys(_value(cell, axis) or "–" for cell in cells))
    return ", ".join(values[:20]) + (" …" if len(values) > 20 else "")


def overridden(
    experiment: Experiment,
    *,
    requests: int | None = None,
    concurrency: int | None = None,
    launches: int | None = None,
    repeats: int | None = None,
) -> Experiment:
    """The experiment with another load, or another number of launches or repeats.

    A concurrency given here replaces the axis of that name: cells that differ only in it become
    one. Cells with a rate keep their load. Raises `UsageError` for what is impossible.
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
    if (requests or concurrency) and all(cell.rate for cell in experiment.cells):
        raise UsageError(
            f"{'--requests' if requests else '--concurrency'}: every cell's load has a fixed rate; "
            "change `load.rate` and `load.seconds` in the matrix file instead"
        )
    cells = dict.fromkeys(_loaded(cell, requests, concurrency) for cell in experiment.cells)
    changed = replace(
        experiment,
        cells=tuple(cells),
        launches=launches or experiment.launches,
        least_launches=None if launches else experiment.least_launches,
        repeats=experiment.repeats if repeats is None else repeats,
    )
    _refuse_impossible(changed)
    return changed


def _loaded(cell: Cell, requests: int | None, concurrency: int | None) -> Cell:
    if cell.share is not None and concurrency is not None:
        return replace(cell, concurrency=concurrency)
    if cell.rate:
        return cell
    if requests is not None:
        cell = replace(cell, requests=requests)
    if concurrency is not None:
        varied = tuple(name for name in cell.varied if name != "concurrency")
        cell = replace(cell, concurrency=concurrency, varied=varied)
    return cell


def _refuse_impossible(experiment: Experiment) -> None:
    for cell in experiment.cells:
        if not cell.rate and cell.concurrency > cell.requests:
            raise UsageError(
                f"concurrency {cell.concurrency} exceeds {cell.requests} requests: "
                "raise --requests, or lower --concurrency"
            )
    if problem := too_long(experiment.cells, experiment.limits):
        raise UsageError(problem)
