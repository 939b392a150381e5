"""The figures that cells are compared by: what each is of a launch, and which difference matters.

Rows hold more figures than these. These four are what a patch may change or cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from runner.measurement.records import LaunchRecord, rate_of
from runner.options import DELTAS
from runner.report.percentiles import has_p99
from runner.report.row import Row, was_cut
from runner.report.statistics import Verdict
from runner.store.records import RunRecord


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`name` is as in `delta:` and in table.json; `of` is its value in a launch of a row, or None.

    `needs_long_load`: whether a load that is mostly its beginning and its end says nothing of it.
    `is_a_cost`: whether it depends on what was sent, and is not compared where one of two loads was
    cut. `is_set_by_a_rate`: whether a load at a fixed rate sets it. `depends_on_neighbours`:
    whether it is another one beside fewer cells; a launch that is repeated runs beside fewer.
    `more_is_better`: all but the rate are costs, of which more is worse.
    """

    name: str
    label: str
    of: Callable[[Row, LaunchRecord], float | None]
    needs_long_load: bool = True
    is_a_cost: bool = False
    is_set_by_a_rate: bool = False
    depends_on_neighbours: bool = False
    more_is_better: bool = False

    @property
    def worse(self) -> Verdict:
        """The verdict that is bad news."""
        return Verdict.LOWER if self.more_is_better else Verdict.HIGHER


def _rate(_: Row, launch: LaunchRecord) -> float | None:
    return rate_of(launch.ab) if launch.ab else None


def _cpu(_: Row, launch: LaunchRecord) -> float | None:
    return launch.resources.cpu_ms_per_request if launch.resources else None


def _p99(row: Row, launch: LaunchRecord) -> float | None:
    """None of a load that was cut: its latencies are those of another load."""
    if launch.ab is None or not has_p99(launch) or was_cut(row, launch):
        return None
    return launch.ab.p99_ms


def _rss(_: Row, launch: LaunchRecord) -> float | None:
    return launch.resources.peak_rss_mib if launch.resources else None


RATE: Final = Figure(
    name="rate", label="requests/s", of=_rate, is_set_by_a_rate=True, more_is_better=True
)
FIGURES: Final = (
    RATE,
    Figure(
        name="cpu",
        label="CPU per request",
        of=_cpu,
        is_a_cost=True,
        depends_on_neighbours=True,
    ),
    Figure(name="p99", label="p99", of=_p99),
    Figure(name="rss", label="memory", of=_rss, needs_long_load=False, is_a_cost=True),
)


def deltas(run: RunRecord, chosen: Mapping[str, float] | None = None) -> dict[str, float]:
    """The difference that matters, by figure's name: as chosen, else the run's, else the usual."""
    return {**DELTAS, **run.delta, **(chosen or {})}
