"""The server's processes, read from `/proc`: CPU time, memory, threads, waits for a CPU.

They are told by their user id. The pod's containers share their process namespace, so this holds
whatever the cgroup version and wherever the engine is.
"""

from __future__ import annotations

import collections
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from network import network_counters

SAMPLE_INTERVAL_S = 0.2
BUSY_WINDOW_S = 0.5
#: Over how many of its last seconds a load's CPU share is told: what a stalled server does then.
LAST_S = 3.0


def server_pids(uid: int) -> list[int]:
    """Process ids of the server: every process that runs under its user id."""
    return _pids(lambda owner: owner == uid)


def _pids(is_wanted: Callable[[int], bool]) -> list[int]:
    """Ids of the processes whose user id is wanted."""
    pids = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and is_wanted(entry.stat().st_uid):
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


def read_status(path: str) -> dict[str, str]:
    """`status` of a process or task as a mapping, empty when it is gone."""
    try:
        lines = Path(path, "status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in lines if ":" in line)


def cpu_ticks(pid: int) -> tuple[int, int]:
    """User and system CPU time of a process, its ended threads included, in clock ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[11]), int(fields[12])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its ended threads included, to the nanosecond, in seconds.

    The clock of another process is `(~pid << 3) | CPUCLOCK_SCHED`, see clock_getcpuclockid(3);
    ticks of 10 ms would be too coarse for a burst of five requests.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def run_delay_s(path: str) -> float | None:
    """How long a task waited for a CPU since it began, in seconds; 0 when it is gone.

    None where the kernel does not count it: there is no such file, or nothing but zeros in it.
    """
    try:
        if int(Path("/proc/self/schedstat").read_text().split()[0]) == 0:
            return None
    except (OSError, IndexError):
        return None
    try:
        return int(Path(path, "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def task_paths(pids: list[int]) -> list[str]:
    """The `/proc` directory of every living thread of the processes."""
    paths = []
    for pid in pids:
        try:
            paths += [entry.path for entry in os.scandir(f"/proc/{pid}/task")]
        except OSError:
            continue
    return paths


def task_counters(path: str) -> tuple[int, int, float | None]:
    """Voluntary and involuntary context switches of one thread, and its wait for a CPU in s."""
    status = read_status(path)
    return (
        int(status.get("voluntary_ctxt_switches", 0)),
        int(status.get("nonvoluntary_ctxt_switches", 0)),
        run_delay_s(path),
    )


def task_growth(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float | None]:
    """What the threads alive at the end did since the beginning.

    A thread that has ended takes its counters along: the kernel adds up CPU time over a process,
    but neither switches nor waits. A wait is None where the kernel does not count it.
    """
    new = (0, 0, 0.0)
    pairs = [(before.get(path, new), counters) for path, counters in after.items()]
    voluntary, involuntary = (sum(b[i] - a[i] for a, b in pairs) for i in range(2))
    counted = [(a[2], b[2]) for a, b in pairs if a[2] is not None and b[2] is not None]
    return {
        "voluntary_switches": voluntary,
        "involuntary_switches": involuntary,
        "run_delay_s": sum(b - a for a, b in counted) if len(counted) == len(pairs) else None,
    }


def snapshot(uid: int) -> dict[str, Any]:
    """CPU times, memory and counters at this moment. Times in seconds, memory in KiB."""
    pids = server_pids(uid)
    ticks = [cpu_ticks(pid) for pid in pids]
    return {
        "cpu_s": sum(cpu_seconds(pid) for pid in pids),
        "user_ticks": sum(user for user, _ in ticks),
        "system_ticks": sum(system for _, system in ticks),
        "tasks": {path: task_counters(path) for path in task_paths(pids)},
        "network": network_counters(),
        **sample(pids),
    }


def sample(pids: list[int]) -> dict[str, int]:
    """Resident memory (KiB, now and at its highest) and threads, summed over processes."""
    statuses = [read_status(f"/proc/{pid}") for pid in pids]

    def total(key: str) -> int:
        return sum(int(s[key].split()[0]) for s in statuses if key in s)

    return {"rss_kib": total("VmRSS"), "hwm_kib": total("VmHWM"), "threads": total("Threads")}


class Sampler(threading.Thread):
    """Watches the server's threads, memory and CPU while `ab` runs."""

    def __init__(self, uid: int) -> None:
        super().__init__(daemon=True)
        self.uid = uid
        self.stopped = threading.Event()
        self.peak_threads = 0
        self.peak_rss_kib = 0
        self.cpu: collections.deque[tuple[float, float]] = collections.deque(
            maxlen=int(LAST_S / SAMPLE_INTERVAL_S)
        )

    def run(self) -> None:
        """Sample until stopped."""
        while not self.stopped.wait(SAMPLE_INTERVAL_S):
            self.take()

    def take(self) -> None:
        """Take one sample."""
        now = sample(server_pids(self.uid))
        self.peak_threads = max(self.peak_threads, now["threads"])
        self.peak_rss_kib = max(self.peak_rss_kib, now["rss_kib"])
        self.cpu.append((time.monotonic(), cpu_s_of(self.uid)))

    def last_cpu_share(self) -> float | None:
        """CPUs that the server kept busy over the last seconds."""
        if len(self.cpu) < 2:
            return None
        (begin, before_s), (end, after_s) = self.cpu[0], self.cpu[-1]
        return (after_s - before_s) / (end - begin)


def busy_now(uid: int) -> float:
    """How many CPUs the server keeps busy at this moment, seen over half a second."""
    before_s, begun = cpu_s_of(uid), time.monotonic()
    time.sleep(BUSY_WINDOW_S)
    return (cpu_s_of(uid) - before_s) / (time.monotonic() - begun)


def cpu_s_of(uid: int) -> float:
    """CPU time of all processes under this user id until now, in seconds."""
    return sum(cpu_seconds(pid) for pid in server_pids(uid))


def cpu_s_beside() -> float:
    """CPU time of all processes in the pod that are not the load generator's, in seconds.

    They are the server's, and those of services, whose user ids their images choose.
    """
    return sum(cpu_seconds(pid) for pid in _pids(lambda uid: uid != os.getuid()))
