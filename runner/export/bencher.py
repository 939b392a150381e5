"""Bencher Metric Format: benchmark → measure → value with bounds.

Of its built-in measures, `latency` is in nanoseconds and `throughput` in operations per second
(Bencher's reference, "Bencher Metric Format"). The latency is the load's mean; bounds are the
interval of the rate, where there is one.
"""

from __future__ import annotations

import json

from runner.export.source import Source
from runner.report.row import Row

NS_PER_MS = 1_000_000


def export(source: Source) -> str:
    """Latency and throughput of each cell with figures."""
    return json.dumps({row.cell: _measures(row) for row in source.measured()}, indent=2) + "\n"


def _measures(row: Row) -> dict[str, dict[str, float]]:
    throughput = {
        "value": row.requests_per_second,
        "lower_value": row.requests_per_second_low,
        "upper_value": row.requests_per_second_high,
    }
    measures = {"throughput": {k: v for k, v in throughput.items() if v is not None}}
    if row.mean_ms is not None:
        measures["latency"] = {"value": row.mean_ms * NS_PER_MS}
    return measures
