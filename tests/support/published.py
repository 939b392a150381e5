"""Stored runs to publish: of every outcome, and as large as wanted."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.samples import (
    RESOURCES,
    ab_figures,
    cell,
    launch,
    run_record,
    unavailable,
)

#: What no text from a result may do to a page, a table or a terminal.
NASTY: Final = (
    "</script><script>window.broken=1</script><img src=x onerror='window.broken=1'>"
    '"><b id="injected">`|*_& \x1b[31m'
)
REPORT: Final = """\
This is ApacheBench, Version 2.3 <$Revision$>

Concurrency Level:      100
Time taken for tests:   {seconds:.3f} seconds
Complete requests:      5000
Requests per second:    {rate:.2f} [#/sec] (mean)
"""
REQUESTS: Final = "starttime\tseconds\tctime\tdtime\tttime\twait\n" + "".join(
    f"Sun Nov  1 12:01:00 2026\t1793534460\t0\t{ms}\t{ms}\t{ms}\n" for ms in range(2000, 2100)
)
FRAME: Final = "ares.py:12 in wait"


def stored(results: Path, run: RunRecord, launches: Sequence[LaunchRecord]) -> RunDirectory:
    """A run on disk with its launches and their files; `latest` points at it."""
    directory = RunDirectory(results=results, path=results / run.experiment / run.run_id)
    directory.path.mkdir(parents=True)
    directory.write_run(run)
    for record in launches:
        directory.write_launch(record, dict(files(record)))
    return directory


def files(record: LaunchRecord) -> Iterator[tuple[str, bytes]]:
    """What a launch leaves beside its record."""
    if record.ab:
        rate = record.ab.requests_per_second
        yield "ab.txt", REPORT.format(seconds=5000 / rate, rate=rate).encode()
        yield "requests.tsv.gz", gzip.compress(REQUESTS.encode(), 1)
    if not record.outcome.has_figures:
        yield "stacks.txt", f"Thread 1 (most recent call first):\n  {NASTY}\n".encode()
    yield "server.log", f"started\n{NASTY}\n".encode()


def every_outcome(
    *, launches: int = 1, faster: float = 1.0
) -> tuple[RunRecord, list[LaunchRecord]]:
    """Two Pythons, two gevents: most work, some hang, one serialises, one cannot be had.

    `faster` multiplies the rates of patched cells.
    """
    none = [cell(python, "none") for python in ("3.11", "3.13")]
    patched = [
        cell(python, "gevent", gevent=gevent)
        for python in ("3.11", "3.13")
        for gevent in ("24.2.1", "25.9.1")
    ]
    both = [
        cell(python, "gevent+grpc", gevent="25.9.1", grpcio="1.76.0") for python in ("3.11", "3.13")
    ]
    serial, crashed = patched[0], cell("3.11", "grpc", gevent="25.9.1", grpcio="1.76.0")
    run = run_record(
        *none,
        *patched,
        *both,
        crashed,
        launches=launches,
        missing=(unavailable(cell("3.13", "grpc", gevent="24.2.1", grpcio="1.76.0"), "no wheel"),),
    )
    rounds = range(1, launches + 1)
    made = [
        *(launch(c, n, rate=48 + n / 100) for c in none for n in rounds),
        *(launch(c, n, rate=faster * (48 + n / 90)) for c in patched[1:] for n in rounds),
        *(launch(serial, n, rate=0.5, outcome=Outcome.SERIALISED, requests=120) for n in rounds),
        *(
            launch(
                c,
                n,
                outcome=Outcome.HANG_AT_STARTUP,
                reason=f"no answer within 30 s; main thread in {FRAME}",
            )
            for c in both
            for n in rounds
        ),
        *(_crash(crashed, n) for n in rounds),
    ]
    return run, made


def _crash(of: CellRecord, number: int) -> LaunchRecord:
    """A launch whose server died under load, so that `ab` has something to report of it."""
    record = launch(of, number, outcome=Outcome.CRASHED, reason=f"exit status 1: {NASTY}")
    return record.model_copy(update={"ab": ab_figures(0.7), "resources": RESOURCES})
