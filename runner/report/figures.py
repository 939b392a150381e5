"""The figures of a row: medians over the launches that its outcome is of, with their spread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median, median_high
from typing import Any

from runner.measurement.records import AbFigures, LaunchRecord
from runner.report.speedup import rate_of
from runner.report.statistics import median_estimate

#: Figures of a row by its key, as far as they are known.
Figures = dict[str, Any]


def figures_of(launches: Sequence[LaunchRecord]) -> Figures:
    """The figures of one cell's launches, all of one outcome.

    Failures are counts that the load showed, not performance: every outcome keeps them.
    """
    ab = [launch.ab for launch in launches if launch.ab]
    failures = {
        "failed_requests": _most(figures.failed for figures in ab),
        "non_2xx": _most(figures.non_2xx for figures in ab),
    }
    if not launches or not launches[0].outcome.has_figures:
        return failures
    return failures | _rates(launches, ab) | _latencies(ab) | _resources(launches)


def _rates(launches: Sequence[LaunchRecord], ab: Sequence[AbFigures]) -> Figures:
    rates = [rate_of(figures) for figures in ab]
    ceiling = _median(launch.ceiling_rps for launch in launches)
    figures: Figures = {
        "requests": median_high(launch.requests for launch in launches),
        "ceiling_rps": ceiling,
        "time_taken_s": _median(figures.time_taken_s for figures in ab),
    }
    if not rates:
        return figures
    rate = median_estimate(rates)
    return {
        **figures,
        **_spread("requests_per_second", rates),
        "requests_per_second_low": rate.low,
        "requests_per_second_high": rate.high,
        "efficiency": rate.median / ceiling if ceiling else None,
    }


def _latencies(ab: Sequence[AbFigures]) -> Figures:
    return {
        "mean_ms": _median(figures.mean_ms for figures in ab),
        "p50_ms": _median(figures.p50_ms for figures in ab),
        "p90_ms": _median(figures.p90_ms for figures in ab),
        **_spread("p99_ms", (figures.p99_ms for figures in ab)),
        "max_ms": _median(figures.max_ms for figures in ab),
    }


def _resources(launches: Sequence[LaunchRecord]) -> Figures:
    used = [launch.resources for launch in launches if launch.resources]
    served = [
        (launch.resources, launch.ab.complete)
        for launch in launches
        if launch.resources and launch.ab and launch.ab.complete
    ]
    return {
        **_spread("cpu_ms_per_request", (r.cpu_ms_per_request for r in used)),
        "cpu_user_ms_per_request": _median(r.cpu_user_ms / n for r, n in served),
        "cpu_system_ms_per_request": _median(r.cpu_system_ms / n for r, n in served),
        "peak_rss_mib": _median(r.peak_rss_mib for r in used),
        "peak_threads": median_high(r.peak_threads for r in used) if used else None,
        "voluntary_switches": _median(r.voluntary_switches for r in used),
        "involuntary_switches": _median(r.involuntary_switches for r in used),
        "run_queue_delay_ms": _median(r.run_queue_delay_ms for r in used),
        "loadgen_cpu_share": _median(r.loadgen_cpu_share for r in used),
        "listen_overflows": _most(r.listen_overflows for r in used),
        "syn_retransmits": _most(r.syn_retransmits for r in used),
    }


def _spread(key: str, values: Iterable[float | None]) -> Figures:
    """The median under the key, and the extremes."""
    known = [value for value in values if value is not None]
    return {
        key: _median(known),
        f"{key}_min": min(known, default=None),
        f"{key}_max": max(known, default=None),
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _most(values: Iterable[int | None]) -> int | None:
    """The largest count that any launch showed: one launch's failures do not vanish in a median."""
    return max((value for value in values if value is not None), default=None)
