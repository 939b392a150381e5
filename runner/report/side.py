"""One side of a comparison: one or more runs, of which every launch counts once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import NamedTuple

from runner.measurement.records import LaunchRecord, rate_of
from runner.outcome import Outcome
from runner.report.baseline import Pair, by_round, lasts_long_enough, pairs, round_of
from runner.report.figures import Figure
from runner.report.row import Row
from runner.report.rows import outcome_of
from runner.report.run import Run
from runner.store.records import CellRecord, RunRecord


class Origin(NamedTuple):
    """Where a launch was made, whichever runs have reused it since."""

    host: str | None
    run: str
    cell: str
    launch: int


def origin_of(run: RunRecord, launch: LaunchRecord) -> Origin:
    """The host and the run that a launch stored in a run was made in, its cell and its number."""
    host = run.host.hostname if run.host else None
    return Origin(host, launch.reused_from or run.run_id, launch.cell, launch.launch)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a side knows of a cell: how its launches ended, why, and their median requests/s.

    `counts` is how many launches ended so, of how many. Of a cell that no run launched the outcome
    is None, or why it could not be launched.
    """

    outcome: Outcome | None
    reason: str | None
    counts: tuple[int, int] = (0, 0)
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Side:
    """Runs that are compared together with others."""

    runs: tuple[Run, ...]

    @cached_property
    def cells(self) -> dict[str, CellRecord]:
        """The records of all cells by id; of one that several runs have, the last run's."""
        return {id_: cell for run in self.runs for id_, cell in run.cells.items()}

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """Each cell's rows in the runs that have it, by the cell's id in table order."""
        found: dict[str, list[Row]] = {}
        for run in self.runs:
            for row in run.rows:
                found.setdefault(row.cell, []).append(row)
        return found

    @cached_property
    def launches(self) -> dict[str, dict[Origin, LaunchRecord]]:
        """Each cell's launches by where they were made."""
        found: dict[str, dict[Origin, LaunchRecord]] = {}
        for run in self.runs:
            for cell, of_cell in run.launches.items():
                own = {origin_of(run.record, launch): launch for launch in of_cell}
                found[cell] = own | found.get(cell, {})
        return found

    @cached_property
    def measured(self) -> dict[str, Measured]:
        """What is known of each cell."""
        return {cell: self._measured(cell) for cell in self.rows}

    def _measured(self, cell: str) -> Measured:
        launches = [*self.launches.get(cell, {}).values()]
        if not launches:
            row = max(self.rows[cell], key=lambda row: row.outcome is not None)
            return Measured(outcome=row.outcome, reason=row.reason)
        outcome, reason = outcome_of(launches)
        rates = [rate_of(x.ab) for x in launches if x.ab and x.outcome.counts_as(outcome)]
        return Measured(
            outcome=outcome,
            reason=reason,
            counts=(sum(x.outcome is outcome for x in launches), len(launches)),
            rate=median(rates) if rates and outcome.has_figures else None,
        )

    def all_launches(self) -> Iterator[LaunchRecord]:
        """The launches of all cells."""
        for of_cell in self.launches.values():
            yield from of_cell.values()

    @property
    def is_imported(self) -> bool:
        """Whether a run was made out of reports from elsewhere."""
        return any(run.record.is_imported for run in self.runs)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of all runs."""
        return tuple(dict.fromkeys(axis for run in self.runs for axis in run.record.axes))


# -- a figure in the runs of a side ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Values:
    """A figure of a cell on one side, as logarithms.

    `own` is the mean in each run, over the launches that no run before it has; `ratios` is the
    figure over that of the baseline, in each of their rounds. `short`: whether a load is too short
    to compare the figure; `reason` is why its ratio is not compared.
    """

    own: Sequence[float]
    ratios: Sequence[float]
    has_baseline: bool
    short: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class InOneRun:
    """The same in one run, by where each launch was made."""

    own: Mapping[Origin, float]
    ratios: Mapping[Origin, float]
    has_baseline: bool
    short: bool
    reason: str | None


def values_of(side: Side, figure: Figure) -> dict[str, Values]:
    """The figure of each cell that has it, in the launches that ended as the side says of it."""
    paired = [pairs(figure, run.rows, run.baselines, run.launches) for run in side.runs]
    found: dict[str, Values] = {}
    for cell, known in side.measured.items():
        parts = [
            in_a_run(run, row, figure, of_run)
            for run, of_run in zip(side.runs, paired, strict=True)
            if (row := run.by_cell.get(cell)) and known.outcome and _counts(row, known.outcome)
        ]
        if any(part.own for part in parts):
            found[cell] = _joined(parts)
    return found


def _counts(row: Row, outcome: Outcome) -> bool:
    return row.outcome is not None and row.outcome.counts_as(outcome)


def in_a_run(run: Run, row: Row, figure: Figure, paired: Mapping[str, Pair]) -> InOneRun:
    """A row's figure in its run; `paired` are all of that figure's, as `pairs` found them."""
    origins = {round_of(x): origin_of(run.record, x) for x in run.launches.get(row.cell, ())}
    own = by_round(figure, row, run.launches)
    pair = paired.get(row.cell)
    return InOneRun(
        own={origins[key]: value for key, value in own.items()},
        ratios={origins[key]: value for key, value in pair.ratios.items()} if pair else {},
        has_baseline=run.baselines.get(row.cell, row).cell != row.cell,
        short=figure.needs_long_load and not lasts_long_enough(row, run.launches),
        reason=pair.reason if pair else None,
    )


def _joined(parts: Sequence[InOneRun]) -> Values:
    """The values of all runs; of a launch that several have, that in the first."""
    seen: set[Origin] = set()
    means: list[float] = []
    ratios: dict[Origin, float] = {}
    for part in parts:
        if new := [value for origin, value in part.own.items() if origin not in seen]:
            means.append(fmean(new))
        seen |= part.own.keys()
        ratios = {**part.ratios, **ratios}
    return Values(
        own=means,
        ratios=[*ratios.values()],
        has_baseline=all(part.has_baseline for part in parts),
        short=any(part.short for part in parts),
        reason=next((part.reason for part in parts if part.reason), None),
    )
