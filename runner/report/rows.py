"""The rows of a run: what the launches of each cell show, together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median, median_high

from runner.measurement.records import AbFigures, LaunchRecord, Resources, rate_of
from runner.outcome import Outcome, worst
from runner.report.axis_values import Value, natural_key
from runner.report.ceilings import ceilings_of
from runner.report.in_effect import Source, beyond_label, in_effect
from runner.report.percentiles import has_p99
from runner.report.rates import load_of, why_not_launched
from runner.report.reused import reused_text
from runner.report.row import RATE_KEY, Launches, Row, Spread, axes_of, further_keys, was_cut
from runner.report.statistics import median_interval, median_of_known
from runner.store.records import CellRecord, RunRecord


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
        why=next((one.why for one in decisive if one.why), None),
        launches=len(launches),
        outcome_launches=sum(one.outcome is outcome for one in launches),
        disturbed=_share(launches, [launch.disturbed for launch in launches]),
        reused_from=reused_text(launches),
        in_effect=in_effect(launches, cell.server),
        in_effect_by=_by(beyond_label(launches, cell.server)),
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
            key: rate if key == RATE_KEY else _further(cell, key) for key in further_keys(run)
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


def _by(sources: Sequence[Source | None]) -> str | None:
    """Who patched what the label does not say; the application, if it did so in any launch."""
    return next((str(source) for source in reversed(Source) if source in sources), None)


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
        at_a_time=median_of_known(
            launch.served.progressing for launch in launches if launch.served
        ),
        in_flight=median_of_known(launch.served.in_flight for launch in launches if launch.served),
        time_taken_s=median_of_known(figures.time_taken_s for figures in ab),
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
        mean_ms=median_of_known(figures.mean_ms for figures in ab),
        p50_ms=median_of_known(figures.p50_ms for figures in ab),
        p90_ms=median_of_known(figures.p90_ms for figures in ab),
        p99_ms=median_of_known(figures.p99_ms for figures in enough),
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
        cpu_ms_per_request=median_of_known(r.cpu_ms_per_request for r in used),
        cpu_ms_per_request_spread=_spread(r.cpu_ms_per_request for r in used),
        cpu_user_ms_per_request=median_of_known(r.cpu_user_ms / n for r, n in served),
        cpu_system_ms_per_request=median_of_known(r.cpu_system_ms / n for r, n in served),
        peak_rss_mib=median_of_known(r.peak_rss_mib for r in used),
        peak_rss_mib_spread=_spread(r.peak_rss_mib for r in used),
        peak_threads=median_high(r.peak_threads for r in used) if used else None,
        voluntary_switches=median_of_known(r.voluntary_switches for r in used),
        involuntary_switches=median_of_known(r.involuntary_switches for r in used),
        run_queue_delay_ms=median_of_known(r.run_queue_delay_ms for r in used),
        loadgen_cpu_share=median_of_known(r.loadgen_cpu_share for r in used),
        listen_overflows=_most(r.listen_overflows for r in used),
        syn_retransmits=_most(r.syn_retransmits for r in used),
    )


def _spread(values: Iterable[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    if not known:
        return Spread()
    low, high, level = median_interval(known) or (None, None, None)
    return Spread(low=low, high=high, level=level, min=min(known), max=max(known))


def _most(values: Iterable[int | None]) -> int | None:
    """The largest count that any launch showed: one launch's failures do not vanish in a median."""
    return max((value for value in values if value is not None), default=None)
