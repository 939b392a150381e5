"""How much to send to a cell, and how long to wait for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from runner.matrix.ceiling import AbOpening, shortest_load_s
from runner.matrix.cell import Cell, Limits

#: CPU time `ab` needs for one request, in seconds: 79 ms for 1,000 requests at `-c 100`; and what
#: sends at a fixed rate: 0.9 s for 2,025 requests.
AB_CPU_S_PER_REQUEST, RATE_CPU_S_PER_REQUEST = 8e-5, 4.5e-4
#: Below this, requests progress one by one, of a burst as of a load: between 1 (serial) and 2.
SERIALISED_BELOW = 1.5
#: Below this latency of a lone request (seconds) the burst's own work, five threads and five
#: connections of a Python client, takes as long as the requests: it tells nothing.
SHORTEST_TOLD_S = 0.02
#: How many requests calibration sends at once. Five tell 1 from 2 and cost a serial server 5 s × s.
BURST = 5
#: How many a second burst sends, to learn what a request costs: five cold ones cost twice as much
#: as a hundred that come together.
SIZING_BURST = 20
#: What a burst is given beside three times its requests' own, in seconds: a pause under the load is
#: no hang, and ten seconds are what many a library waits before it gives up.
BURST_PATIENCE_S = 15.0
#: A lone request this short (seconds) is repeated, for its first call warms things up.
SHORT_REQUEST_S = 0.5
LONE_REPEATS = 3
#: A load that takes this many times its shortest time is looked at: it is a hang where no answer
#: comes any more for `STALL_S`, or three service times. One that is only slow has `limits.load`.
PATIENCE = 3.0
GRACE_S = 10.0
STALL_S = 10.0
#: Before that it is one where no answer came for this long (seconds), or for ten service times.
SILENCE_S = 30.0
#: Random requests are at most so many mean distances apart: that is exceeded once in e³⁰.
SELDOM = 30.0
#: Share of `limits.load` that a load cut for a slow server is planned to fill.
CUT_SHARE = 0.8
#: With fewer requests, of which `ab` sends the first alone, one at a time is all that there can be.
FEWEST_REQUESTS = 3
#: Share of the concurrency factor it should show from which a burst has met no limit that its
#: server was not set up with.
AS_SET_UP = 0.7


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent: by `ab`, or at a `rate` in requests per second. Times in seconds.

    It is a hang once no answer came for `silence_s`, from `deadline_s` on for `stall_s`; at
    `limit_s` it ends.
    """

    requests: int
    concurrency: int
    deadline_s: float
    limit_s: float
    stall_s: float
    silence_s: float
    rate: float | None = None


def full_load(cell: Cell, limits: Limits, opening: AbOpening, lone_s: float = 0.0) -> Load:
    """The cell's load as asked for, with a deadline that follows from its ceiling.

    Where there is none, the deadline is the limit. `lone_s` is a lone request's latency in seconds.
    """
    if cell.per_second is not None:
        return _rate_load(cell, limits, cell.per_second, cell.requests, lone_s)
    service_s = cell.workload.service_s
    deadline_s = limits.load_s
    if service_s is not None:
        deadline_s = min(deadline_s, PATIENCE * shortest_load_s(cell, opening) + GRACE_S)
    return Load(
        requests=cell.requests,
        concurrency=cell.concurrency,
        deadline_s=deadline_s,
        limit_s=limits.load_s,
        stall_s=_stall(service_s or lone_s),
        silence_s=_silence(service_s or lone_s, cell),
    )


def at_once_seen(cell: Cell, many_factor: float | None) -> float:
    """How many requests the server works on at a time, by its set-up and by what the burst showed.

    `many_factor` is the concurrency factor of a burst of `SIZING_BURST` requests. A server
    that takes `k` at a time answers it in ⌈size / k⌉ turns; what is slower has a limit of its own.
    """
    size, set_up = min(SIZING_BURST, cell.concurrency), cell.at_once
    expected = size / math.ceil(size / set_up)
    if cell.workload.spread_s and cell.workload.service_s and cell.workload.longest_s:
        # The burst is over with its longest request.
        expected *= cell.workload.service_s / cell.workload.longest_s
    if many_factor is None or many_factor >= AS_SET_UP * expected:
        return float(set_up)
    return max(1.0, many_factor)


def cut_load(cell: Cell, limits: Limits, lone_s: float, at_once: float) -> Load:
    """As much of the cell's load as a server that takes `at_once` at a time can do in time.

    `lone_s` is the latency of a lone request in seconds.
    """
    affordable = int(CUT_SHARE * limits.load_s * at_once / max(lone_s, 1e-3))
    requests = min(cell.requests, max(FEWEST_REQUESTS, affordable))
    if cell.per_second is not None:
        return _rate_load(cell, limits, cell.per_second, requests, lone_s)
    return Load(
        requests=requests,
        concurrency=min(cell.concurrency, requests),
        deadline_s=limits.load_s,
        limit_s=limits.load_s,
        stall_s=_stall(lone_s),
        silence_s=_silence(lone_s, cell),
    )


def _rate_load(cell: Cell, limits: Limits, rate: float, requests: int, lone_s: float) -> Load:
    """So many requests at a rate in requests per second.

    Where requests come seldom, there are long times without an answer.
    """
    service_s = cell.workload.longest_s or lone_s
    shortest_s = max(requests / rate + service_s, requests * service_s / cell.at_once)
    return Load(
        requests=requests,
        concurrency=cell.concurrency,
        deadline_s=min(limits.load_s, PATIENCE * shortest_s + GRACE_S),
        limit_s=limits.load_s,
        stall_s=max(_stall(service_s), SELDOM / rate),
        silence_s=max(SILENCE_S, 10 * service_s, SELDOM / rate),
        rate=rate,
    )


def _stall(service_s: float) -> float:
    """For how long, in seconds, no answer may come from a server that works."""
    return max(STALL_S, 3 * service_s)


def _silence(service_s: float, cell: Cell) -> float:
    """For how long, in seconds, a queue of clients may wait for its turn."""
    turns = cell.concurrency / cell.at_once
    return max(SILENCE_S, 10 * service_s * turns)


def burst_size(cell: Cell) -> int:
    """How many requests calibration sends at once; never more than the load itself will."""
    return min(BURST, cell.concurrency)


def calibration(cell: Cell, lone_s: float) -> tuple[dict[str, Any], float]:
    """What the agent is told to calibrate a cell, and the longest that can take, in seconds.

    `lone_s` is a lone request's latency in seconds.
    """
    sent, more = burst_size(cell), min(SIZING_BURST, cell.concurrency)
    config = {
        "lone_s": lone_s,
        "burst": sent,
        "sizing_burst": more,
        "patience_s": BURST_PATIENCE_S,
        "joined": cell.at_once >= sent,
        "serialised_below": SERIALISED_BELOW,
    }
    return config, 3 * (sent + more) * lone_s + 2 * BURST_PATIENCE_S
