"""Ten thousand launches on hosts in memory, whose workers are killed at random: none lost or twice.

Scheduler and workers are processes of their own, this one is the client. A worker is killed
(`kill -9`) within one round in twenty, and started again. Files are in memory, too, unless TMPDIR
says where: else the file system is measured, in which as many are made and deleted.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.common import Options, figure
from runner.commands.hosts import tasks
from runner.commands.hosts.book import Book
from runner.commands.hosts.pool import DaskPool
from runner.commands.hosts.run import greeted, handed_out
from runner.commands.hosts.ssh import free_port
from runner.commands.hosts.worker import serve
from runner.errors import EngineUnavailableError
from runner.measurement.records import LaunchRecord
from runner.progress import PlainReporter
from runner.store.run_directory import RunDirectory
from tests.support.hosts import cells_of, memory_post, shards_of

HOSTS: Final = 4
PATCHED: Final = 96
LAUNCHES: Final = 10_000
KILLED: Final = 0.05
#: A worker is killed so long after it began a round, in seconds, at most.
LATEST_S: Final = 0.3
PER_SECOND: Final = 200
GROWTH_MIB: Final = 10
#: A directory in memory.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - directories of random names are made there


def rss_mib() -> float:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass
class Workers:
    """The workers' processes by the keys of their engines."""

    scheduler: str
    directory: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    killed: int = 0

    def start(self, key: str) -> None:
        """Start one, or start it again: what it had on its disk is there."""
        command = [sys.executable, "-m", "bench.hosts", self.scheduler]
        command += [str(self.directory / key), key]
        self.processes[key] = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self, pid: int) -> None:
        """Kill the one of that process, unless it is gone."""
        for key, process in list(self.processes.items()):
            if process.pid == pid:
                process.kill()
                process.wait()
                self.killed += 1
                self.start(key)

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()


class KillingPool(DaskPool):
    """Kills some of the workers that are given a round."""

    def __init__(self, scheduler: str, workers: Workers) -> None:
        super().__init__(scheduler)
        self._workers = workers
        self._pids: dict[str, int] = {}
        self._random = random.Random(7)  # noqa: S311 - a seed, so that it can be repeated

    def submit(self, host: str, function: Callable[..., object], *args: object) -> None:
        super().submit(host, function, *args)
        if function is tasks.greet:
            with suppress(LookupError):
                self._pids[host] = self._client.run(os.getpid, workers=[host])[host]
        elif function is tasks.make_round and self._random.random() < KILLED:
            after_s = self._random.random() * LATEST_S
            threading.Timer(after_s, self._workers.kill, [self._pids[host]]).start()


class Counting(PlainReporter):
    """How many launches ended, when, and what was in memory then."""

    def __init__(self) -> None:
        super().__init__(Console(file=sys.stderr))
        self.seen: list[tuple[float, float]] = []

    def say(self, text: str) -> None:
        """Only what is a fault is shown."""

    def ended(self, record: LaunchRecord, *, final: bool) -> None:
        super().ended(record, final=final)
        self.seen.append((time.monotonic(), rss_mib() if len(self.seen) % 100 == 0 else 0.0))


def run(options: Options) -> Iterator[str]:
    """What was stored of as many launches, how fast, and what the client needed."""
    per_round = PATCHED + HOSTS
    rounds = max(1, (options.launches or LAUNCHES) // per_round)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_place())))
        scheduler = stack.enter_context(closing(Scheduler()))
        workers = stack.enter_context(closing(Workers(scheduler.address, directory / "hosts")))
        for key in "abcd"[:HOSTS]:
            workers.start(key)
        pool = stack.enter_context(closing(_connected(workers)))
        yield from _made(pool, workers, directory / "results", rounds)


def _place() -> str | None:
    """Where files go; None for the usual place."""
    return str(MEMORY) if MEMORY.is_dir() and "TMPDIR" not in os.environ else None


def _connected(workers: Workers) -> KillingPool:
    """The client, as soon as the workers are there."""
    pool = KillingPool(workers.scheduler, workers)
    while len(pool.hosts()) < HOSTS:
        time.sleep(0.1)
    return pool


def _made(pool: KillingPool, workers: Workers, results: Path, rounds: int) -> Iterator[str]:
    cells, reporter = cells_of(PATCHED), Counting()
    directory = RunDirectory.create(results, "sample", datetime.now(UTC))
    book = Book(
        directory=directory,
        experiment="sample",
        command=("bench",),
        cells={cell.id: place for place, cell in enumerate(cells)},
        shards=HOSTS,
    )
    shards = shards_of(cells, HOSTS, run=directory.run_id, launches=rounds)
    found = greeted(pool, reporter)
    began = time.monotonic()
    handed_out(pool, found, shards, book, reporter)
    stored = sum(len(of_cell) for of_cell in directory.launches().values())
    wanted = (PATCHED + HOSTS) * rounds
    # One that came twice would be stored in the same place, but have ended twice.
    once = stored == len(reporter.seen) == wanted
    yield figure("launches stored, each once", f"{stored}", f"{wanted}", met=once)
    yield figure("workers killed", f"{workers.killed} in {HOSTS * rounds} rounds")
    rate = len(reporter.seen) / (reporter.seen[-1][0] - began)
    yield figure("launches/s", f"{rate:.0f}", f"{PER_SECOND}", met=rate >= PER_SECOND)
    memory = [mib for _, mib in reporter.seen if mib]
    early, growth = memory[len(memory) // 10], memory[-1] - memory[len(memory) // 10]
    yield figure("client's memory after a tenth of them, MiB", f"{early:.0f}")
    yield figure(
        "and more at the end, MiB", f"{growth:.1f}", f"{GROWTH_MIB}", met=growth <= GROWTH_MIB
    )


class Scheduler:
    """A scheduler in a process of its own, as soon as it listens."""

    def __init__(self) -> None:
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--no-dashboard"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.1)
        raise EngineUnavailableError("`dask scheduler` ends at once")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    serve(sys.argv[1], memory_post(Path(sys.argv[2]), sys.argv[3]))
