"""Companions: the unpatched threaded server's rate over the ceiling, for each companion.

A companion is not what is being measured where a server that takes all requests at once reaches the
ceiling through it, at the load of the experiments that use it. Milvus is not among them: a search
has no service time of its own, so that its ceiling is not known, and on two CPUs Milvus takes what
the server would need; see `docs/findings.md`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.common import PROJECT_MATRIX, Options, figure, measured
from runner.commands.cells import Choice
from runner.measurement.records import rate_of

LOWEST = 0.95
#: Experiments of the matrix file, and of each the unpatched cells that talk to a companion.
CHOSEN = (
    ("io", ("patch=none", "workload=http", "workload=postgres")),
    ("grpc", ("patch=none", "python=3.11", "grpcio=1.76.0")),
)


def run(_options: Options) -> Iterator[str]:
    """Each cell's rate, ceiling and share."""
    with tempfile.TemporaryDirectory() as name:
        for experiment, select in CHOSEN:
            choice = Choice(file=PROJECT_MATRIX, experiment=experiment, select=select, launches=1)
            done = measured(choice, Path(name) / experiment, jobs=None)
            for cell, (record, *_) in done.launches.items():
                if record.ab is None or record.configuration_rps is None:
                    yield f"  {cell}: {record.outcome}: {record.reason}"
                    continue
                share = rate_of(record.ab) / record.configuration_rps
                yield figure(
                    cell,
                    f"{rate_of(record.ab):.2f} of {record.configuration_rps:.2f}/s, {share:.1%}",
                    f"≥ {LOWEST:.0%}",
                    met=share >= LOWEST,
                )
