"""What runs inside a pod, next to `ab`: probe, verify, calibrate, load and read the counters.

It is the sidecar's first process: each line of its standard input is a command with its settings,
`[name, {…}]`, each line of its standard output the answer, and it ends with its input. So no
program has to be started before a check or a load but `ab`. Only the standard library. The pod's
containers share their network and process namespaces, so everything is read from `/proc` here,
whatever the cgroup version and wherever the engine is. The server's processes are told by their
user id.
"""

from __future__ import annotations

import base64
import collections
import io
import itertools
import json
import math
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
#: How often a server that does not listen yet is tried: at first, and once it takes longer, for a
#: probe costs CPU that others want who start beside it.
PROBE_INTERVAL_S, PROBE_INTERVAL_LATER_S, LATER_S = 0.01, 0.1, 1.0
SAMPLE_INTERVAL_S = 0.2
INTERRUPT_GRACE_S = 5.0
PROGRESS_INTERVAL_S, LOOK_AFTER_S = 0.5, 2.0
BUSY_WINDOW_S = 0.5
#: Over how many of its last seconds a load's CPU share is told: what a stalled server does then.
LAST_S = 3.0
#: A lone request is late, and asked again, above this many service times and seconds.
LATE, LATE_BY_S, LONE_REPEATS = 1.1, 0.1, 3
#: The second burst joins the first where requests take this long (seconds), the server has read all
#: of the first within this share of it, and is looked at this often (seconds).
JOINED_FROM_S, JOINED_WITHIN, JOINED_POLL_S = 0.5, 0.25, 0.02
ESTABLISHED, SYN_SENT, LISTEN = "01", "02", "0A"  # include/net/tcp_states.h
NETWORK_COUNTERS = ("ListenOverflows", "ListenDrops", "TCPSynRetrans")
RECORDS_AT_A_TIME = 4096
#: How long a request that has been answered may take to leave the application, in seconds.
LEFT_WITHIN_S, LEFT_POLL_S = 1.0, 0.02


# -- the server's processes ------------------------------------------------------------------------


def server_pids(uid: int) -> list[int]:
    """Process ids of the server: every process that runs under its user id."""
    pids = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
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


def network_counters() -> dict[str, int]:
    """The namespace's own TCP counters, from `/proc/net/netstat`."""
    counters = counters_of("/proc/net/netstat", "TcpExt:")
    return {name: counters.get(name, 0) for name in NETWORK_COUNTERS}


def progress() -> tuple[int, int]:
    """Connections accepted in the namespace so far, and those that are open at this moment.

    From `/proc/net/snmp`: it costs nothing, however many sockets there are. With a connection per
    request, an answer changes the second, and the first where another request follows.
    """
    counters = counters_of("/proc/net/snmp", "Tcp:")
    return counters["PassiveOpens"], counters["CurrEstab"]


def requests_held_back(port: int, table: str = "/proc/net/tcp") -> bool:
    """Whether a request has not reached the server at a port, and not because it does not accept.

    A full listen queue drops what comes. The client tries again, each time after twice as long, and
    holds what it sent as unacknowledged until then, whether the server's end of its connection is
    there already or not; meanwhile the server may have emptied its queue and have nothing to do.
    """
    unsent = False
    for line in Path(table).read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        sent, received = (int(part, 16) for part in queues.split(":"))
        if port_of(local) == port and state == LISTEN and received:
            return False  # of a listening socket: the connections that nobody accepted yet
        if port_of(remote) == port and state in {ESTABLISHED, SYN_SENT} and sent:
            unsent = True
    return unsent


def port_of(address: str) -> int:
    """The port of an address as `/proc/net/tcp` writes it, both in hexadecimal."""
    return int(address.rpartition(":")[2], 16)


def counters_of(path: str, group: str) -> dict[str, int]:
    """One group of the kernel's counters: a line of names, then a line of values."""
    lines = Path(path).read_text().splitlines()
    names, values = next(
        (a.split()[1:], b.split()[1:]) for a, b in itertools.pairwise(lines) if a.startswith(group)
    )
    return dict(zip(names, map(int, values), strict=True))


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
        self.cpu.append((time.monotonic(), cpu_s_of([self.uid])))

    def last_cpu_share(self) -> float | None:
        """CPUs that the server kept busy over the last seconds."""
        if len(self.cpu) < 2:
            return None
        (begin, before_s), (end, after_s) = self.cpu[0], self.cpu[-1]
        return (after_s - before_s) / (end - begin)


# -- what the server's processes recorded ----------------------------------------------------------


class NotRecordedError(Exception):
    """Some of the server's requests were not recorded, or it records none."""


def recorded(path: Path, record: struct.Struct, since_ns: int) -> Iterator[tuple[int, ...]]:
    """The requests of one process that entered from a moment on, in the order of their entry.

    Each is when it entered and left (`CLOCK_MONOTONIC`, ns; 0: not yet), status, length of its
    answer. Raises `NotRecordedError` where some may be missing, for its memory is full.
    """
    room = path.stat().st_size // record.size - 1
    seen = 0
    with path.open("rb") as file:
        while block := file.read(RECORDS_AT_A_TIME * record.size):
            for request in record.iter_unpack(block):
                if not request[0]:
                    return
                seen += 1
                if seen == room:
                    raise NotRecordedError
                if request[0] >= since_ns:
                    yield request


def requests_since(config: dict[str, Any], since_ns: int) -> Iterator[tuple[int, ...]]:
    """The requests of all processes that entered since, each with its process's number before it.

    Waits a moment for those that have not left yet: an answer reaches its client a little earlier.
    """
    record, prefix = struct.Struct(config["record"]), Path(config["recordings"])
    files = sorted(prefix.parent.glob(f"{prefix.name}*"))
    if not files:
        raise NotRecordedError
    deadline = time.monotonic() + LEFT_WITHIN_S
    try:
        while any(not request[1] for path in files for request in recorded(path, record, since_ns)):
            if time.monotonic() >= deadline:
                break
            time.sleep(LEFT_POLL_S)
        served = [path for path in files if any(True for _ in recorded(path, record, since_ns))]
        for number, path in enumerate(served):
            for request in recorded(path, record, since_ns):
                yield (number, *request)
    except OSError as error:
        raise NotRecordedError from error


def recorded_service_s(config: dict[str, Any], since_ns: int) -> float | None:
    """The shortest time that one of the requests since then was in the application, in seconds."""
    try:
        times = [
            left - entered for _, entered, left, *_ in requests_since(config, since_ns) if left
        ]
    except NotRecordedError:
        return None
    return min(times) / 1e9 if times else None


def served_tsv(config: dict[str, Any], since_ns: int) -> str | None:
    """The requests since a moment as a table, their times in µs after it; None where some miss.

    Gzipped and in base64. It is written line by line: a load may have a million requests.
    """
    import gzip  # noqa: PLC0415 - a tenth of the agent's start, and needed by its end only

    written = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=written, mode="wb", mtime=0) as archive:
            archive.write(b"process\tentered_us\tleft_us\tstatus\tlength\n")
            for process, entered, left, status, length in requests_since(config, since_ns):
                entered_us = (entered - since_ns) // 1000
                left_us = (left - since_ns) // 1000 if left else ""
                line = f"{process}\t{entered_us}\t{left_us}\t{status}\t{length}\n"
                archive.write(line.encode())
    except NotRecordedError:
        return None
    return base64.b64encode(written.getvalue()).decode()


# -- check: ready, verified, calibrated ------------------------------------------------------------


class CheckFailedError(Exception):
    """A step of the check failed: `kind` says which, the text says how.

    `cpu_share` is how many CPUs the server kept busy when it was given up on.
    """

    def __init__(self, kind: str, text: str, cpu_share: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.cpu_share = cpu_share


def ready(config: dict[str, Any]) -> dict[str, Any]:
    """Wait until the server accepts a connection; fail at once when it is dead."""
    begun = time.monotonic()
    wait_for_connection(config, begun)
    return {"ready_s": time.monotonic() - begun}


def wait_for_connection(config: dict[str, Any], begun: float) -> None:
    """Return as soon as the server accepts a connection; it has the limit from `begun` on."""
    while True:
        try:
            socket.create_connection((HOST, config["port"]), timeout=1).close()
        except OSError:
            pass
        else:
            return
        if not server_pids(config["uid"]):
            raise CheckFailedError("server-gone", "the server's process ended")
        waited_s = time.monotonic() - begun
        if waited_s > config["startup_s"]:
            text = f"no connection accepted within {config['startup_s']:g} s"
            raise CheckFailedError("not-ready", text, busy_now(config["uid"]))
        time.sleep(PROBE_INTERVAL_S if waited_s < LATER_S else PROBE_INTERVAL_LATER_S)


def get(config: dict[str, Any], timeout: float, sent: threading.Semaphore | None = None) -> float:
    """GET the page once, check status and body, and return the latency in seconds.

    `sent` is released when the request is out.
    """
    begun = time.monotonic()
    connection = HTTPConnection(HOST, config["port"], timeout=timeout)
    try:
        connection.request("GET", "/")
        if sent:
            sent.release()
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    finally:
        connection.close()
    elapsed = time.monotonic() - begun
    if response.status != 200:
        raise CheckFailedError(
            "wrong-answer", f"status {response.status}, expected 200: {body[:200]!r}"
        )
    if body != config["body"]:
        raise CheckFailedError("wrong-answer", f"body {body[:200]!r}, expected {config['body']!r}")
    return elapsed


def verified_get(
    config: dict[str, Any], timeout: float, sent: threading.Semaphore | None = None
) -> float:
    """`get`, with every failure of the transport as a `CheckFailedError`."""
    try:
        return get(config, timeout, sent)
    except TimeoutError:
        text = f"connection accepted, GET / not answered within {timeout:.0f} s"
        raise CheckFailedError("not-answered", text, busy_now(config["uid"])) from None
    except (OSError, HTTPException) as error:
        kind = "server-gone" if not server_pids(config["uid"]) else "broken-answer"
        raise CheckFailedError(kind, f"GET / failed: {type(error).__name__}: {error}") from None


class Burst:
    """`size` requests sent at once, each from a thread of its own."""

    def __init__(self, config: dict[str, Any], size: int, timeout: float) -> None:
        self.config, self.size, self.timeout = config, size, timeout
        self.failures: list[CheckFailedError] = []
        self.sent = threading.Semaphore(0)
        self.begun, self.begun_cpu_s = time.monotonic(), cpu_s_of(config["uids"])
        self.threads = [threading.Thread(target=self._one, daemon=True) for _ in range(size)]
        for thread in self.threads:
            thread.start()

    def _one(self) -> None:
        try:
            verified_get(self.config, self.timeout, self.sent)
        except CheckFailedError as error:
            self.failures.append(error)

    def wait(self) -> tuple[float, int, float]:
        """Wall time in seconds, how many were answered, CPU seconds of all that worked on them."""
        for thread in self.threads:
            thread.join()
        for failure in self.failures:
            if failure.kind != "not-answered":
                raise failure
        cpu_s = cpu_s_of(self.config["uids"]) - self.begun_cpu_s
        return time.monotonic() - self.begun, self.size - len(self.failures), cpu_s

    def was_read(self, within_s: float) -> bool:
        """Whether the server has soon read all of it, as one does that takes requests together."""
        deadline = time.monotonic() + within_s
        for _ in range(self.size):
            if not self.sent.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False
        while requests_unread(self.config["port"]):
            if time.monotonic() >= deadline:
                return False
            time.sleep(JOINED_POLL_S)
        return True


def requests_unread(port: int, table: str = "/proc/net/tcp") -> bool:
    """Whether the server at a port has connections to accept or anything sent to it to read."""
    for line in Path(table).read_text().splitlines()[1:]:
        _, local, remote, _state, queues, *_ = line.split()
        sent, received = (int(part, 16) for part in queues.split(":"))
        if (port_of(local) == port and received) or (port_of(remote) == port and sent):
            return True
    return False


def check(config: dict[str, Any]) -> dict[str, Any]:
    """Verify the answer of a server that is ready, and measure how long a lone request takes."""
    begun_ns = time.monotonic_ns()
    lone_s = lone_request(config)
    service_s = recorded_service_s(config, begun_ns)
    if config["spread_s"]:
        # Each request takes its own time: a single one does not tell the mean.
        lone_s = service_s = config["service_s"]
    return {"lone_s": lone_s, "service_s": service_s}


def lone_request(config: dict[str, Any]) -> float:
    """The latency of a request that nothing else is in the way of, in seconds."""
    nominal_s: float = config["service_s"] + config.get("spread_s", 0.0)
    timeout = config["startup_s"] + nominal_s
    try:
        lone_s = verified_get(config, timeout)
    except CheckFailedError as error:
        if error.kind == "not-answered":
            error.kind = "first-not-answered"
        raise
    for number in range(LONE_REPEATS):
        # A server may accept connections before it can answer, and then the first request waits for
        # its start as well.
        if number >= config["lone_repeats"] and lone_s <= LATE * nominal_s + LATE_BY_S:
            break
        lone_s = min(lone_s, verified_get(config, timeout))
    return lone_s


def calibrate(config: dict[str, Any]) -> dict[str, Any]:
    """Measure how many requests the server takes at once, and what one costs.

    One costs what it does once all is warm and many come together, as under the load: that takes a
    second, larger burst. It follows the first one, unless a look at the sockets has shown that the
    server read all of that at once: then it joins the first, which saves a service time. With one
    that reads all and still works one by one the check takes longer, and shows the same.
    """
    size, more, lone_s = config["burst"], config["sizing_burst"], config["lone_s"]
    both = size + more if config["joined"] else size
    few = Burst(config, size, 3 * both * lone_s + 5)
    joined = lone_s >= JOINED_FROM_S and config["joined"] and few.was_read(JOINED_WITHIN * lone_s)
    many = Burst(config, more, 3 * (size + more) * lone_s + 5) if joined else None
    wall_s, answered, cpu_s = few.wait()
    factor = size * lone_s / wall_s
    reply: dict[str, Any] = {"burst_answered": answered, "factor": factor}
    reply |= {"burst_last_cpu_share": None, "cpu_s_per_request": None}
    reply |= {"many_sent": None, "many_answered": None, "many_factor": None}
    requests: float = answered
    if answered < size:
        reply["burst_last_cpu_share"] = busy_now(config["uid"])
    elif many or factor >= config["serialised_below"]:
        second = many or Burst(config, more, 3 * more * lone_s + 5)
        wall_s, answered, cpu_s = second.wait()
        reply |= {"many_sent": more, "many_answered": answered}
        requests = answered
        if answered < more:
            reply["burst_last_cpu_share"] = busy_now(config["uid"])
        else:
            reply["many_factor"] = more * lone_s / wall_s
        if many:
            # The first burst's requests were half done when the second one began.
            requests += size / 2
    if requests:
        reply["cpu_s_per_request"] = cpu_s / requests
    return reply


def busy_now(uid: int) -> float:
    """How many CPUs the server keeps busy at this moment, seen over half a second."""
    before_s, begun = cpu_s_of([uid]), time.monotonic()
    time.sleep(BUSY_WINDOW_S)
    return (cpu_s_of([uid]) - before_s) / (time.monotonic() - begun)


def cpu_s_of(uids: list[int]) -> float:
    """CPU time of all processes under these user ids until now, in seconds."""
    return sum(cpu_seconds(pid) for uid in uids for pid in server_pids(uid))


# -- load ------------------------------------------------------------------------------------------


def ab_command(config: dict[str, Any], directory: Path) -> list[str]:
    """A closed loop of clients.

    Its own timeout (`-s`) is the limit: it would take clients that wait to send again for a hang.
    """
    return [
        "ab", "-q", "-s", str(math.ceil(config["limit_s"]) + 1),
        "-c", str(config["concurrency"]), "-n", str(config["requests"]),
        "-e", str(directory / "percentiles.csv"), "-g", str(directory / "requests.tsv"),
        f"http://{HOST}:{config['port']}/",
    ]  # fmt: skip


def rate_command(config: dict[str, Any], directory: Path) -> list[str]:
    """Requests at a fixed rate: see `rate.py`, beside this file."""
    told = {key: config[key] for key in ("port", "rate", "requests", "seed")}
    told["file"] = str(directory / "requests.tsv")
    return [sys.executable, str(Path(__file__).with_name("rate.py")), json.dumps(told)]


def run_ab(config: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Run `ab`, or what sends at a `rate`.

    One that does not end in time is interrupted, so that it prints what it has.
    """
    command = (rate_command if "rate" in config else ab_command)(config, directory)
    report, errors = directory / "ab.txt", directory / "ab.err"
    begun = time.monotonic()
    with report.open("w") as stdout, errors.open("w") as stderr:
        ab = subprocess.Popen(command, stdout=stdout, stderr=stderr)
    ending = wait_for_ab(ab.pid, config)
    tcp = None
    if ending != "ended":
        # Before `ab` closes its ends.
        tcp = Path("/proc/net/tcp").read_text()
        ab.send_signal(signal.SIGINT)
        if not end_of(ab.pid).wait(INTERRUPT_GRACE_S):
            ab.kill()
            end_of(ab.pid).wait(INTERRUPT_GRACE_S)
    wall_s = time.monotonic() - begun
    # An ended process keeps its counters until it is waited for.
    cpu_s, delay_s = cpu_seconds(ab.pid), run_delay_s(f"/proc/{ab.pid}")
    return {
        "exit_code": ab.wait(),
        "ending": ending,
        "tcp": tcp,
        "stdout": report.read_text(),
        "stderr": errors.read_text(),
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "run_delay_s": delay_s,
    }


def wait_for_ab(pid: int, config: dict[str, Any]) -> str:
    """Wait until `ab` has `ended`; else say whether its load is `stalled` or just `late`.

    It is stalled when no connection was made or ended for a while: before its deadline for
    `silence_s`, later for `stall_s`. One that goes on has until the limit. Where requests wait in
    the clients' kernel to be sent again, nothing moves either, and the server is not to blame.
    `ab` ends by itself where its connections are refused; what sends at a rate goes on, so its load
    is over once the server is `gone`.
    """
    ended = end_of(pid)
    begun = moved = time.monotonic()
    at_a_rate = "rate" in config
    look = most_ended() if at_a_rate else progress
    seen: object = look()
    while not ended.wait(PROGRESS_INTERVAL_S):
        if at_a_rate and not server_pids(config["uid"]):
            return "gone"
        now, before = time.monotonic(), seen
        seen = look()
        # To look at all sockets costs CPU, of which there is enough while nothing moves.
        quiet_s = min(LOOK_AFTER_S, config["stall_s"] / 2)
        if seen != before or (now - moved >= quiet_s and requests_held_back(config["port"])):
            moved = now
        if now - begun >= config["limit_s"]:
            patience_s = min(config["stall_s"], config["limit_s"] / 2)
            return "stalled" if now - moved >= patience_s else "late"
        late = now - begun >= config["deadline_s"]
        if now - moved >= config["stall_s" if late else "silence_s"]:
            return "stalled"
    return "ended"


def most_ended() -> Callable[[], int]:
    """A count of the connections that have ended, the highest so far.

    A load at a fixed rate opens connections whether or not any is answered. Both ends of each are
    open in this namespace; one that the server's kernel has dropped is open at the client's alone.
    """
    most = 0

    def look() -> int:
        nonlocal most
        accepted, open_now = progress()
        most = max(most, 2 * accepted - open_now)
        return most

    return look


def end_of(pid: int) -> threading.Event:
    """Set when a child has ended, which is not reaped by that."""
    ended = threading.Event()

    def watch() -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    return ended


def load(config: dict[str, Any]) -> dict[str, Any]:
    """Load the server with `ab` and read the counters around it."""
    directory = Path("/tmp")  # noqa: S108 - the pod's own tmpfs
    sampler = Sampler(config["uid"])
    before = snapshot(config["uid"])
    machine = machine_counters()
    sampler.start()
    begun_ns = time.monotonic_ns()
    ab = run_ab(config, directory)
    machine = machine_growth(machine, machine_counters())
    sampler.stopped.set()
    after = snapshot(config["uid"])
    sampler.join()
    tasks = task_growth(before.pop("tasks"), after.pop("tasks"))
    return {
        "ab": ab,
        "machine": machine,
        "tasks": tasks,
        "before": before,
        "after": after,
        "peak_threads": max(sampler.peak_threads, after["threads"]),
        "peak_rss_kib": max(sampler.peak_rss_kib, after["rss_kib"]),
        "last_cpu_share": sampler.last_cpu_share(),
        "server_alive": bool(server_pids(config["uid"])),
        "percentiles_csv": read_if_there(directory / "percentiles.csv"),
        "requests_tsv_gz": packed_file(directory / "requests.tsv"),
        "served_tsv_gz": served_tsv(config, begun_ns),
    }


def read_if_there(path: Path) -> str | None:
    """A file's text, None where `ab` did not write it."""
    return path.read_text() if path.exists() else None


def packed_file(path: Path) -> str | None:
    """A file as `packed` gives it, None where `ab` did not write it."""
    return packed(read_if_there(path))


def packed(text: str | None) -> str | None:
    """A text, gzipped and in base64; None for None."""
    if text is None:
        return None
    import gzip  # noqa: PLC0415 - a tenth of the agent's start, and needed by its end only

    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


# -- ab's own start-up -----------------------------------------------------------------------------


def ab_opening(_config: dict[str, Any]) -> dict[str, Any]:
    """Find out whether this `ab` sends one request alone before it opens its other connections.

    A listener of our own leaves the first connection unanswered for a while and counts those that
    have come by then.
    """
    concurrency, patience_s = 4, 0.5
    listener = socket.create_server((HOST, 0), backlog=16)
    listener.settimeout(patience_s)
    port = listener.getsockname()[1]
    command = ["ab", "-q", "-c", str(concurrency), "-n", "8", f"http://{HOST}:{port}/"]
    ab = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    connections = []
    try:
        while len(connections) < concurrency:
            connections.append(listener.accept()[0])
    except TimeoutError:
        pass
    finally:
        ab.kill()
        ab.wait()
    if not connections:
        raise CheckFailedError("ab", "ab opened no connection at all")
    return {"opened_before_first_answer": len(connections), "version": ab_version()}


def ab_version() -> str | None:
    """The version of the package that `ab` is from: of itself it says only `2.3`."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", "apache2-utils"]
    result = subprocess.run(query, capture_output=True, text=True, check=False)
    return result.stdout or None


# -- evidence --------------------------------------------------------------------------------------


def sockets(_config: dict[str, Any]) -> dict[str, Any]:
    """The namespace's TCP sockets, as the kernel lists them."""
    return {"tcp": Path("/proc/net/tcp").read_text(), "network": network_counters()}


# -- the machine -----------------------------------------------------------------------------------


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


COMMANDS = {
    "ready": ready,
    "check": check,
    "calibrate": calibrate,
    "load": load,
    "canary": canary,
    "ab-opening": ab_opening,
    "sockets": sockets,
}


def allow_open_files() -> None:
    """Raise this process's limit of open files, which `ab` inherits, as far as the engine lets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def answer(name: str, config: dict[str, Any]) -> str:
    """What a command answers; a failed check is an answer too."""
    try:
        reply = COMMANDS[name](config)
    except CheckFailedError as error:
        reply = {"failed": error.kind, "reason": str(error), "cpu_share": error.cpu_share}
    return json.dumps(reply)


def main() -> int:
    """Answer one command, or, to `serve`, each line of standard input until it ends."""
    allow_open_files()
    if sys.argv[1] == "serve":
        for line in sys.stdin:
            print(answer(*json.loads(line)), flush=True)
    else:
        print(answer(sys.argv[1], json.loads(sys.argv[2])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
