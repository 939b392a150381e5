"""The format of pyperf."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runner.measurement.records import LaunchRecord, rate_of
from runner.report.row import Row
from runner.report.run import Run
from runner.store.records import Host


def pyperf(run: Run) -> str:
    """A suite with a benchmark per cell and a run per launch, so that its statistics apply.

    A value is the seconds that one request took of the load's time, which is 1 / rate: what pyperf
    compares is a time, and less is better (pyperf's documentation, "JSON format").
    """
    benchmarks = [_benchmark(row, run.launches.get(row.cell, ())) for row in run.measured()]
    suite = {
        "version": "1.0",
        "metadata": _machine(run.record.host),
        "benchmarks": benchmarks,
    }
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
        {"metadata": _moment(launch), "values": [1 / rate_of(launch.ab)]}
        for launch in launches
        if launch.ab and rate_of(launch.ab) > 0 and launch.outcome.counts_as(row.outcome)
    ]
    sent = row.sent_requests or row.requests
    metadata = {"name": row.cell, "unit": "second", "loops": 1}
    if sent is not None:
        metadata["inner_loops"] = sent
    return {"metadata": metadata, "runs": runs}


def _moment(launch: LaunchRecord) -> dict[str, Any]:
    facts = {"date": launch.started_at, "duration": launch.wall_s}
    return {name: value for name, value in facts.items() if value is not None}
