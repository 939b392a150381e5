"""pyperf's JSON: a benchmark per cell, a run per launch, so that its own statistics apply.

A value is the seconds that one request took of the load's time, which is 1 / rate: what pyperf
compares is a time, and less is better (pyperf's documentation, "JSON format").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runner.export.source import Source
from runner.measurement.records import LaunchRecord
from runner.report.row import Row
from runner.report.speedup import rate_of


def export(source: Source) -> str:
    """A suite of the cells with figures."""
    benchmarks = [_benchmark(row, source.launches.get(row.cell, ())) for row in source.measured()]
    host = {
        "hostname": source.run.host.hostname,
        "cpu_count": source.run.host.cpus,
        "platform": f"{source.run.host.os}, kernel {source.run.host.kernel}",
    }
    suite = {"version": "1.0", "metadata": host, "benchmarks": benchmarks}
    return json.dumps(suite, indent=2) + "\n"


def _benchmark(row: Row, launches: Sequence[LaunchRecord]) -> dict[str, Any]:
    runs = [
        {
            "metadata": {"date": launch.started_at, "duration": launch.wall_s or 0.0},
            "values": [1 / rate_of(launch.ab)],
        }
        for launch in launches
        if launch.ab and launch.outcome is row.outcome
    ]
    metadata = {"name": row.cell, "unit": "second", "loops": 1, "inner_loops": row.requests}
    return {"metadata": metadata, "runs": runs}
