"""What the clients of a load can get at most, what a configuration allows, and how long it takes.

`ab` is a closed loop of `c` clients: by Little's law (J. D. C. Little, "A Proof for the Queuing
Formula: L = λW", 1961) it cannot exceed `c / s` requests a second over a service time of `s`
seconds. A load of `n` requests is answered in whole rounds of `s`, and how many there are depends
on how `ab` starts (see `AbOpening`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

from runner.matrix.cell import Cell, Limits


class AbOpening(StrEnum):
    """How an `ab` opens its connections; measured before a run, not read off a version number."""

    #: All `c` connections at once: T = s × ⌈n / c⌉.
    TOGETHER = "together"
    #: One request alone; the others when it is answered: T = s × (1 + ⌈(n − 1) / c⌉).
    FIRST_ALONE = "first-alone"


def shortest_time_s(
    *, requests: int, concurrency: int, service_s: float, opening: AbOpening
) -> float:
    """The shortest time in seconds in which the load can be answered."""
    if opening is AbOpening.TOGETHER:
        return service_s * math.ceil(requests / concurrency)
    return service_s * (1 + math.ceil((requests - 1) / concurrency))


def ceiling_rps(
    *,
    requests: int,
    concurrency: int,
    service_s: float | None,
    opening: AbOpening,
    spread_s: float = 0.0,
) -> float | None:
    """The most requests per second that so many clients can get, if none of them has to wait.

    None if the service time is not known. Requests of different lengths (`spread_s`) are not
    answered in rounds: there the bound is Little's law itself, with their mean time.
    """
    if service_s is None or service_s <= 0:
        return None
    if spread_s:
        return concurrency / service_s
    return requests / shortest_time_s(
        requests=requests, concurrency=concurrency, service_s=service_s, opening=opening
    )


def measured_rps(*, concurrency: int, service_s: float) -> float | None:
    """The same for a service time that was measured, None for none.

    Measured times differ from request to request, which are then not answered in rounds: the bound
    is Little's law itself.
    """
    return concurrency / service_s if service_s > 0 else None


def shortest_load_s(
    cell: Cell, opening: AbOpening = AbOpening.FIRST_ALONE, service_s: float | None = None
) -> float:
    """The shortest time in seconds in which a cell's load can be answered.

    `service_s` is how long one request takes, if that was measured; 0 if nothing is known.
    """
    known = (service_s if service_s is not None else cell.workload.service_s) or 0.0
    if cell.load_s is not None:
        return max(cell.load_s + known, cell.requests * known / cell.at_once)
    if cell.workload.spread_s:
        return cell.requests * known / cell.at_once
    return shortest_time_s(
        requests=cell.requests, concurrency=cell.at_once, service_s=known, opening=opening
    )


def ceiling_of(cell: Cell, opening: AbOpening) -> float | None:
    """The most requests per second that the load's clients can get, or its rate.

    The server's settings do not count. None if the workload does not define how long a request
    takes, or the rate is not known yet.
    """
    if cell.rate:
        return cell.per_second
    return _closed_loop_rps(cell, cell.concurrency, opening, cell.workload.service_s)


def configuration_of(cell: Cell, opening: AbOpening, lone_s: float | None = None) -> float | None:
    """The same where the server's settings let in fewer requests at a time than are sent.

    `lone_s` is how long a lone request was seen to take, in seconds; it takes the place of the time
    that a workload does not define. None also where requests compute. How much of that Python's
    lock lets through is no setting, and not exactly one second of CPU per second: threads that hand
    over the lock run at the same time.
    """
    if cell.workload.kind.cpu_bound:
        return None
    service_s = cell.workload.service_s or lone_s
    if not cell.rate:
        if lone_s and not cell.workload.service_s:
            return measured_rps(concurrency=cell.server_limit, service_s=lone_s)
        return _closed_loop_rps(cell, cell.server_limit, opening, service_s)
    if cell.per_second is None or not service_s or cell.server_limit == cell.most_in_flight:
        return cell.per_second
    return min(cell.per_second, cell.server_limit / service_s)


def _closed_loop_rps(
    cell: Cell, at_a_time: int, opening: AbOpening, service_s: float | None
) -> float | None:
    return ceiling_rps(
        requests=cell.requests,
        concurrency=at_a_time,
        service_s=service_s,
        spread_s=cell.workload.spread_s,
        opening=opening,
    )


def too_long(cells: Iterable[Cell], limits: Limits) -> str | None:
    """The problem if a cell's load takes longer than `limits.load` even if nothing is lost.

    Cells that take one request at a time are left out: their load is cut to what the limit allows.
    """
    loads = {(c.requests, c.at_once, c.workload, c.load_s): c for c in cells if not c.is_serial}
    if not loads:
        return None
    longest, cell = max(
        ((shortest_load_s(cell), cell) for cell in loads.values()), key=lambda pair: pair[0]
    )
    if longest <= limits.load_s:
        return None
    load = f"{cell.requests} requests, {cell.at_once} at a time,"
    if cell.share is not None:
        load = f"requests at {cell.rate} of the baseline's rate for {cell.load_s:g} s"
    elif cell.rate:
        load = f"{cell.requests} requests at {cell.rate}/s"
    return (
        f"{load} need {longest:g} s at the "
        f"least, more than the limit of {limits.load_s:g} s; set `limits.load` to "
        f"{math.ceil(1.2 * longest)} or send less"
    )
