"""The load: `ab`, or what sends at a fixed rate, with the counters around it."""

from __future__ import annotations

import base64
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import machine_counters, machine_growth
from network import progress, requests_held_back
from processes import Sampler, cpu_seconds, run_delay_s, server_pids, snapshot, task_growth
from recorded import served_tsv
from request import HOST, body_of, content_type, further_headers, message
from samples import Samples

INTERRUPT_GRACE_S = 5.0
PROGRESS_INTERVAL_S, LOOK_AFTER_S = 0.5, 2.0
#: How `ab` is told a method and its body; any other method comes after `-p`, which it overrules.
METHODS = {"POST": "-p", "PUT": "-u"}


def ab_command(config: dict[str, Any], directory: Path) -> list[str]:
    """A closed loop of clients.

    Its own timeout (`-s`) is the limit: it would take clients that wait to send again for a hang.
    """
    return [
        "ab", "-q", "-s", str(math.ceil(config["limit_s"]) + 1),
        "-c", str(config["concurrency"]), "-n", str(config["requests"]),
        "-e", str(directory / "percentiles.csv"), "-g", str(directory / "requests.tsv"),
        *request_options(config["request"], directory),
        *([] if config["fixed_length"] else ["-l"]),
        f"http://{HOST}:{config['port']}{config['request']['path']}",
    ]  # fmt: skip


def request_options(request: dict[str, Any], directory: Path) -> list[str]:
    """How `ab` is told the request; its body is written into a file."""
    options: list[str] = []
    method, body = request["method"], body_of(request)
    if body is not None:
        file = directory / "body"
        file.write_bytes(body)
        options += [METHODS.get(method, "-p"), str(file), "-T", content_type(request)]
    if method == "HEAD":
        options.append("-i")
    elif method != "GET" and (body is None or method not in METHODS):
        options += ["-m", method]
    for name, value in further_headers(request):
        options += ["-H", f"{name}: {value}"]
    return options


def rate_command(config: dict[str, Any], directory: Path) -> list[str]:
    """Requests at a fixed rate: see `rate.py`, beside this file."""
    file = directory / "message"
    file.write_bytes(message(config["request"], config["port"]))
    told = {key: config[key] for key in ("port", "rate", "requests", "seed")}
    told |= {"message": str(file), "file": str(directory / "requests.tsv")}
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
    sampler, samples = Sampler(config["uid"]), Samples(config)
    before = snapshot(config["uid"])
    machine = machine_counters()
    sampler.start()
    begun_ns = time.monotonic_ns()
    samples.start()
    ab = run_ab(config, directory)
    machine = machine_growth(machine, machine_counters())
    sampler.stopped.set()
    after = snapshot(config["uid"])
    sampler.join()
    samples.end(answering=ab["ending"] == "ended")
    tasks = task_growth(before.pop("tasks"), after.pop("tasks"))
    served = served_tsv(config, begun_ns, samples.taken)
    return {
        "ab": ab,
        "machine": machine,
        "tasks": tasks,
        "before": before,
        "after": after,
        "peak_threads": max(sampler.peak_threads, after["threads"]),
        "peak_rss_kib": max(sampler.peak_rss_kib, after["rss_kib"]),
        "last_cpu_share": sampler.last_cpu_share(),
        "samples": samples.reply(answering=ab["ending"] == "ended"),
        "server_alive": bool(server_pids(config["uid"])),
        "percentiles_csv": read_if_there(directory / "percentiles.csv"),
        "requests_tsv_gz": packed_file(directory / "requests.tsv"),
        "served_tsv_gz": served,
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
