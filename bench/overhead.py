"""Overhead of one launch, and of a round of many: what is not spent in loads.

Per launch, one at a time: from the moment it is announced to the moment the next one is (the last:
until its pod is gone), so that bringing up the pod, the server's own start, the agent, storing the
result and removing the pod are all in it. Taken off are `ab`'s wall time and the check's requests:
first, lone repeats and burst, each of one service time.

Per round, with the cells of `sleep` side by side and few requests: from the moment it is announced
until the last pod is gone, less the time in which at least one `ab` ran. So pods started, checked
and removed are all in it, and so are the check's requests, each of two seconds.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.common import PROJECT_MATRIX, Measured, Options, figure, matrix_file, measured
from runner.commands.cells import Choice
from runner.measurement.load import LONE_REPEATS
from runner.measurement.records import LaunchRecord

LAUNCHES, SECONDS, CONCURRENCY, REQUESTS = 12, 0.01, 10, 200
#: The first verified request, its repeats, and the burst, whose requests go together.
CHECK_REQUESTS = 1 + LONE_REPEATS + 1
GOAL_S = 0.8
EXPERIMENT, ROUND_REQUESTS, GOAL_ROUND_S = "sleep", 500, 10.0


def run(options: Options) -> Iterator[str]:
    """Median and extremes over the launches, and what of it is the server's own start."""
    launches = options.launches or LAUNCHES
    with tempfile.TemporaryDirectory() as name:
        file = matrix_file(
            Path(name),
            seconds=SECONDS,
            concurrency=CONCURRENCY,
            requests=options.requests or REQUESTS,
        )
        done = measured(Choice(file=file, launches=launches), Path(name) / "results")
        seconds = overheads(done)
        records = [record for _, record in done.timeline.ends]
    middle = median(seconds)
    yield figure(
        f"overhead per launch: median of {len(seconds)}",
        f"{middle:.3f} s",
        "≤ 0.8 s",
        met=middle <= GOAL_S,
    )
    yield figure("  least and most", f"{min(seconds):.3f} to {max(seconds):.3f} s")
    startups = [record.startup_s for record in records if record.startup_s is not None]
    yield figure("  of it waiting for the server to listen: median", f"{median(startups):.3f} s")
    yield figure("whole launch: median", f"{median(whole(done)):.3f} s")
    yield figure("  of it ab: median", f"{median(map(ab_s, records)):.3f} s")
    yield from one_round(options)


def one_round(options: Options) -> Iterator[str]:
    """What a round of many cells takes besides its loads."""
    requests = options.requests or ROUND_REQUESTS
    choice = Choice(
        file=PROJECT_MATRIX, experiment=EXPERIMENT, requests=requests, launches=1, repeats=0
    )
    with tempfile.TemporaryDirectory() as name:
        done = measured(choice, Path(name), jobs=None, cells=options.cells)
    cells = len(done.timeline.ends)
    seconds = around_loads(done)
    yield figure(
        f"time of a round not spent in loads, {cells} cells",
        f"{seconds:.1f} s",
        "≤ 10 s (26 cells)",
        met=seconds <= GOAL_ROUND_S,
    )
    yield figure("  whole round", f"{done.finished - done.timeline.begun[0][0]:.1f} s")
    startups = [r.startup_s for _, r in done.timeline.ends if r.startup_s is not None]
    yield figure("  waiting for a server to listen: median", f"{median(startups):.3f} s")


def around_loads(done: Measured) -> float:
    """Seconds of a round in which no `ab` ran."""
    loads = sorted((moment - ab_s(record), moment) for moment, record in done.timeline.ends)
    idle_s, last = 0.0, done.timeline.begun[0][0]
    for begin, end in loads:
        idle_s += max(0.0, begin - last)
        last = max(last, end)
    return idle_s + done.finished - last


def whole(done: Measured) -> list[float]:
    """Seconds from each launch's announcement to the next one's."""
    moments = [moment for moment, _ in done.timeline.begun] + [done.finished]
    return [end - begin for begin, end in itertools.pairwise(moments)]


def overheads(done: Measured) -> list[float]:
    """Seconds of each launch that neither `ab` nor the check's requests account for."""
    records = [record for _, record in done.timeline.ends]
    pairs = zip(whole(done), records, strict=True)
    return [seconds - ab_s(record) - CHECK_REQUESTS * SECONDS for seconds, record in pairs]


def ab_s(record: LaunchRecord) -> float:
    """`ab`'s wall time in seconds, 0 for a launch without a load."""
    if record.wall_s is None or record.overhead_s is None:
        return 0.0
    return record.wall_s - record.overhead_s
