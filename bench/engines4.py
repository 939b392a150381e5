"""Four engines against one: how much faster, and whether the figures are the same. As root, alone.

Each is a Docker of Debian 12 in a network namespace of its own (see tests/engines), with a worker
beside it. The same matrix of sleeping cells is measured on one of them and on all four, a quarter
of its cells side by side on each, with images built before. All engines share this machine's CPUs:
the whole run's ratio is printed too, in which starting and removing pods counts.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.common import REPOSITORY, Options, figure
from bench.hosts import Scheduler
from runner.errors import EngineUnavailableError
from runner.options import DELTAS
from runner.report.run import Run, read_run
from runner.report.statistics import ALPHA, Verdict, contrast, sample
from runner.stages import STARTED_VARIABLE
from runner.store.run_directory import LATEST, open_run
from tests.engines.debian_engine import docker_of, running

ENGINES: Final = 4
#: Copies of a pair of cells: each is a baseline with one cell, so that shards repeat nothing.
PAIRS: Final = 8
RATIO: Final = 3.6
START_S: Final = 120.0
#: 10 clients, 2 s a request: 500 requests take 102 s, of a few per cent of a CPU.
REQUESTS: Final = 500
#: And those of the figures beside an idle worker, which are a comparison of shares of a request.
QUIET_REQUESTS: Final = 100
MATRIX: Final = """\
version: 1
default: sleep
experiments:
  sleep:
    axes:
      python: [3.11]
      gevent: [25.9.1]
      patch: [none, gevent]
      copy: [{copies}]
    packages: {{flask: "3.1.*"}}
    exclude_newer: 2026-11-01
    base: {{kind: debian}}
    workload: {{name: sleep, seconds: 2}}
    load: {{concurrency: 10, requests: {requests}}}
    launches: {launches}
    repeats: 0
"""
#: Four engines before and after the one: what changes steadily meanwhile changes both alike.
COMPARED: Final = ("four", "one", "four")
#: Beside measured cells: figures with an idle worker and its scheduler there, and without. Each
#: pair of runs in the other order than the one before.
QUIET: Final = "beside an idle worker and scheduler, {}: with / without"
ORDER: Final = ("without", "with", "with", "without") * 3


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The matrix file, and what is called with it."""

    directory: Path

    def matrix(self, *arguments: str, engine: str | None = None) -> None:
        """A command that succeeds, its messages below the figures' own."""
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        environment.pop(STARTED_VARIABLE, None)  # when `make bench` was
        if engine:
            environment["DOCKER_HOST"] = engine
        done = subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.directory,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise EngineUnavailableError(
                f"matrix {' '.join(arguments)} ended with {done.returncode}"
            )

    def run(self, name: str) -> Run:
        return read_run(open_run(self.directory / name, LATEST))


def run(options: Options) -> Iterator[str]:
    """The ratios of times, and of figures."""
    launches = options.launches or 1
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engines4-")))
        pairs = (options.cells or 2 * PAIRS) // 2
        copies = ", ".join(f"c{number:02d}" for number in range(pairs))
        text = MATRIX.format(
            copies=copies, requests=options.requests or REQUESTS, launches=launches
        )
        (directory / "matrix.yaml").write_text(text, encoding="utf-8")
        bench = Bench(directory=directory)
        shared = directory / "root"
        engines = [
            stack.enter_context(
                running(docker_of("bookworm", name=name), _made(directory / name), root=shared)
            )
            for name in [f"engine{n}" for n in range(ENGINES)]
        ]
        side_by_side = str(max(1, 2 * pairs // ENGINES))
        yield from _compared(bench, engines, side_by_side)
        yield from _idle(bench, engines[0])


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _compared(bench: Bench, engines: Sequence[str], jobs: str) -> Iterator[str]:
    used = {"one": engines[:1], "four": engines}
    for kind, its in used.items():
        with closing(Workers(bench, its)) as workers:
            bench.matrix(
                *("run", "--dask", workers.scheduler.address, "--jobs", jobs, "--requests", "20"),
                *("--launches", "1", "--results", f"images-{kind}"),
            )
    runs: dict[str, list[Run]] = {kind: [] for kind in used}
    loads, whole = dict.fromkeys(used, 0.0), dict.fromkeys(used, 0.0)
    for number, kind in enumerate(COMPARED):
        with closing(Workers(bench, used[kind])) as workers:
            asked = ["run", "--dask", workers.scheduler.address, "--jobs", jobs, "--fresh"]
            began = time.monotonic()
            bench.matrix(*asked, "--results", f"{kind}{number}")
        runs[kind].append(bench.run(f"{kind}{number}"))
        share = 1 / COMPARED.count(kind)
        whole[kind] += share * (time.monotonic() - began)
        loads[kind] += share * loads_s(runs[kind][-1])
    ratio = loads["one"] / loads["four"]
    yield figure(
        "four engines / one, from first load to last",
        f"{ratio:.2f}",
        f"{RATIO}",
        met=ratio >= RATIO,
    )
    yield figure("the whole run, four / one", f"{whole['one'] / whole['four']:.2f}")
    yield from same(runs["one"], runs["four"], "on four / on one, {}")
    yield from same(runs["four"][:1], runs["four"][1:], "on four / on four before, {}")


def loads_s(run: Run) -> float:
    """Seconds from the first load's begin to the last one's end."""
    begins, ends = [], []
    for launch in (one for of_cell in run.launches.values() for one in of_cell):
        if launch.started_at and launch.ab and launch.overhead_s is not None:
            begin = datetime.fromisoformat(launch.started_at).timestamp() + launch.overhead_s
            begins.append(begin)
            ends.append(begin + launch.ab.time_taken_s)
    return max(ends) - min(begins)


def same(these: Sequence[Run], those: Sequence[Run], name: str) -> Iterator[str]:
    """By how much the figures' geometric means differ, over all cells and runs, beside their δ."""
    ours, others = means(these), means(those)
    for column, value in others.items():
        ratio, delta = value / ours[column], DELTAS[column]
        met = 1 / (1 + delta) <= ratio <= 1 + delta
        yield figure(name.format(column), f"{ratio:.4f}", f"within {delta:.0%}", met=met)


def means(runs: Sequence[Run]) -> Mapping[str, float]:
    """The figures' geometric means, by the names that their δ have."""
    columns = {
        "rate": "requests_per_second", "cpu": "cpu_ms_per_request", "p99": "p99_ms",
        "rss": "peak_rss_mib",
    }  # fmt: skip
    found = {}
    for name, column in columns.items():
        values: list[float | None] = [getattr(row, column) for run in runs for row in run.rows]
        known = [math.log(value) for value in values if value]
        if 0 < len(known) < len(values):
            raise EngineUnavailableError(f"not every cell has a {column}: {known}")
        if known:  # a short load has no p99
            found[name] = math.exp(sum(known) / len(known))
    return found


def _idle(bench: Bench, engine: str) -> Iterator[str]:
    """The same cells by `matrix run`, beside an idle worker with its scheduler, and without."""
    asked = ["run", "--jobs", "4", "--fresh", "--select", "copy=c0[01]"]
    asked += ["--requests", str(QUIET_REQUESTS)]
    runs: dict[str, list[Run]] = {"with": [], "without": []}
    for number, kind in enumerate(ORDER):
        with ExitStack() as stack:
            if kind == "with":
                stack.enter_context(closing(Workers(bench, [engine])))
            bench.matrix(*asked, "--results", f"idle{number}", engine=engine)
        runs[kind].append(bench.run(f"idle{number}"))
    yield from paired(runs["without"], runs["with"], QUIET)


def paired(these: Sequence[Run], those: Sequence[Run], name: str) -> Iterator[str]:
    """The ratios of the figures' geometric means over pairs of runs, all 95 % intervals together.

    Met where the whole interval is within δ.
    """
    pairs = [(means([this]), means([that])) for this, that in zip(these, those, strict=True)]
    columns = pairs[0][0]
    for column in columns:
        logarithms = [math.log(that[column] / this[column]) for this, that in pairs]
        delta = DELTAS[column]
        found = contrast(sample(logarithms), comparisons=len(columns), delta=delta, alpha=ALPHA)
        value = f"{found.ratio:.4f} [{found.low:.4f}–{found.high:.4f}]"
        met = found.verdict is Verdict.SAME
        yield figure(name.format(column), value, f"within {delta:.0%}", met=met)


class Workers:
    """A scheduler, and a worker for each engine, as soon as they serve."""

    def __init__(self, bench: Bench, engines: Sequence[str]) -> None:
        self.scheduler = Scheduler()
        rounds = bench.directory / "rounds"
        shutil.rmtree(rounds, ignore_errors=True)
        self._logs = [bench.directory / f"worker{n}.log" for n, _ in enumerate(engines)]
        self._processes = []
        for engine, log in zip(engines, self._logs, strict=True):
            with log.open("wb") as out:
                process = subprocess.Popen(
                    [
                        sys.executable, "-m", "runner", "worker", self.scheduler.address,
                        "--rounds", str(rounds),
                    ],
                    cwd=bench.directory,
                    env=os.environ | {"DOCKER_HOST": engine, "PYTHONPATH": str(REPOSITORY)},
                    stderr=out,
                )  # fmt: skip
            self._processes.append(process)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + START_S
        while not all("serving" in log.read_text() for log in self._logs):
            if time.monotonic() > deadline or any(p.poll() is not None for p in self._processes):
                said = json.dumps([log.read_text()[-300:] for log in self._logs])
                self.close()
                raise EngineUnavailableError(f"not all workers serve: {said}")
            time.sleep(0.2)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
        self.scheduler.close()
