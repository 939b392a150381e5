"""Cells that only exist in memory: what the agent in a sidecar would answer, without waiting."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.engine.protocol import ContainerSpec, ContainerState, ExecResult
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits, Requirement
from runner.matrix.servers import Server
from runner.matrix.values import Workload
from runner.measurement.agent import LoadReply
from runner.measurement.job import Job
from tests.support.memory_engine import MemoryEngine

SNAPSHOT = {
    "cpu_s": 0.0,
    "user_ticks": 0,
    "system_ticks": 0,
    "rss_kib": 30_000,
    "hwm_kib": 40_000,
    "threads": 2,
    "network": {"ListenOverflows": 0, "ListenDrops": 0, "TCPSynRetrans": 0},
}

REPORT = """\
This is ApacheBench, Version 2.3 <$Revision$>

Server Software:        Simulated/1.0
Concurrency Level:      {concurrency}
Time taken for tests:   {seconds:.3f} seconds
Complete requests:      {requests}
Failed requests:        0
Requests per second:    {rate:.2f} [#/sec] (mean)
Time per request:       {mean:.3f} [ms] (mean)

Connection Times (ms)
              min  mean[+/-sd] median   max
Total:       {mean:.0f} {mean:.0f}   0.0   {mean:.0f}    {mean:.0f}

Percentage of the requests served within a certain time (ms)
  50%   {mean:.0f}
  90%   {mean:.0f}
  99%   {mean:.0f}
 100%   {mean:.0f} (longest request)
"""


def report(
    requests: int, seconds: float, *, concurrency: int = 100, mean_ms: float = 2000.0
) -> str:
    """What `ab` prints of a load without failures that took so long."""
    return REPORT.format(
        concurrency=concurrency,
        seconds=seconds,
        requests=requests,
        rate=requests / seconds,
        mean=mean_ms,
    )


class VirtualClock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.time)


def rate_file(requests: int, rate: float, service_s: float, *, serial: bool = False) -> str:
    """What the generator of a fixed rate writes where all is sent evenly apart, and answered."""
    ended = 0.0
    lines = ["due\tsent\tended\tttime\tstatus\tlength\terror"]
    for number in range(requests):
        due = 1000 * number / rate
        ended = (max(due, ended) if serial else due) + 1000 * service_s
        lines.append(f"{due:.3f}\t{due + 0.1:.3f}\t{ended:.3f}\t{ended - due:.3f}\t200\t11\t")
    return "\n".join(lines) + "\n"


def packed(text: str) -> str:
    """A text as the agent hands a file over."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


@functools.cache
def recorded(requests: int, at_a_time: int, service_s: float) -> str:
    """What a server's one process records that takes so many requests at a time."""
    lines = ["process\tentered_us\tleft_us\tstatus\tlength"]
    for number in range(requests):
        entered_us = int(number // at_a_time * service_s * 1e6)
        lines.append(f"0\t{entered_us}\t{entered_us + int(service_s * 1e6)}\t200\t11")
    return packed("\n".join(lines))


def load_answer(
    requests: int,
    seconds: float,
    *,
    concurrency: int = 100,
    service_s: float = 2.0,
    wait_ms: float = 0.0,
    cpu_s: float = 0.5,
) -> dict[str, Any]:
    """What the agent answers to a load without failures."""
    return {
        "ab": {
            "exit_code": 0,
            "ending": "ended",
            "stdout": report(requests, seconds, concurrency=concurrency, mean_ms=1000 * service_s),
            "stderr": "",
            "wall_s": seconds,
            "cpu_s": 0.01,
            "run_delay_s": wait_ms * requests / 1000,
        },
        "machine": {"wall_s": seconds, "cpus": 2, "busy_s": 0.0, "steal_s": 0.0, "pressure_s": 0.0},
        "before": SNAPSHOT,
        "after": {**SNAPSHOT, "cpu_s": cpu_s, "user_ticks": 30, "system_ticks": 20},
        "tasks": {"voluntary_switches": 1, "involuntary_switches": 0, "run_delay_s": 0.0},
        "peak_threads": 102,
        "peak_rss_kib": 35_000,
        "server_alive": True,
        "percentiles_csv": None,
        "requests_tsv_gz": None,
        "served_tsv_gz": None,
    }


def load_reply(requests: int, seconds: float, *, cpu_s: float) -> LoadReply:
    """The same as a value."""
    return LoadReply(**load_answer(requests, seconds, cpu_s=cpu_s))


@dataclass
class SimulatedPods:
    """A behaviour for `MemoryEngine`: servers that take `service_s` per request.

    `ready`, `check`, `calibrate`, `load`, `look`, `stacks` and `blocks` may change an answer, or
    raise; `wait_ms` is what ab waits for a CPU per request, by the number of loads made before.
    `shell` is what a command of the shell does in the server. `events` has all commands but the
    canary's.
    """

    service_s: float = 2.0
    serial: bool = False
    ready: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    check: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    calibrate: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    load: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    look: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    stacks: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    blocks: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    wait_ms: Callable[[int], float] = lambda _: 0.0
    shell: Callable[[str], ExecResult] = lambda _: ExecResult(exit_code=0, stdout=b"", stderr=b"")
    events: list[tuple[str, str]] = field(default_factory=list)
    loads: int = 0

    def __call__(
        self, engine: MemoryEngine, spec: ContainerSpec, command: tuple[str, ...]
    ) -> ExecResult:
        if command[0] == "/bin/sh":
            return self.shell(command[2])
        name, config = command[2], json.loads(command[3])
        if name != "canary":
            self.events.append((name, spec.labels["org.monkey-matrix.cell"]))
        answer = getattr(self, f"_{name.replace('-', '_')}")(config)
        return ExecResult(exit_code=0, stdout=json.dumps(answer).encode(), stderr=b"")

    def _ready(self, _config: dict[str, Any]) -> dict[str, Any]:
        return self.ready({"ready_s": 0.1})

    def _check(self, _config: dict[str, Any]) -> dict[str, Any]:
        return self.check({"lone_s": self.service_s, "service_s": self.service_s})

    def _calibrate(self, config: dict[str, Any]) -> dict[str, Any]:
        return self.calibrate(
            {
                "factor": 1.0 if self.serial else float(config["burst"]),
                "many_sent": None,
                "many_answered": None,
                "many_factor": None,
                "burst_answered": config["burst"],
                "burst_last_cpu_share": None,
                "cpu_s_per_request": 0.001,
            }
        )

    def _look(self, config: dict[str, Any]) -> dict[str, Any]:
        right = {
            "failed": None,
            "reason": "",
            "answer": {"status": 200},
            "first_s": self.service_s,
            "lone_s": self.service_s,
            "took_s": self.service_s,
            "computed_s": 0.0,
        }
        looked = [{"path": path, **right} for path in config["paths"]]
        return self.look({"looked": looked, "routes": ["/", "/slow"]})

    def _load(self, config: dict[str, Any]) -> dict[str, Any]:
        requests, clients = config["requests"], 1 if self.serial else config["concurrency"]
        seconds = self.service_s * requests / clients
        wait_ms = self.wait_ms(self.loads)
        self.loads += 1
        loaded = load_answer(
            requests,
            seconds,
            concurrency=config["concurrency"],
            service_s=self.service_s,
            wait_ms=wait_ms,
        )
        answer = self.load({**loaded, "requests_tsv_gz": self._requests_file(config)})
        if "ab" in answer:
            answer["served_tsv_gz"] = recorded(requests, clients, self.service_s)
        return answer

    def _stacks(self, _config: dict[str, Any]) -> dict[str, Any]:
        return self.stacks({"asked": 0, "looks": []})

    def _blocks(self, config: dict[str, Any]) -> dict[str, Any]:
        """No event loop is watched."""
        return self.blocks({"asked_ns": 1 + config["since_ns"], "watched": []})

    def _canary(self, _config: dict[str, Any]) -> dict[str, Any]:
        return {"wall_ms": 50.0, "cpu_ms": 49.0}

    def _requests_file(self, config: dict[str, Any]) -> str | None:
        if "rate" not in config:
            return None
        requests, rate = config["requests"], config["rate"]
        return packed(rate_file(requests, rate, self.service_s, serial=self.serial))

    def _sockets(self, _config: dict[str, Any]) -> dict[str, Any]:
        return {"tcp": "sl local_address\n", "network": {}}

    def _ab_opening(self, _config: dict[str, Any]) -> dict[str, Any]:
        return {"opened_before_first_answer": 1, "version": "2.4.71"}


def dead(engine: MemoryEngine, exit_code: int = 1, *, log: str = "", oom: bool = False) -> None:
    """Let every server of the engine be dead."""
    for container in engine.containers.values():
        if container.spec.name.endswith("-server"):
            container.state = ContainerState(running=False, exit_code=exit_code, oom_killed=oom)
            container.log = log


def a_cell(number: int = 0, *, concurrency: int = 100, requests: int = 5000) -> Cell:
    """A cell of its own for each number."""
    return Cell(
        python="3.11",
        patch="gevent",
        server=Server(name="werkzeug"),
        workload=Workload(parameters=(("seconds", "2"),)),
        concurrency=concurrency,
        requests=requests,
        requirements=(Requirement(name="gevent", specifier=f"==1.{number}"),),
    )


def a_job(cell: Cell, *, limits: Limits | None = None) -> Job:
    """A launch of the cell."""
    return Job(
        run="run",
        cell=cell,
        number=1,
        server_image="server",
        loadgen_image="loadgen",
        limits=limits or Limits(),
        opening=AbOpening.FIRST_ALONE,
    )
