"""The Bencher Metric Format."""

from __future__ import annotations

import json
from typing import Final

from runner.report.row import Row
from runner.report.run import Run

US_PER_MS: Final = 1_000
NS_PER_US: Final = 1_000


def bencher(run: Run) -> str:
    """Bencher Metric Format: benchmark → measure → value with bounds.

    Of its built-in measures, `latency` is in nanoseconds and `throughput` in operations per second
    (Bencher's reference, "Bencher Metric Format"). The latency is the load's median, exact to the
    microsecond; `ab` has its mean in whole milliseconds, which stands in where there is no median.
    Bounds are the interval of the rate, where there is one.
    """
    return json.dumps({row.cell: _measures(row) for row in run.measured()}, indent=2) + "\n"


def _measures(row: Row) -> dict[str, dict[str, float]]:
    throughput = {
        "value": row.requests_per_second,
        "lower_value": row.requests_per_second_spread.low,
        "upper_value": row.requests_per_second_spread.high,
    }
    measures = {"throughput": {k: v for k, v in throughput.items() if v is not None}}
    latency_ms = row.mean_ms if row.p50_ms is None else row.p50_ms
    if latency_ms is not None:
        measures["latency"] = {"value": round(latency_ms * US_PER_MS) * NS_PER_US}
    return measures
