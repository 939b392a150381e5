"""Looks: that none is taken until a load has ended, and what they would do to its figures before.

A cell is launched once as a run does it. Then twice a round, with a second of requests before the
load: once looked at meanwhile, once not; which comes first alternates. A ratio is of the figure
with looks over the one without, in the same round.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.common import Options, figure, ready_to_measure
from runner.commands.cells import Choice
from runner.commands.run import Ready, method_of
from runner.contract import STACKS
from runner.errors import EngineError
from runner.matrix.cell import Cell
from runner.measurement import agent
from runner.measurement.clock import SystemClock
from runner.measurement.launch import Launch
from runner.measurement.rounds import job_of
from runner.report.statistics import ALPHA, contrast, sample

MATRIX: Final = """\
version: 1
default: looks
experiments:
  looks:
    axes:
      python: [3.11]
      gevent: ["*"]
      grpcio: ["*"]
      patch: [none, gevent, gevent+grpc]
      server: [werkzeug, {{name: gunicorn-gthread, threads: 20}}, gunicorn-gevent]
    packages: {{flask: "3.1.*"}}
    exclude_newer: 2026-11-25
    workload: {{name: sleep, seconds: 0.2}}
    load: {{concurrency: 20, requests: {requests}}}
"""
ROUNDS, REQUESTS = 12, 1000
#: Clients and seconds of the requests before the load.
CLIENTS, SECONDS = 20, 1.0
#: Until the last of them are answered.
SETTLE_S = 0.5
#: What the agent is told where no process is to be asked: no pipe has a name that begins so.
NOBODY: Final = {"ask": "/dev/shm/nobody-"}  # noqa: S108 - inside the pod
FIGURES: Final = (
    "resident memory as the load begins, MiB",
    "its peak until then, MiB",
    "peak memory, MiB",
    "threads as the load begins",
    "open files after the load",
    "CPU per request, ms",
    "requests/s",
)
#: Prints how many files all processes of the server but this one have open, and how many looks they
#: have taken.
COUNT: Final = f"""\
import glob, os
pids = [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]
own = [p for p in pids if os.stat("/proc/" + p).st_uid == os.getuid()]
looks = [line for path in glob.glob("{STACKS}*") for line in open(path)]
print(sum(len(os.listdir("/proc/%s/fd" % p)) for p in own), len(looks))
"""
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a launch showed: its looks until its load had ended, and its figures in their order."""

    looks: int
    figures: tuple[float, ...]


def run(options: Options) -> Iterator[str]:
    """Of each cell how many looks a run takes before its load ends, and each figure's ratio."""
    rounds = options.launches or ROUNDS
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "matrix.yaml"
        path.write_text(MATRIX.format(requests=options.requests or REQUESTS), encoding="utf-8")
        ready = ready_to_measure(Choice(file=path), Path(name), jobs=1, cells=options.cells)
        with closing(ready.engine):
            for cell in ready.locked.cells:
                looks = launched(ready, cell).looks
                yield figure(cell.id, f"{looks} looks", "0", met=looks == 0)
                yield from told([pair(ready, cell, number) for number in range(rounds)])


def pair(ready: Ready, cell: Cell, number: int) -> tuple[Shown, Shown]:
    """One round of a cell: looked at, and not."""
    if number % 2:
        without, looked_at = launched(ready, cell, NOBODY), launched(ready, cell, {})
    else:
        looked_at, without = launched(ready, cell, {}), launched(ready, cell, NOBODY)
    if without.looks or not looked_at.looks:
        raise EngineError(f"{cell.id}: {looked_at.looks} looks, {without.looks} without")
    return looked_at, without


def launched(ready: Ready, cell: Cell, before: Mapping[str, str] | None = None) -> Shown:
    """Launch a cell, with a second of requests `before` its load where that is told something."""
    launch = Launch(ready.engine, job_of(cell, 1, method_of(ready, "bench")), SystemClock())
    with closing(launch):
        launch.start()
        if before is not None:
            config = {**launch.asked, "clients": CLIENTS, "seconds": SECONDS, **before}
            agent.stacks(launch.pod, config, TIMEOUT_S)
            launch.clock.sleep(SETTLE_S)
        launch.load()
        counted = ready.engine.exec(
            launch.pod.server, ("python3", "-I", "-S", "-c", COUNT), timeout=TIMEOUT_S
        )
        record = launch.collect().record
    if launch.loaded is None or record.resources is None or record.ab is None:
        raise EngineError(f"{cell.id}: {record.outcome}: {record.reason}")
    files, looks = map(int, counted.stdout.split())
    start, used = launch.loaded.reply.before, record.resources
    memory = (start.rss_kib / 1024, start.hwm_kib / 1024, used.peak_rss_mib)
    sent = (used.cpu_ms_per_request, record.ab.requests_per_second)
    return Shown(looks=looks, figures=(*memory, start.threads, files, *sent))


def told(pairs: Sequence[tuple[Shown, Shown]]) -> Iterator[str]:
    """The figures of a cell, with looks and without, and the interval of their ratio."""
    for n, name in enumerate(FIGURES):
        ours, others = ([one.figures[n] for one in side] for side in zip(*pairs, strict=True))
        logarithms = [math.log(one / other) for one, other in zip(ours, others, strict=True)]
        found = contrast(sample(logarithms), comparisons=1, delta=0.0, alpha=ALPHA)
        interval = f" [{found.low:.4f}–{found.high:.4f}]" if found.low and found.high else ""
        values = f"{median(ours):.2f}, without {median(others):.2f}"
        yield figure(f"  {name}: {values}", f"× {found.ratio:.4f}{interval}")
