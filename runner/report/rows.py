"""One row per cell: the keys of table.json, and the figures of a cell's launches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import isclose
from statistics import median, median_high
from typing import Final

from runner.matrix.axes import BASE_AXES
from runner.measurement.records import (
    UNKNOWN_BOOT,
    AbFigures,
    LaunchRecord,
    Resources,
    rate_of,
)
from runner.outcome import Outcome, worst
from runner.report.axis_values import Value, natural_key
from runner.report.ceilings import ceilings_of
from runner.report.percentiles import has_p99
from runner.report.rates import load_of, why_not_launched
from runner.report.statistics import NOT_COMPARED, Contrast, median_interval
from runner.store.records import CellRecord, RunRecord

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


def _further_keys(run: RunRecord) -> list[str]:
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
    many of them were disturbed and repeated, and why.

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
    return (*KEYS, *_further_keys(run))


# -- a row of a cell's launches --------------------------------------------------------------------


def rows_of(run: RunRecord, launches: Launches) -> list[Row]:
    """One row per cell of the run, measured or not, in the natural order of the axes."""
    rows = [
        _measured(run, cell, launches.get(cell.id, ()))
        if launches.get(cell.id)
        else _identity(run, cell, None, why_not_launched(run, cell, launches))
        for cell in run.cells
    ]
    rows += [_identity(run, cell, cell.outcome, cell.reason) for cell in run.unavailable]
    axes = axes_of(run)
    return sorted(rows, key=lambda row: [natural_key(axis, row.value(axis)) for axis in axes])


def _measured(run: RunRecord, cell: CellRecord, launches: Sequence[LaunchRecord]) -> Row:
    outcome, reason = outcome_of(launches)
    decisive = [one for one in launches if one.outcome.counts_as(outcome)]
    row = replace(
        _identity(run, cell, outcome, reason, decisive),
        launches=len(launches),
        outcome_launches=sum(one.outcome is outcome for one in launches),
        disturbed=_share(launches, [launch.disturbed for launch in launches]),
        reused_from=_reused(launches),
    )
    if outcome.has_figures:
        found = ceilings_of(run.method, cell, decisive)
        row = replace(
            row,
            ceiling_rps=found.clients_rps,
            efficiency=found.efficiency,
            configuration_rps=found.configuration_rps,
        )
    return _with_figures(row, decisive)


def _identity(
    run: RunRecord,
    cell: CellRecord,
    outcome: Outcome | None,
    reason: str | None,
    launches: Sequence[LaunchRecord] = (),
) -> Row:
    rate, requests = load_of(cell, launches)
    return Row(
        cell=cell.id,
        python=cell.python,
        gevent=cell.packages.get("gevent"),
        grpcio=cell.packages.get("grpcio"),
        patch=cell.patch,
        server=cell.server,
        workload=cell.workload,
        concurrency=cell.concurrency,
        requests=requests,
        outcome=outcome,
        reason=reason,
        further={
            key: rate if key == RATE_KEY else _further(cell, key) for key in _further_keys(run)
        },
    )


def _further(cell: CellRecord, axis: str) -> Value:
    if axis == "rate" and cell.rate is not None:
        return cell.rate
    return cell.packages.get(axis, cell.axes.get(axis))


def outcome_of(launches: Sequence[LaunchRecord]) -> tuple[Outcome, str | None]:
    """The worst outcome, of ok and limited the more frequent; the reason counts what differs."""
    counts = Counter(launch.outcome for launch in launches)
    decisive = worst({*counts})
    if {*counts} == {Outcome.OK, Outcome.LIMITED}:
        decisive = max(counts, key=lambda outcome: (counts[outcome], outcome.severity))
    if len(counts) == 1:
        return decisive, _distinct(launch.reason for launch in launches)
    parts: list[str] = []
    for outcome, number in counts.most_common():
        who = str(number) if parts else f"{number} of {len(launches)} launches"
        why = _distinct(launch.reason for launch in launches if launch.outcome is outcome)
        parts.append(f"{who}: {outcome} ({why})" if why else f"{who}: {outcome}")
    return decisive, "; ".join(parts)


def _distinct(texts: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(text for text in texts if text)) or None


def _share(launches: Sequence[LaunchRecord], texts: Sequence[str | None]) -> str | None:
    """The distinct texts, with the number of launches they apply to if there are several."""
    text = _distinct(texts)
    if text is None or len(launches) == 1:
        return text
    return f"{sum(map(bool, texts))} of {len(launches)} launches: {text}"


def _reused(launches: Sequence[LaunchRecord]) -> str | None:
    """Which launches are from another run: its day and boot, and whether they are a block."""
    numbers: dict[str, list[int]] = {}
    for launch in launches:
        if launch.reused_from:
            day = (launch.started_at or "")[:10]
            words = f"run {launch.reused_from} ({day}, {_boot(launch)})"
            numbers.setdefault(words, []).append(launch.launch)
    return _distinct(
        f"{'launches' if len(of_run) > 1 else 'launch'} {', '.join(map(str, of_run))} of {words}"
        for words, of_run in numbers.items()
    )


def _boot(launch: LaunchRecord) -> str:
    """The boot of a reused launch in words: that of its run, or which."""
    if launch.is_of_its_round:
        return "same boot"
    boot = launch.other_boot or UNKNOWN_BOOT
    name = "boot not known" if boot == UNKNOWN_BOOT else f"boot {boot[:8]}"
    return f"{name}: a block of its own"


# -- figures ---------------------------------------------------------------------------------------


def _with_figures(row: Row, launches: Sequence[LaunchRecord]) -> Row:
    """The row with the figures of the launches that its outcome is of.

    Failures are counts that the load showed, not performance: every outcome keeps them.
    """
    ab = [launch.ab for launch in launches if launch.ab]
    row = replace(
        row,
        failed_requests=_most(_failed(launch) for launch in launches),
        non_2xx=_most(figures.non_2xx for figures in ab),
        tracebacks=_most(launch.tracebacks for launch in launches),
    )
    if row.outcome is None or not row.outcome.has_figures:
        return row
    whole = [launch for launch in launches if launch.ab and not was_cut(row, launch)]
    return _with_resources(_with_latencies(_with_rates(row, launches, ab), whole), launches)


def _failed(launch: LaunchRecord) -> int | None:
    """Answers that were not right, or what `ab` counted where nothing better is known."""
    if launch.answers is None:
        return launch.ab.failed if launch.ab else None
    wrong = launch.answers
    return wrong.wrong_status + wrong.wrong_length + wrong.missing


def _with_rates(row: Row, launches: Sequence[LaunchRecord], ab: Sequence[AbFigures]) -> Row:
    rates = [rate_of(figures) for figures in ab]
    row = replace(
        row,
        sent_requests=median_high(launch.requests for launch in launches),
        sent_concurrency=median_high(launch.concurrency or 0 for launch in launches) or None,
        at_a_time=_median(launch.served.progressing for launch in launches if launch.served),
        in_flight=_median(launch.served.in_flight for launch in launches if launch.served),
        time_taken_s=_median(figures.time_taken_s for figures in ab),
    )
    if not rates:
        return row
    rate = median(rates)
    return replace(
        row,
        requests_per_second=rate,
        requests_per_second_spread=_spread(rates),
    )


def _with_latencies(row: Row, launches: Sequence[LaunchRecord]) -> Row:
    ab = [launch.ab for launch in launches if launch.ab]
    enough = [launch.ab for launch in launches if launch.ab and has_p99(launch)]
    return replace(
        row,
        mean_ms=_median(figures.mean_ms for figures in ab),
        p50_ms=_median(figures.p50_ms for figures in ab),
        p90_ms=_median(figures.p90_ms for figures in ab),
        p99_ms=_median(figures.p99_ms for figures in enough),
        p99_ms_spread=_spread(figures.p99_ms for figures in enough),
        max_ms=max((f.max_ms for f in ab if f.max_ms is not None), default=None),
    )


def _with_resources(row: Row, launches: Sequence[LaunchRecord]) -> Row:
    used = [launch.resources for launch in launches if launch.resources]
    served: list[tuple[Resources, int]] = [
        (launch.resources, launch.ab.complete)
        for launch in launches
        if launch.resources and launch.ab and launch.ab.complete
    ]
    return replace(
        row,
        cpu_ms_per_request=_median(r.cpu_ms_per_request for r in used),
        cpu_ms_per_request_spread=_spread(r.cpu_ms_per_request for r in used),
        cpu_user_ms_per_request=_median(r.cpu_user_ms / n for r, n in served),
        cpu_system_ms_per_request=_median(r.cpu_system_ms / n for r, n in served),
        peak_rss_mib=_median(r.peak_rss_mib for r in used),
        peak_rss_mib_spread=_spread(r.peak_rss_mib for r in used),
        peak_threads=median_high(r.peak_threads for r in used) if used else None,
        voluntary_switches=_median(r.voluntary_switches for r in used),
        involuntary_switches=_median(r.involuntary_switches for r in used),
        run_queue_delay_ms=_median(r.run_queue_delay_ms for r in used),
        loadgen_cpu_share=_median(r.loadgen_cpu_share for r in used),
        listen_overflows=_most(r.listen_overflows for r in used),
        syn_retransmits=_most(r.syn_retransmits for r in used),
    )


def _spread(values: Iterable[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    if not known:
        return Spread()
    low, high, level = median_interval(known) or (None, None, None)
    return Spread(low=low, high=high, level=level, min=min(known), max=max(known))


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _most(values: Iterable[int | None]) -> int | None:
    """The largest count that any launch showed: one launch's failures do not vanish in a median."""
    return max((value for value in values if value is not None), default=None)
