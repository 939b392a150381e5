"""`--shard I/N`: one part of an experiment, so that several machines can share it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runner.errors import UsageError
from runner.matrix.axes import BASE_AXES
from runner.matrix.cell import Cell, Experiment
from runner.measurement import estimate
from runner.report.baseline import CanonicalIndex


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The `index`-th of `of` parts, counted from 1."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


def parse_shard(text: str) -> Shard:
    """A shard written `2/4`; `UsageError` for what is none."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text}: write I/N with I from 1 to N, e.g. --shard 2/4")
    return Shard(index=int(match[1]), of=int(match[2]))


def part(experiment: Experiment, wanted: Shard) -> Experiment:
    """The experiment with the shard's cells alone, and with the baselines of those.

    A ratio of rates from two machines would compare the machines, so a baseline is measured
    wherever there is something to compare with it; any other cell is in one shard. It follows from
    the cells as the file requests them: what they are locked to may differ by machine.
    """
    groups = _by_baseline(experiment)
    line = [(cell, base) for base, members in groups for cell in members or [base]]
    durations = [estimate.launch_s(cell, experiment.limits) for cell, _ in line]
    kept = {
        cell
        for pair, number in zip(line, _parts(durations, wanted.of), strict=True)
        if number == wanted.index
        for cell in pair
    }
    return replace(experiment, cells=tuple(cell for cell in experiment.cells if cell in kept))


def _by_baseline(experiment: Experiment) -> list[tuple[Cell, list[Cell]]]:
    """Each baseline with the cells that are compared with it; a cell without one is its own."""
    axes = dict.fromkeys((*experiment.axes, *BASE_AXES))
    baseline = dict(experiment.baseline)
    index = CanonicalIndex(
        (
            _Point(cell)
            for cell in experiment.cells
            if baseline and all(cell.axis(axis) == value for axis, value in baseline.items())
        ),
        [axis for axis in axes if axis not in baseline],
    )
    groups: dict[Cell, list[Cell]] = {}
    for cell in experiment.cells:
        found = index.find(cell.axis)
        members = groups.setdefault(found.cell if found else cell, [])
        if found and found.cell != cell:
            members.append(cell)
    return [*groups.items()]


@dataclass(frozen=True)
class _Point:
    cell: Cell

    def value(self, column: str, /) -> str | None:
        """The cell's value on an axis."""
        return self.cell.axis(column)


def _parts(durations: Sequence[float], parts: int) -> Iterator[int]:
    """The part (from 1) of each piece of a line that is cut into parts of about equal length.

    A piece belongs where its middle lies. Cut in line, few groups lie on both sides of a cut.
    """
    whole, before = sum(durations), 0.0
    for duration in durations:
        middle = before + duration / 2
        yield max(1, math.ceil(parts * middle / whole))
        before += duration
