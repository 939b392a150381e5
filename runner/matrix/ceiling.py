"""The highest rate a load can show, whatever serves it.

`ab` is a closed loop of `c` clients: by Little's law (J. D. C. Little, "A Proof for the Queuing
Formula: L = λW", 1961) it cannot exceed `c / s` requests a second over a service time of `s`
seconds. A load of `n` requests is answered in whole rounds of `s`, and how many there are depends
on how `ab` starts (see `AbOpening`).
"""

from __future__ import annotations

import math
from enum import StrEnum


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
    *, requests: int, concurrency: int, service_s: float, opening: AbOpening
) -> float | None:
    """The highest rate in requests per second, None where the service time is not known."""
    if service_s <= 0:
        return None
    return requests / shortest_time_s(
        requests=requests, concurrency=concurrency, service_s=service_s, opening=opening
    )
