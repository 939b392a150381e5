"""One row per cell: the keys of table.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isclose
from typing import Final

from runner.matrix.axes import BASE_AXES
from runner.measurement.records import (
    LaunchRecord,
)
from runner.outcome import Outcome
from runner.report.axis_values import Value
from runner.report.statistics import NOT_COMPARED, Contrast
from runner.store.records import RunRecord

#: The key of the requests per second that a load at a fixed rate was sent at.
RATE_KEY: Final = "rate_rps"

Launches = Mapping[str, Sequence[LaunchRecord]]


def is_cut(row: Row) -> bool:
    """Whether less of the load was sent than was asked for."""
    return row.requests is not None and (row.sent_requests, row.sent_concurrency) not in {
        (None, None),
        (row.requests, row.concurrency),
    }


def is_held_back(row: Row) -> bool:
    """Whether the server's settings allow less than the clients could get."""
    allowed, most = row.configuration_rps, row.ceiling_rps
    return allowed is not None and (most is None or not isclose(allowed, most))


def was_cut(row: Row, launch: LaunchRecord) -> bool:
    """Whether less of the row's load was sent in a launch than was asked for."""
    return (launch.requests, launch.concurrency) != (row.requests, row.concurrency)


def axes_of(run: RunRecord) -> tuple[str, ...]:
    """The run's axes in the order of the matrix file, then those that every row names."""
    return tuple(dict.fromkeys((*run.axes, *BASE_AXES)))


def further_axes(run: RunRecord) -> list[str]:
    """The run's axes that not every row names."""
    return [axis for axis in run.axes if axis not in BASE_AXES]


def further_keys(run: RunRecord) -> list[str]:
    """The keys of those, and that of the requests per second of a load with a rate."""
    axes = further_axes(run)
    return [*axes, RATE_KEY] if "rate" in axes else axes


# -- a row -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What the launches show of a figure around its median, `<figure>_low` and so on.

    `low` and `high` are the interval of the median at its `level`, None below three launches; `min`
    and `max` are the extremes.
    """

    low: float | None = None
    high: float | None = None
    level: float | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell in a table; the fields are table.json's keys in their order, then `further` axes.

    A figure is the median over the launches that ended as the row says, `outcome_launches` of
    `launches`; `max_ms` and a count of what should be none (failed requests, other statuses,
    tracebacks, overflows, retransmits) are the most that any of them showed. The spread of a figure
    is several keys of table.json, and so is its contrast with the baseline: `rate_ratio` with
    `_low`, `_high` and `_level`, `verdict_rate`, and `rate_undecided_because`. `speedup` is the
    same as `rate_ratio`. `attempts` is how many attempts the launches took, and `rejected` says how
    many of them were disturbed and repeated, and why. `in_effect` is what was patched where that is
    not what the patch mode says, and `in_effect_by` who did that: `server` or `application`.

    `reason` is what was seen of the outcome, `why` one line on its cause: that of the first launch
    that ended as the row says, None for a cell that just works.

    `outcome` is None for a cell that was not measured. `requests` and `concurrency` are the load
    as asked for, `sent_requests` and `sent_concurrency` what of it was sent. At a fixed rate there
    is no `concurrency`, and `requests` is how many are due in its time; the axis `rate` has its
    requests per second, a number, or what percentage of the baseline's these are, `80%`, where it
    has `closed` for other loads, and `rate_rps` has the number in both cases. Percentiles belong to
    a load, so one that was cut has none. What is unknown or does not apply is None.
    """

    cell: str
    python: str | None
    gevent: str | None
    grpcio: str | None
    patch: str | None
    server: str | None
    workload: str | None
    concurrency: int | None
    requests: int | None
    outcome: Outcome | None
    reason: str | None
    why: str | None = None
    launches: int = 0
    outcome_launches: int = 0
    attempts: int | None = None
    rejected: str | None = None
    sent_requests: int | None = None
    sent_concurrency: int | None = None
    requests_per_second: float | None = None
    requests_per_second_spread: Spread = Spread()
    ceiling_rps: float | None = None
    efficiency: float | None = None
    configuration_rps: float | None = None
    speedup: float | None = None
    rate_contrast: Contrast = NOT_COMPARED
    cpu_contrast: Contrast = NOT_COMPARED
    p99_contrast: Contrast = NOT_COMPARED
    rss_contrast: Contrast = NOT_COMPARED
    at_a_time: float | None = None
    in_flight: float | None = None
    time_taken_s: float | None = None
    mean_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    p99_ms_spread: Spread = Spread()
    max_ms: float | None = None
    failed_requests: int | None = None
    non_2xx: int | None = None
    tracebacks: int | None = None
    cpu_ms_per_request: float | None = None
    cpu_ms_per_request_spread: Spread = Spread()
    cpu_user_ms_per_request: float | None = None
    cpu_system_ms_per_request: float | None = None
    peak_rss_mib: float | None = None
    peak_rss_mib_spread: Spread = Spread()
    peak_threads: int | None = None
    voluntary_switches: float | None = None
    involuntary_switches: float | None = None
    run_queue_delay_ms: float | None = None
    loadgen_cpu_share: float | None = None
    listen_overflows: int | None = None
    syn_retransmits: int | None = None
    disturbed: str | None = None
    reused_from: str | None = None
    in_effect: str | None = None
    in_effect_by: str | None = None
    further: Mapping[str, Value] = field(default_factory=dict)

    def value(self, column: str) -> Value:
        """The value of a key of table.json; `KeyError` where the row has no such key."""
        place = _PLACES.get(column)
        if place is None:
            return self.further[column]
        name, end = place
        value: Value = getattr(getattr(self, name), end) if end else getattr(self, name)
        return value

    def contrast(self, figure: str) -> Contrast:
        """The figure of this name (see `runner.report.figures`) against the baseline."""
        contrast: Contrast = getattr(self, f"{figure}_contrast")
        return contrast

    def values(self) -> dict[str, Value]:
        """The row as table.json holds it."""
        return {key: self.value(key) for key in (*KEYS, *self.further)}


def _places_in_a_row() -> dict[str, tuple[str, str]]:
    """Each key of table.json: the field it is of, and for a spread the end of it."""
    places: dict[str, tuple[str, str]] = {}
    for of in fields(Row):
        if isinstance(of.default, Spread):
            figure = of.name.removesuffix("_spread")
            places |= {f"{figure}_{end.name}": (of.name, end.name) for end in fields(Spread)}
        elif isinstance(of.default, Contrast):
            figure = of.name.removesuffix("_contrast")
            places[f"verdict_{figure}"] = (of.name, "verdict")
            places[f"{figure}_ratio"] = (of.name, "ratio")
            places |= {f"{figure}_ratio_{end}": (of.name, end) for end in ("low", "high", "level")}
            places[f"{figure}_undecided_because"] = (of.name, "reason")
        elif of.name != "further":
            places[of.name] = (of.name, "")
    return places


_PLACES: Final = _places_in_a_row()
#: The keys that every row has.
KEYS: Final = tuple(_PLACES)


def keys_of(run: RunRecord) -> tuple[str, ...]:
    """The keys of each of the run's rows, in their order."""
    return (*KEYS, *further_keys(run))
