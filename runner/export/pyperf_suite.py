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
from runner.store.records import Host


def export(source: Source) -> str:
    """A suite of the cells with figures."""
    benchmarks = [_benchmark(row, source.launches.get(row.cell, ())) for row in source.measured()]
    suite = {"version": "1.0", "metadata": _machine(source.run.host), "benchmarks": benchmarks}
    return json.dumps(suite, indent=2) + "\n"


def _machine(host: Host | None) -> dict[str, Any]:
    if host is None:
        return {}
    return {
        "hostname": host.hostname,
        "cpu_count": host.cpus,
        "platform": f"{host.os}, kernel {host.kernel}",
    }


def _benchmark(row: Row, launches: Sequence[LaunchRecord]) -> dict[str, Any]:
    runs = [
        {
            "metadata": _moment(launch),
            "values": [1 / rate_of(launch.ab)],
        }
        for launch in launches
        if launch.ab and launch.outcome is row.outcome
    ]
    metadata = {"name": row.cell, "unit": "second", "loops": 1, "inner_loops": row.requests}
    return {"metadata": metadata, "runs": runs}


def _moment(launch: LaunchRecord) -> dict[str, Any]:
    facts = {"date": launch.started_at, "duration": launch.wall_s}
    return {name: value for name, value in facts.items() if value is not None}
