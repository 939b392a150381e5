"""How much to send to a cell, and how long to wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.spec.ceiling import AbOpening, shortest_time_s
from runner.spec.cell import Cell, Limits

#: Below this a burst was answered one by one: between 1 (serial) and 2 (two at a time).
SERIALISED_BELOW = 1.5
#: How many requests calibration sends at once. Five tell 1 from 2 and cost a serial server 5 s × s.
BURST = 5
#: A lone request this short (seconds) is repeated, for its first call warms things up.
SHORT_REQUEST_S = 0.5
LONE_REPEATS = 3
#: A load may take this many times its shortest time before it is a hang.
PATIENCE = 3.0
GRACE_S = 10.0
#: `ab -s`: no socket moved for this long (seconds), or for ten service times.
SILENCE_S = 30
#: Share of `limits.load` that a serialised cell's cut load is planned to fill.
SERIALISED_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Load:
    """What `ab` is told. Times in seconds."""

    requests: int
    concurrency: int
    deadline_s: float
    socket_timeout_s: int


def full_load(cell: Cell, limits: Limits, opening: AbOpening) -> Load:
    """The cell's load as asked for, with a deadline that follows from its ceiling."""
    shortest = shortest_time_s(
        requests=cell.requests,
        concurrency=cell.concurrency,
        service_s=cell.workload.seconds,
        opening=opening,
    )
    return Load(
        requests=cell.requests,
        concurrency=cell.concurrency,
        deadline_s=min(limits.load_s, PATIENCE * shortest + GRACE_S),
        socket_timeout_s=_silence(cell.workload.seconds),
    )


def serialised_load(cell: Cell, limits: Limits, lone_s: float) -> Load:
    """As much of the cell's load as a server that takes one request at a time can do in time.

    `lone_s` is the latency of a lone request in seconds.
    """
    affordable = int(SERIALISED_SHARE * limits.load_s / max(lone_s, 1e-3))
    requests = max(2, min(cell.requests, affordable))
    concurrency = min(cell.concurrency, requests)
    return Load(
        requests=requests,
        concurrency=concurrency,
        deadline_s=limits.load_s,
        socket_timeout_s=_silence(lone_s),
    )


def _silence(service_s: float) -> int:
    return max(SILENCE_S, int(10 * service_s) + 1)


def burst_size(cell: Cell) -> int:
    """How many requests calibration sends at once; never more than the load itself will."""
    return min(BURST, cell.concurrency)
