"""The whole machine: what it counted, and how long a fixed piece of work takes on it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

#: The canary's work: some 50 ms of a CPU at 3 GHz.
CANARY_STEPS = 1_000_000


def machine_counters(proc: str = "/proc") -> dict[str, Any]:
    """What the whole machine has counted until this moment, in seconds.

    `/proc/stat` and `/proc/pressure` know no containers. CPU time is busy but for idling, waiting
    for a disk, and what the hypervisor gave to others (`steal_s`). That is None where it never was
    anything but 0 and the machine may be virtual: not every hypervisor tells. `pressure_s` is how
    long some task waited for a CPU, None where the kernel does not count that.
    """
    lines = Path(proc, "stat").read_text().splitlines()
    cpus = sum(line.startswith("cpu") for line in lines) - 1
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, lines[0].split()[1:])
    return {
        "at_s": time.monotonic(),
        "cpus": cpus,
        "busy_s": (user + nice + system + irq + softirq) / ticks_per_s,
        "steal_s": steal / ticks_per_s if steal or is_bare(proc) else None,
        "pressure_s": pressure_s(proc),
    }


def is_bare(proc: str = "/proc") -> bool:
    """Whether the CPU says that there is no hypervisor; only those of x86 say anything."""
    with Path(proc, "cpuinfo").open() as lines:
        flags = next((line.split() for line in lines if line.startswith("flags")), None)
    return flags is not None and "hypervisor" not in flags


def pressure_s(proc: str = "/proc") -> float | None:
    """How long some task of the machine waited for a CPU so far, in seconds."""
    try:
        some = Path(proc, "pressure", "cpu").read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
    return int(some.rpartition("total=")[2]) / 1e6


def machine_growth(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What the machine counted between two moments, `wall_s` apart."""
    counted = {key: (before[key], after[key]) for key in ("busy_s", "steal_s", "pressure_s")}
    return {
        "wall_s": after["at_s"] - before["at_s"],
        "cpus": after["cpus"],
        **{key: None if None in pair else pair[1] - pair[0] for key, pair in counted.items()},
    }


def canary(_config: dict[str, Any]) -> dict[str, Any]:
    """The same work each time, by the wall clock and by the CPU clock, in ms."""
    begun, begun_cpu = time.perf_counter(), time.thread_time()
    total = 0
    for number in range(CANARY_STEPS):
        total += number & 7
    wall_s, cpu_s = time.perf_counter() - begun, time.thread_time() - begun_cpu
    return {"wall_ms": 1000 * wall_s, "cpu_ms": 1000 * cpu_s}
