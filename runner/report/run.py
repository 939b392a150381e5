"""A run with everything that follows from its records: made once, and passed on.

Axes that cannot matter are dropped from a cell, so one cell can represent many points of the
matrix: the unpatched one of a Python for every gevent and grpcio of that Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import median
from typing import Final, NamedTuple

from runner.matrix.canonical import CanonicalIndex
from runner.measurement.records import rate_of
from runner.options import THRESHOLD
from runner.report.attempts import NONE_REJECTED, with_attempts
from runner.report.rows import Launches, Row, Spread, axes_of, rows_of
from runner.report.statistics import Comparison, differences, median_estimate
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run: its record, its launches by cell, its rows in table order.

    `rejected` are attempts that were disturbed and repeated, by launch and attempt. They are in no
    figure of the rows.
    """

    record: RunRecord
    launches: Launches
    rows: tuple[Row, ...]
    rejected: Launches = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[str, CellRecord]:
        """The records of all cells by id, those that cannot be measured last."""
        return {cell.id: cell for cell in (*self.record.cells, *self.record.unavailable)}

    @cached_property
    def by_cell(self) -> dict[str, Row]:
        """The rows by their cells' ids, in table order."""
        return {row.cell: row for row in self.rows}

    def measured(self) -> Iterator[Row]:
        """The rows with performance figures."""
        for row in self.rows:
            if row.outcome is not None and row.outcome.has_figures and row.requests_per_second:
                yield row


def collate(
    record: RunRecord,
    launches: Launches,
    *,
    rejected: Launches = NONE_REJECTED,
    threshold: float = THRESHOLD,
) -> Run:
    """The run that these records are of, measured to its end or not.

    `rejected` are the attempts that were disturbed and repeated, as far as they are stored.
    `threshold` is the share by which medians must differ before a difference is called one.
    """
    rows = with_attempts(rows_of(record, launches), record, launches, rejected)
    finished = with_speedup(rows, baselines(rows, record), launches, threshold)
    return Run(record=record, launches=launches, rows=tuple(finished), rejected=rejected)


def read_run(directory: RunDirectory, *, threshold: float = THRESHOLD) -> Run:
    """The run that is stored in a directory; `UsageError` if it cannot be read."""
    return collate(
        directory.read_run(),
        directory.launches(),
        rejected=directory.rejected(),
        threshold=threshold,
    )


# -- each row's baseline, and its rate over that ---------------------------------------------------

OTHER_RUNS: Final = (
    "not paired with the baseline: measured in different runs; what drifted between them is in "
    "the ratio, which is that of the medians, and in the verdict"
)
NO_SHARED_ROUND: Final = (
    "not paired with the baseline: no round has figures of both; the ratio is that of the medians"
)

#: The shortest load whose rate is compared: in seconds, and in service times.
SHORTEST_LOAD_S: Final = 10.0
FEWEST_TURNS: Final = 20


def baselines(rows: Sequence[Row], run: RunRecord) -> dict[str, Row]:
    """The baseline of each row that has one, by the row's cell. A baseline is its own."""
    if not run.baseline:
        return {}
    cells = {cell.id: cell for cell in (*run.cells, *run.unavailable)}
    index = CanonicalIndex(
        (row for row in rows if _matches(row, cells[row.cell], run.baseline)),
        [axis for axis in axes_of(run) if axis not in run.baseline],
    )
    found = ((row.cell, index.find(row.value)) for row in rows)
    return {cell: base for cell, base in found if base}


def _matches(row: Row, cell: CellRecord, baseline: Mapping[str, str]) -> bool:
    """Whether the cell has the values, as shown or as the matrix file writes them."""
    shown = row.values()
    return all(
        value in {str(shown.get(axis)), cell.axes.get(axis)} for axis, value in baseline.items()
    )


# -- rates over that of the baseline ---------------------------------------------------------------


class Round(NamedTuple):
    """A round of the run that a launch was made in.

    `machine` and `run` are None if the run at hand knows of one machine only, and where the
    launch is its own.
    """

    machine: str | None
    run: str | None
    number: int


def rates_by_round(row: Row, launches: Launches) -> dict[Round, float]:
    """Rate of each of the row's launches that its figures are made of, by its round.

    A launch reused from an earlier run belongs to a round of that run, on another day.
    """
    return {
        Round(launch.block, launch.reused_from, launch.launch): rate_of(launch.ab)
        for launch in launches.get(row.cell, ())
        if launch.ab and launch.outcome.counts_as(row.outcome) and launch.outcome.has_figures
    }


def lasts_long_enough(row: Row, launches: Launches) -> bool:
    """Whether the row's loads last `SHORTEST_LOAD_S`, and `FEWEST_TURNS` times a lone request.

    A shorter one is mostly its beginning and its end.
    """
    return all(
        launch.ab.time_taken_s
        >= max(SHORTEST_LOAD_S, FEWEST_TURNS * (launch.lone_request_ms or 0.0) / 1000)
        for launch in launches.get(row.cell, ())
        if launch.ab and launch.outcome.counts_as(row.outcome)
    )


def with_speedup(
    rows: Sequence[Row], found: Mapping[str, Row], launches: Launches, threshold: float
) -> list[Row]:
    """The rows with their rate over that of their baseline, as `baselines` found it."""
    pairs = {
        row.cell: _within_machines(
            rates_by_round(row, launches), rates_by_round(found[row.cell], launches)
        )
        for row in rows
        if row.cell in found
    }
    pairs = {cell: (own, base) for cell, (own, base) in pairs.items() if own and base}
    by_cell = {row.cell: row for row in rows}
    own_baseline = {base.cell for base in found.values()}
    judged = [cell for cell in pairs if cell not in own_baseline]
    verdicts = differences(
        [
            Comparison(
                values=tuple(own.values()),
                reference=tuple(base.values()),
                long_enough=lasts_long_enough(by_cell[cell], launches)
                and lasts_long_enough(found[cell], launches),
            )
            for cell, (own, base) in ((cell, pairs[cell]) for cell in judged)
        ],
        threshold=threshold,
    )
    verdict_of = dict(zip(judged, verdicts, strict=True))
    return [
        replace(_faster(row, *pairs[row.cell]), verdict=verdict_of.get(row.cell))
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
        speedup_spread=Spread(
            low=estimate.low, high=estimate.high, min=min(ratios), max=max(ratios)
        ),
    )
