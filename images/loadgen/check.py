"""Before the load: whether the server is ready and answers right, and how much it takes at once."""

from __future__ import annotations

import math
import socket
import threading
import time
from pathlib import Path
from typing import Any

from network import requests_unread
from processes import busy_now, cpu_s_beside, server_pids
from recorded import effects, recorded_service_s
from request import HOST, CheckFailedError, verified

#: How often a server that does not listen yet is tried: at first, and once it takes longer, for a
#: probe costs CPU that others want who start beside it.
PROBE_INTERVAL_S, PROBE_INTERVAL_LATER_S, LATER_S = 0.01, 0.1, 1.0
#: A lone request is late, and asked again, above this many service times and seconds.
LATE, LATE_BY_S, LONE_REPEATS = 1.1, 0.1, 3
#: The first request is sent this long after its connection (seconds), as a slower client does: the
#: server has to wait at its socket then, which it rarely has to for `ab`.
FIRST_PAUSE_S = 0.1
#: The second burst joins the first where requests take this long (seconds), the server has read all
#: of the first within this share of it, and is looked at this often (seconds).
JOINED_FROM_S, JOINED_WITHIN, JOINED_POLL_S = 0.5, 0.25, 0.02


def ready(config: dict[str, Any]) -> dict[str, Any]:
    """Wait until the server accepts a connection; fail at once when it is dead.

    What runs before the server has a time of its own, and start-up begins when that is over.
    """
    begun = time.monotonic()
    if config["before_s"]:
        begun = wait_for_start(config, begun)
    wait_for_connection(config, begun)
    return {"ready_s": time.monotonic() - begun}


def wait_for_start(config: dict[str, Any], begun: float) -> float:
    """The moment when the server was started, as its container says it."""
    started = Path(config["started"])
    while True:
        if started.exists():
            return int(started.read_text()) / 1e9
        refuse_dead(config)
        waited_s = time.monotonic() - begun
        if waited_s > config["before_s"]:
            text = f"what runs before the server did not end within {config['before_s']:g} s"
            raise CheckFailedError("before-not-done", text, busy_now(config["uid"]))
        time.sleep(PROBE_INTERVAL_S if waited_s < LATER_S else PROBE_INTERVAL_LATER_S)


def wait_for_connection(config: dict[str, Any], begun: float) -> None:
    """Return as soon as the server accepts a connection; it has the limit from `begun` on."""
    while True:
        try:
            socket.create_connection((HOST, config["port"]), timeout=1).close()
        except OSError:
            pass
        else:
            return
        refuse_dead(config)
        waited_s = time.monotonic() - begun
        if waited_s > config["startup_s"]:
            text = f"no connection accepted within {config['startup_s']:g} s"
            raise CheckFailedError("not-ready", text, busy_now(config["uid"]))
        time.sleep(PROBE_INTERVAL_S if waited_s < LATER_S else PROBE_INTERVAL_LATER_S)


def refuse_dead(config: dict[str, Any]) -> None:
    """Fail where no process of the server is left."""
    if not server_pids(config["uid"]):
        raise CheckFailedError("server-gone", "the server's process ended")


class Burst:
    """`size` requests sent at once, each from a thread of its own."""

    def __init__(self, config: dict[str, Any], size: int, timeout: float) -> None:
        self.config, self.size, self.timeout = config, size, timeout
        self.failures: list[CheckFailedError] = []
        self.sent = threading.Semaphore(0)
        self.begun, self.begun_cpu_s = time.monotonic(), cpu_s_beside()
        self.threads = [threading.Thread(target=self._one, daemon=True) for _ in range(size)]
        for thread in self.threads:
            thread.start()

    def _one(self) -> None:
        try:
            verified(self.config, self.timeout, self.sent)
        except CheckFailedError as error:
            self.failures.append(error)

    def wait(self) -> tuple[float, int, float]:
        """Wall time in seconds, how many were answered, CPU seconds of all that worked on them."""
        for thread in self.threads:
            thread.join()
        for failure in self.failures:
            if failure.kind != "not-answered":
                raise failure
        cpu_s = cpu_s_beside() - self.begun_cpu_s
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


def check(config: dict[str, Any]) -> dict[str, Any]:
    """Verify the answer of a server that is ready, and measure how long a lone request takes."""
    begun_ns = time.monotonic_ns()
    lone_s = lone_request(config)
    service_s = recorded_service_s(config, begun_ns)
    if config["spread_s"]:
        # Each request takes its own time: a single one does not tell the mean.
        lone_s = service_s = config["service_s"]
    return {"lone_s": lone_s, "service_s": service_s, "effects": effects(config["effects"])}


def lone_request(config: dict[str, Any]) -> float:
    """The latency of a request that nothing else is in the way of, in seconds."""
    nominal_s: float = config["service_s"] + config.get("spread_s", 0.0)
    timeout = config["startup_s"] + nominal_s
    try:
        first_s = verified(config, timeout, pause_s=FIRST_PAUSE_S)
    except CheckFailedError as error:
        if error.kind == "not-answered":
            error.kind = "first-not-answered"
        raise
    # While the first client paused the server took its connection, which the others wait for: among
    # short requests it is not counted.
    lone_s = math.inf if config["lone_repeats"] else first_s
    for number in range(LONE_REPEATS):
        # A server may accept connections before it can answer, and then the first request waits for
        # its start as well.
        if number >= config["lone_repeats"] and lone_s <= LATE * nominal_s + LATE_BY_S:
            break
        lone_s = min(lone_s, verified(config, timeout))
    return lone_s


def calibrate(config: dict[str, Any]) -> dict[str, Any]:
    """Measure how many requests the server takes at once, and what one costs.

    One costs what it does once all is warm and many come together, as under the load: that takes a
    second, larger burst. It follows the first one, unless a look at the sockets has shown that the
    server read all of that at once: then it joins the first, which saves a service time. With one
    that reads all and still works one by one the check takes longer, and shows the same.
    """
    size, more, lone_s = config["burst"], config["sizing_burst"], config["lone_s"]
    patience_s = config["patience_s"]
    both = size + more if config["joined"] else size
    few = Burst(config, size, 3 * both * lone_s + patience_s)
    joined = lone_s >= JOINED_FROM_S and config["joined"] and few.was_read(JOINED_WITHIN * lone_s)
    many = Burst(config, more, 3 * (size + more) * lone_s + patience_s) if joined else None
    wall_s, answered, cpu_s = few.wait()
    factor = size * lone_s / wall_s
    reply: dict[str, Any] = {"burst_answered": answered, "factor": factor}
    reply |= {"burst_last_cpu_share": None, "cpu_s_per_request": None}
    reply |= {"many_sent": None, "many_answered": None, "many_factor": None}
    requests: float = answered
    if answered < size:
        reply["burst_last_cpu_share"] = busy_now(config["uid"])
    elif many or factor >= config["serialised_below"]:
        second = many or Burst(config, more, 3 * more * lone_s + patience_s)
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
