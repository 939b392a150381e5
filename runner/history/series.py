"""A figure of a cell in one run after another.

A run is a point. What is not made alike is not in one series: cells of other experiments, loads or
workloads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean, median
from typing import Final, NamedTuple

from runner.outcome import Outcome
from runner.report.baseline import OTHER_LOAD, SET_BY_THE_LOAD, Pair, pairs
from runner.report.figures import FIGURES, Figure
from runner.report.notes import workload_text
from runner.report.row import Row
from runner.report.run import Run
from runner.report.side import Origin, in_a_run, origin_of
from runner.store.records import RunRecord

#: Ratios that say nothing of the cell.
_NOT_COMPARED: Final = {OTHER_LOAD, SET_BY_THE_LOAD}


class Key(NamedTuple):
    """What the runs of a cell must have in common: names, and load and workload in words."""

    experiment: str
    cell: str
    load: str
    workload: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A figure in one run: the median over its launches, or the mean ratio to the baseline.

    `launches` is how many of the cell's launches it is made of, each counted in the first run that
    has it.
    """

    run: RunRecord
    value: float
    launches: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """The points of a figure, oldest first; there is at least one.

    With `is_ratio` each is the figure over that of the baseline in the same rounds: what a day or a
    machine does to all cells alike is not in it.
    """

    figure: Figure
    is_ratio: bool
    points: Sequence[Point]

    @property
    def name(self) -> str:
        """`rate` or `rate_ratio`, and so on."""
        return f"{self.figure.name}_ratio" if self.is_ratio else self.figure.name


@dataclass(frozen=True, kw_only=True)
class CellHistory:
    """A cell in all runs that launched it: how it ended in each, and its figures."""

    key: Key
    outcomes: Sequence[Outcome]
    series: Sequence[Series]

    def shown(self, figure: Figure) -> Series | None:
        """The figure's ratios where the cell is compared with another, else its own values."""
        return max(self.of(figure), key=lambda one: one.is_ratio, default=None)

    def of(self, figure: Figure) -> list[Series]:
        """The series of a figure: its values and its ratios, as far as there are any."""
        return [one for one in self.series if one.figure is figure]


@dataclass(frozen=True, kw_only=True)
class History:
    """Runs, oldest first, and the cells that they launched, in the order of their tables."""

    runs: Sequence[RunRecord]
    cells: Sequence[CellHistory]


def history(runs: Iterable[Run]) -> History:
    """The history that these runs tell; of a run that is given twice, one counts."""
    by_id = {(_host(run.record), run.record.run_id): run for run in runs}
    in_order = sorted(by_id.values(), key=lambda run: _moment(run.record))
    growing: dict[Key, _Growing] = {}
    for run in in_order:
        paired = {
            figure: pairs(figure, run.rows, run.baselines, run.launches) for figure in FIGURES
        }
        for row in run.rows:
            if row.launches:
                growing.setdefault(_key(run, row), _Growing()).add(run, row, paired)
    return History(
        runs=[run.record for run in in_order],
        cells=[cell.grown(key) for key, cell in growing.items()],
    )


def machine_of(run: RunRecord) -> str:
    """The machines that a run was made on, by name; empty where that is not known."""
    if run.hosts:
        return " ".join(run.hosts)
    return run.host.hostname if run.host else ""


def _host(run: RunRecord) -> str | None:
    return run.host.hostname if run.host else None


def _moment(run: RunRecord) -> float:
    """When a run began, in seconds since 1970."""
    return datetime.fromisoformat(run.started_at).timestamp()


def _key(run: Run, row: Row) -> Key:
    cell = run.cells[row.cell]
    return Key(run.record.experiment, cell.id, cell.load, workload_text(cell))


@dataclass(kw_only=True)
class _Growing:
    """A cell's history while run after run is added; `seen` are the launches that it has."""

    outcomes: list[Outcome] = field(default_factory=list)
    points: dict[tuple[str, bool], list[Point]] = field(default_factory=dict)
    seen: set[Origin] = field(default_factory=set)

    def add(self, run: Run, row: Row, paired: Mapping[Figure, Mapping[str, Pair]]) -> None:
        """Add what the row's launches show that no earlier run has."""
        new = {origin_of(run.record, launch) for launch in run.launches[row.cell]} - self.seen
        if not new or row.outcome is None:
            return
        self.seen |= new
        self.outcomes.append(row.outcome)
        for figure in FIGURES:
            part = in_a_run(run, row, figure, paired[figure])
            own = [math.exp(value) for origin, value in part.own.items() if origin in new]
            ratios = [value for origin, value in part.ratios.items() if origin in new]
            if own:
                self._add(figure, run.record, median(own), len(own))
            if ratios and part.has_baseline and part.reason not in _NOT_COMPARED:
                mean = math.exp(fmean(ratios))
                self._add(figure, run.record, mean, len(ratios), is_ratio=True)

    def _add(
        self, figure: Figure, run: RunRecord, value: float, launches: int, *, is_ratio: bool = False
    ) -> None:
        point = Point(run=run, value=value, launches=launches)
        self.points.setdefault((figure.name, is_ratio), []).append(point)

    def grown(self, key: Key) -> CellHistory:
        """The history, once all runs were added."""
        return CellHistory(
            key=key,
            outcomes=self.outcomes,
            series=[
                Series(figure=figure, is_ratio=is_ratio, points=points)
                for figure in FIGURES
                for is_ratio in (False, True)
                if (points := self.points.get((figure.name, is_ratio)))
            ],
        )
