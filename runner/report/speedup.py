"""Rates against the baseline's: paired by round, with a verdict corrected over the whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final, NamedTuple

from runner.measurement.records import AbFigures, LaunchRecord
from runner.report.axes import axes_of
from runner.report.canonical import CanonicalIndex
from runner.report.row import Row
from runner.report.statistics import Comparison, differences, median_estimate
from runner.store.records import CellRecord, RunRecord

Launches = Mapping[str, Sequence[LaunchRecord]]


class Round(NamedTuple):
    """A round of the run that a launch was made in.

    `machine` and `run` are None where the run at hand knows of one machine only, and where the
    launch is its own.
    """

    machine: str | None
    run: str | None
    number: int


OTHER_RUNS: Final = (
    "not paired with the baseline: measured in different runs; what drifted between them is in "
    "the ratio, which is that of the medians, and in the verdict"
)
NO_SHARED_ROUND: Final = (
    "not paired with the baseline: no round has figures of both; the ratio is that of the medians"
)


def rate_of(figures: AbFigures) -> float:
    """Requests per second of a load, to more digits than `ab` prints."""
    if figures.time_taken_s <= 0:
        return figures.requests_per_second
    return figures.complete / figures.time_taken_s


def rates_by_round(row: Row, launches: Launches) -> dict[Round, float]:
    """Rate of each of the row's launches that its figures are made of, by its round.

    A launch taken over from an earlier run belongs to a round of that run: it is another day's.
    """
    return {
        Round(launch.block, launch.reused_from, launch.launch): rate_of(launch.ab)
        for launch in launches.get(row.cell, ())
        if launch.ab and launch.outcome is row.outcome and launch.outcome.has_figures
    }


def with_speedup(
    rows: Sequence[Row], run: RunRecord, launches: Launches, threshold: float
) -> list[Row]:
    """The rows with their rate over that of the baseline: equal on the axes that it carries."""
    matched = with_baseline(rows, run)
    baselines = {base.cell for _, base in matched}
    pairs = {
        row.cell: _within_machines(rates_by_round(row, launches), rates_by_round(base, launches))
        for row, base in matched
    }
    pairs = {cell: (own, base) for cell, (own, base) in pairs.items() if own and base}
    judged = {cell: pairs[cell] for cell in pairs if cell not in baselines}
    verdicts = differences(
        [
            Comparison(values=tuple(own.values()), reference=tuple(base.values()))
            for own, base in judged.values()
        ],
        threshold=threshold,
    )
    by_cell = dict(zip(judged, verdicts, strict=True))
    return [
        replace(_faster(row, *pairs[row.cell]), verdict=by_cell.get(row.cell))
        if row.cell in pairs
        else row
        for row in rows
    ]


def _within_machines(
    own: Mapping[Round, float], base: Mapping[Round, float]
) -> tuple[Mapping[Round, float], Mapping[Round, float]]:
    """Both, without the rounds of a machine that only one of them ran on: it would be compared."""
    shared = {round_.machine for round_ in own} & {round_.machine for round_ in base}
    return (
        {round_: rate for round_, rate in own.items() if round_.machine in shared},
        {round_: rate for round_, rate in base.items() if round_.machine in shared},
    )


def _faster(row: Row, own: Mapping[Round, float], base: Mapping[Round, float]) -> Row:
    """The row with its ratio to the baseline: round by round, or of the medians and saying so."""
    ratios = [own[round_] / base[round_] for round_ in own if round_ in base]
    if not ratios:
        ratio = median(own.values()) / median(base.values())
        same_run = {round_.run for round_ in own} & {round_.run for round_ in base}
        return replace(row, speedup=ratio, not_paired=NO_SHARED_ROUND if same_run else OTHER_RUNS)
    estimate = median_estimate(ratios)
    return replace(
        row,
        speedup=estimate.median,
        speedup_low=estimate.low,
        speedup_high=estimate.high,
        speedup_min=min(ratios),
        speedup_max=max(ratios),
    )


def with_baseline(rows: Sequence[Row], run: RunRecord) -> list[tuple[Row, Row]]:
    """Each row that has a baseline, with it."""
    if not run.baseline:
        return []
    cells = {cell.id: cell for cell in (*run.cells, *run.unavailable)}
    baselines = CanonicalIndex(
        (row for row in rows if _matches(row, cells[row.cell], run.baseline)),
        [axis for axis in axes_of(run) if axis not in run.baseline],
    )
    found = [(row, baselines.find(row.value)) for row in rows]
    return [(row, base) for row, base in found if base]


def _matches(row: Row, cell: CellRecord, baseline: Mapping[str, str]) -> bool:
    """Whether the cell has the values, as shown or as the matrix file writes them."""
    shown = row.values()
    return all(
        value in {str(shown.get(axis)), cell.axes.get(axis)} for axis, value in baseline.items()
    )
