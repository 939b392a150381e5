"""Many runs of one experiment, one after another, with a change in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from numpy.random import default_rng

from runner.measurement.records import LaunchRecord
from runner.report.run import Run, collate
from runner.store.records import RunRecord
from tests.support.samples import cell, launch, run_record

NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent+grpc", gevent="25.9.1", grpcio="1.76.0")
RUNS: Final = 30
#: The first run in which the patched cell is slower, and how much of its rate it keeps.
CHANGED: Final = 17
KEPT: Final = 0.97
LAUNCHES: Final = 3
#: How much rates differ from day to day, all alike, and from launch to launch.
OF_DAYS, OF_LAUNCHES = 0.02, 0.004


def at(run: RunRecord, number: int) -> RunRecord:
    """The record as that of the run of a day: the first is number 0."""
    began = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)
    return run.model_copy(
        update={"run_id": f"{began:%Y%m%dT%H%M%SZ}", "started_at": began.isoformat()}
    )


def records() -> Iterator[tuple[RunRecord, list[LaunchRecord]]]:
    """The runs, oldest first, each with its launches."""
    random = default_rng(7)
    for number in range(RUNS):
        day = random.normal(1, OF_DAYS)
        rates = [(NONE, 48.0), (GEVENT, 48.0 * (KEPT if number >= CHANGED else 1))]
        yield (
            at(run_record(NONE, GEVENT, launches=LAUNCHES), number),
            [
                launch(one, n, rate=rate * day * random.normal(1, OF_LAUNCHES))
                for one, rate in rates
                for n in range(1, LAUNCHES + 1)
            ],
        )


def run_of(record: RunRecord, launches: list[LaunchRecord]) -> Run:
    """The run of these launches."""
    by_cell: dict[str, list[LaunchRecord]] = {}
    for one in launches:
        by_cell.setdefault(one.cell, []).append(one)
    return collate(record, by_cell)
