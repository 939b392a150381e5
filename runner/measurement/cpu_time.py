"""Whose CPU time it was during a load: the pods', the engine's, the runner's, or others'.

All of it is read by the runner, at the same two moments: the machine's own counters, the control
groups of the pods' containers, the clocks of the engine's processes and its own. That takes an
engine on the runner's machine; where its containers cannot be seen, nothing is known.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Where the CPU time of a container is, on cgroup v1 and v2, with either driver of Docker's.
GROUPS = (
    "cpuacct/docker/{}/cpuacct.usage",
    "cpuacct/system.slice/docker-{}.scope/cpuacct.usage",
    "docker/{}/cpu.stat",
    "system.slice/docker-{}.scope/cpu.stat",
)
CGROUPS, PROC = Path("/sys/fs/cgroup"), Path("/proc")
#: The engine's programs, as `comm` of proc(5) has them: cut after 15 characters.
ENGINE = frozenset({"dockerd", "containerd", "containerd-shim", "docker-proxy", "runc"})


@dataclass(frozen=True, kw_only=True)
class Moment:
    """CPU times until a moment, in seconds; those of containers by file, of programs by process."""

    at_s: float
    busy_s: float
    pods: Mapping[Path, float]
    engine: Mapping[int, float]
    runner_s: float


@dataclass(frozen=True, kw_only=True)
class Used:
    """CPU time between two moments, in seconds, and how long that was."""

    wall_s: float
    busy_s: float
    pods_s: float
    engine_s: float
    runner_s: float


class Observer:
    """Reads whose CPU time it is; made once the pods are up, for none may start meanwhile."""

    def __init__(self, containers: Iterable[str], cgroups: Path = CGROUPS) -> None:
        self._pods = [file for id_ in containers if (file := _usage_file(id_, cgroups))]
        self._engine = _engine_processes() if self._pods else []

    def now(self) -> Moment | None:
        """CPU times until now; None where the engine's containers or processes are not seen."""
        if not self._pods or not self._engine:
            return None
        return Moment(
            at_s=time.monotonic(),
            busy_s=_busy_s(),
            pods={file: used for file in self._pods if (used := _usage_s(file)) is not None},
            engine={pid: used for pid in self._engine if (used := _process_s(pid)) is not None},
            runner_s=time.process_time(),
        )


def between(before: Moment | None, after: Moment | None) -> Used | None:
    """What was used from one moment to the other, None if it is not known.

    A container that has gone in between took along what it used. So did a process of the engine's,
    but those that go while a launch is loaded serve containers of others.
    """
    if before is None or after is None or before.pods.keys() != after.pods.keys():
        return None
    return Used(
        wall_s=after.at_s - before.at_s,
        busy_s=after.busy_s - before.busy_s,
        pods_s=sum(after.pods.values()) - sum(before.pods.values()),
        engine_s=sum(used_s - before.engine.get(pid, 0.0) for pid, used_s in after.engine.items()),
        runner_s=after.runner_s - before.runner_s,
    )


# -- the counters ----------------------------------------------------------------------------------


def _usage_file(container: str, cgroups: Path) -> Path | None:
    """Where the kernel counts a container's CPU time, ended processes included."""
    files = (cgroups / pattern.format(container) for pattern in GROUPS)
    return next((file for file in files if file.exists()), None)


def _usage_s(file: Path) -> float | None:
    """A control group's CPU time in seconds, None where it has gone."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return None
    if file.name == "cpu.stat":
        return int(text.split("usage_usec", 1)[1].split(maxsplit=1)[0]) / 1e6
    return int(text) / 1e9


def _busy_s(proc: Path = PROC) -> float:
    """CPU time of the whole machine that was neither idle nor stolen, in seconds: see proc(5)."""
    first = (proc / "stat").read_text(encoding="utf-8").splitlines()[0]
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, first.split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _engine_processes(proc: Path = PROC) -> list[int]:
    """The engine's processes, none where its daemon is not among those seen."""
    names = {pid: name for pid in _pids(proc) if (name := _name(proc, pid)) in ENGINE}
    return list(names) if "dockerd" in names.values() else []


def _pids(proc: Path) -> list[int]:
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def _name(proc: Path, pid: int) -> str | None:
    try:
        return (proc / str(pid) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _process_s(pid: int) -> float | None:
    """CPU time of a process by its clock, see clock_getcpuclockid(3); None where it has gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
