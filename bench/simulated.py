"""A cell without a container: what a sidecar's agent would answer, and a clock to match."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.engine.memory import MemoryEngine
from runner.engine.protocol import ContainerSpec, ExecResult
from runner.measurement.agent import (
    AbRun,
    CheckReply,
    LoadReply,
    ReadyReply,
    Reply,
    Snapshot,
    TaskGrowth,
)

SERVICE_S = 2.0
NETWORK = {"ListenOverflows": 0, "ListenDrops": 0, "TCPSynRetrans": 0}
#: Bytes of a load's per-request file: what a launch of 5,000 requests brings with it.
REQUESTS_FILE = "H4sI" * 8_000

REPORT = """\
Server Software:        Werkzeug/3.1.3

Time taken for tests:   {taken:.3f} seconds
Complete requests:      {requests}
Failed requests:        0
Requests per second:    {rate:.2f} [#/sec] (mean)
Time per request:       2040.000 [ms] (mean)

Connection Times (ms)
              min  mean[+/-sd] median   max
Total:       2000 2004   3.1   2003    2020

Percentage of the requests served within a certain time (ms)
  50%   2003
  90%   2008
  99%   2015
 100%   2020 (longest request)
"""


@dataclass
class SimulatedClock:
    """Time that passes by sleeping only."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        """See `Clock`."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        self.seconds += seconds

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


@dataclass
class SimulatedCell:
    """Answers as a server that keeps up with its load; a `Behaviour` of the in-memory engine."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)

    def __call__(
        self, _engine: MemoryEngine, _spec: ContainerSpec, command: tuple[str, ...]
    ) -> ExecResult:
        """Answer one command of the agent."""
        config = json.loads(command[3])
        return ExecResult(
            exit_code=0,
            stdout=self.reply(command[2], config).model_dump_json().encode(),
            stderr=b"",
        )

    def reply(self, name: str, config: dict[str, Any]) -> Reply:
        """What the agent would say."""
        if name == "ready":
            return ReadyReply(ready_s=0.4)
        return check(config) if name == "check" else self.load(config)

    def load(self, config: dict[str, Any]) -> LoadReply:
        """Take as long as the ceiling says."""
        taken = SERVICE_S * config["requests"] / config["concurrency"]
        self.clock.sleep(taken)
        return load_reply(config["requests"], taken)


def check(config: dict[str, Any]) -> CheckReply:
    """A server that takes all requests together."""
    return CheckReply(
        first_s=SERVICE_S,
        lone_s=SERVICE_S,
        factor=float(config["burst"]),
        burst_s=SERVICE_S,
        burst_answered=config["burst"],
        cpu_s_per_request=0.001,
    )


def load_reply(requests: int, taken: float) -> LoadReply:
    """A load without a flaw."""
    return LoadReply(
        ab=AbRun(
            command=["ab"],
            exit_code=0,
            ending="ended",
            stdout=REPORT.format(taken=taken, requests=requests, rate=requests / taken),
            stderr="",
            wall_s=taken,
            cpu_s=0.1,
            run_delay_s=0.0,
        ),
        before=snapshot(cpu_s=1.0),
        after=snapshot(cpu_s=1.0 + 0.001 * requests),
        tasks=TaskGrowth(voluntary_switches=100, involuntary_switches=1, run_delay_s=0.0),
        peak_threads=101,
        peak_rss_kib=40_000,
        server_alive=True,
        percentiles_csv=None,
        requests_tsv_gz=REQUESTS_FILE,
    )


def snapshot(cpu_s: float) -> Snapshot:
    """The server's counters after so many seconds of CPU."""
    ticks = int(100 * cpu_s)
    return Snapshot(
        cpu_s=cpu_s,
        user_ticks=ticks,
        system_ticks=ticks // 2,
        network=NETWORK,
        rss_kib=40_000,
        hwm_kib=40_000,
        threads=101,
    )
