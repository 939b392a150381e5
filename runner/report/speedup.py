"""Rates against the baseline's: paired by round, with a verdict corrected over the whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runner.measurement.records import AbFigures, LaunchRecord
from runner.report.axes import axes_of
from runner.report.canonical import CanonicalIndex
from runner.report.row import Row
from runner.report.statistics import Comparison, differences, paired_ratio
from runner.store.records import CellRecord, RunRecord

Launches = Mapping[str, Sequence[LaunchRecord]]


def rate_of(figures: AbFigures) -> float:
    """Requests per second of a load, to more digits than `ab` prints."""
    if figures.time_taken_s <= 0:
        return figures.requests_per_second
    return figures.complete / figures.time_taken_s


def rates_by_round(row: Row, launches: Launches) -> dict[int, float]:
    """Rate of each of the row's launches that its figures are made of, by the round's number."""
    return {
        launch.launch: rate_of(launch.ab)
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
        row.cell: (rates_by_round(row, launches), rates_by_round(base, launches))
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


def _faster(row: Row, own: Mapping[int, float], base: Mapping[int, float]) -> Row:
    """The row with its ratio to the baseline, round by round where they share rounds."""
    rounds = sorted(own.keys() & base.keys())
    if not rounds:
        return row
    ratio = paired_ratio([own[r] for r in rounds], [base[r] for r in rounds])
    return replace(row, speedup=ratio.median, speedup_low=ratio.low, speedup_high=ratio.high)


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
    return all(
        value in {str(row.values().get(axis)), cell.axes.get(axis)}
        for axis, value in baseline.items()
    )
