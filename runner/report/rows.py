"""One row per cell: the figures of its launches as their median. The rows of `table.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from statistics import median, median_high
from typing import Final

from runner.measurement.outcome import Outcome
from runner.measurement.records import LaunchRecord
from runner.report.axes import BASE_AXES, Value, natural_key
from runner.report.canonical import CanonicalIndex
from runner.store.records import CellRecord, RunRecord, UnavailableCell

#: From the mildest to the worst. An engine error says nothing of the cell, so all else outranks it.
SEVERITY: Final = (
    Outcome.ENGINE_ERROR,
    Outcome.OK,
    Outcome.SERIALISED,
    Outcome.FAILED_REQUESTS,
    Outcome.WRONG_ANSWER,
    Outcome.HANG_UNDER_LOAD,
    Outcome.OOM_KILLED,
    Outcome.CRASHED,
    Outcome.HANG_AT_STARTUP,
    Outcome.IMPORT_ERROR,
    Outcome.UNAVAILABLE,
    Outcome.BUILD_FAILED,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell in a table; the fields are table.json's keys in their order, then `further` axes.

    `outcome` is None for a cell that was not measured. `requests` are those sent, which for a
    serialised cell are fewer than asked for. What is unknown or does not apply is None.
    """

    cell: str
    python: str
    gevent: str | None
    grpcio: str | None
    patch: str
    server: str
    workload: str
    concurrency: int
    requests: int
    outcome: Outcome | None
    reason: str | None
    launches: int = 0
    requests_per_second: float | None = None
    ceiling_rps: float | None = None
    efficiency: float | None = None
    speedup: float | None = None
    time_taken_s: float | None = None
    mean_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    failed_requests: int | None = None
    non_2xx: int | None = None
    cpu_ms_per_request: float | None = None
    peak_rss_mib: float | None = None
    peak_threads: int | None = None
    disturbed: str | None = None
    reused_from: str | None = None
    further: Mapping[str, str | None] = field(default_factory=dict)

    def value(self, column: str) -> Value:
        """The value of a key of table.json; `KeyError` where the row has no such key."""
        if column in KEYS:
            value: Value = getattr(self, column)
            return value
        return self.further[column]

    def values(self) -> dict[str, Value]:
        """The row as table.json holds it."""
        return {key: self.value(key) for key in (*KEYS, *self.further)}


#: The keys that every row has.
KEYS: Final = tuple(f.name for f in fields(Row) if f.name != "further")


def collate(run: RunRecord, launches: Mapping[str, Sequence[LaunchRecord]]) -> list[Row]:
    """One row per cell of the run, measured or not, in the natural order of the axes."""
    rows = [_measured(run, cell, launches.get(cell.id, ())) for cell in run.cells]
    rows += [_unavailable(run, cell) for cell in run.unavailable]
    axes = axes_of(run)
    rows.sort(key=lambda row: [natural_key(axis, row.value(axis)) for axis in axes])
    return _with_speedup(rows, run)


def axes_of(run: RunRecord) -> tuple[str, ...]:
    """The run's axes in the order of the matrix file, then those that every row names."""
    return tuple(dict.fromkeys((*run.axes, *BASE_AXES)))


def keys_of(run: RunRecord) -> tuple[str, ...]:
    """The keys of each of the run's rows, in their order."""
    return (*KEYS, *_further_axes(run))


def _further_axes(run: RunRecord) -> list[str]:
    return [axis for axis in run.axes if axis not in BASE_AXES]


def _measured(run: RunRecord, cell: CellRecord, launches: Sequence[LaunchRecord]) -> Row:
    if not launches:
        return _identity(run, cell, None, "not measured")
    outcome, reason = _verdict(launches)
    row = replace(
        _identity(run, cell, outcome, reason),
        launches=len(launches),
        disturbed=_share(launches, [launch.disturbed for launch in launches]),
        reused_from=_reused(launches),
    )
    return _with_figures(row, [launch for launch in launches if launch.outcome is outcome])


def _unavailable(run: RunRecord, cell: UnavailableCell) -> Row:
    return _identity(run, cell, cell.outcome, cell.reason)


def _identity(run: RunRecord, cell: CellRecord, outcome: Outcome | None, reason: str | None) -> Row:
    return Row(
        cell=cell.id,
        python=cell.python,
        gevent=cell.packages.get("gevent"),
        grpcio=cell.packages.get("grpcio"),
        patch=str(cell.patch),
        server=cell.server,
        workload=cell.workload,
        concurrency=cell.concurrency,
        requests=cell.requests,
        outcome=outcome,
        reason=reason,
        further={axis: cell.packages.get(axis, cell.axes.get(axis)) for axis in _further_axes(run)},
    )


def _verdict(launches: Sequence[LaunchRecord]) -> tuple[Outcome, str | None]:
    """The worst outcome; where launches disagree the reason counts them."""
    counts = Counter(launch.outcome for launch in launches)
    worst = max(counts, key=SEVERITY.index)
    if len(counts) == 1:
        return worst, _distinct(launch.reason for launch in launches)
    parts: list[str] = []
    for outcome, number in counts.most_common():
        who = str(number) if parts else f"{number} of {len(launches)} launches"
        why = _distinct(launch.reason for launch in launches if launch.outcome is outcome)
        parts.append(f"{who}: {outcome} ({why})" if why else f"{who}: {outcome}")
    return worst, "; ".join(parts)


def _distinct(texts: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(text for text in texts if text)) or None


def _share(launches: Sequence[LaunchRecord], texts: Sequence[str | None]) -> str | None:
    """The distinct texts, with the number of launches they hold for where there are several."""
    text = _distinct(texts)
    if text is None or len(launches) == 1:
        return text
    return f"{sum(map(bool, texts))} of {len(launches)} launches: {text}"


def _reused(launches: Sequence[LaunchRecord]) -> str | None:
    """The runs and days that launches are from, where that is not this run."""
    return _distinct(
        f"run {launch.reused_from} ({launch.started_at[:10]})" if launch.reused_from else None
        for launch in launches
    )


def _with_figures(row: Row, launches: Sequence[LaunchRecord]) -> Row:
    """The row with the figures of its launches, all of them of the row's outcome.

    Failures are counts that the load showed, not performance: every outcome keeps them.
    """
    ab = [launch.ab for launch in launches if launch.ab]
    row = replace(
        row,
        failed_requests=max((figures.failed for figures in ab), default=None),
        non_2xx=max((figures.non_2xx for figures in ab), default=None),
    )
    if row.outcome is None or not row.outcome.has_figures:
        return row
    used = [launch.resources for launch in launches if launch.resources]
    rate = _median(figures.requests_per_second for figures in ab)
    ceiling = _median(launch.ceiling_rps for launch in launches)
    return replace(
        row,
        requests=median_high(launch.requests for launch in launches),
        requests_per_second=rate,
        ceiling_rps=ceiling,
        efficiency=_ratio(rate, ceiling),
        time_taken_s=_median(figures.time_taken_s for figures in ab),
        mean_ms=_median(figures.mean_ms for figures in ab),
        p50_ms=_median(figures.p50_ms for figures in ab),
        p90_ms=_median(figures.p90_ms for figures in ab),
        p99_ms=_median(figures.p99_ms for figures in ab),
        max_ms=_median(figures.max_ms for figures in ab),
        cpu_ms_per_request=_median(resources.cpu_ms_per_request for resources in used),
        peak_rss_mib=_median(resources.peak_rss_mib for resources in used),
        peak_threads=median_high(r.peak_threads for r in used) if used else None,
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None


def _with_speedup(rows: Sequence[Row], run: RunRecord) -> list[Row]:
    """The rows with their rate over that of the baseline: equal on the axes that it carries."""
    if not run.baseline:
        return list(rows)
    cells = {cell.id: cell for cell in (*run.cells, *run.unavailable)}
    baselines = CanonicalIndex(
        (row for row in rows if _matches(row, cells[row.cell], run.baseline)),
        [axis for axis in axes_of(run) if axis not in run.baseline],
    )
    found = [(row, baselines.find(row.value)) for row in rows]
    return [
        replace(row, speedup=_ratio(row.requests_per_second, base.requests_per_second))
        if base
        else row
        for row, base in found
    ]


def _matches(row: Row, cell: CellRecord, baseline: Mapping[str, str]) -> bool:
    """Whether the cell has the values, as shown or as the matrix file writes them."""
    return all(
        value in {str(row.values().get(axis)), cell.axes.get(axis)}
        for axis, value in baseline.items()
    )
