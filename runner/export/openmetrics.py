"""OpenMetrics text: gauges by cell, with the axes as labels, written by prometheus_client.

Base units, as OpenMetrics asks for: seconds and bytes. A figure that is not known is no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from runner.export.source import Source
from runner.matrix.axes import BASE_AXES
from runner.outcome import outcome_text
from runner.report.row import Row

LABELS = ("cell", *BASE_AXES)
#: Name, help, value.
GAUGES: tuple[tuple[str, str, Callable[[Row], float | None]], ...] = (
    ("requests_per_second", "Rate of the load.", lambda r: r.requests_per_second),
    ("ceiling_requests_per_second", "Highest rate the load can show.", lambda r: r.ceiling_rps),
    ("latency_p50_seconds", "Median latency.", lambda r: _scaled(r.p50_ms, 1e-3)),
    ("latency_p99_seconds", "99th percentile of latency.", lambda r: _scaled(r.p99_ms, 1e-3)),
    (
        "cpu_seconds_per_request",
        "CPU time of the server per request.",
        lambda r: _scaled(r.cpu_ms_per_request, 1e-3),
    ),
    (
        "peak_resident_bytes",
        "Most memory that the server held.",
        lambda r: _scaled(r.peak_rss_mib, 2**20),
    ),
    ("peak_threads", "Most threads that the server had.", lambda r: r.peak_threads),
)


def export(source: Source) -> str:
    """Gauges of the cells with figures, and how every cell came out."""
    registry = CollectorRegistry()
    registry.register(_Rows(source))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # it has no types
    return text.decode()


class _Rows(Collector):
    def __init__(self, source: Source) -> None:
        self.source = source

    def collect(self) -> Iterator[Metric]:
        """The metrics, as prometheus_client asks for them."""
        outcome = InfoMetricFamily("matrix_cell_outcome", "How the cell came out.", labels=LABELS)
        for row in self.source.rows:
            outcome.add_metric(_labels(row), {"outcome": outcome_text(row.outcome)})
        yield outcome
        for name, documentation, value in GAUGES:
            gauge = GaugeMetricFamily(f"matrix_{name}", documentation, labels=LABELS)
            for row in self.source.measured():
                known = value(row)
                if known is not None:
                    gauge.add_metric(_labels(row), known)
            yield gauge


def _labels(row: Row) -> list[str]:
    values = (row.value(label) for label in LABELS)
    return ["" if value is None else str(value) for value in values]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
