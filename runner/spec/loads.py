"""Whether a load can end within its limit at all."""

from __future__ import annotations

import math
from collections.abc import Iterable

from runner.spec.ceiling import AbOpening, shortest_time_s
from runner.spec.cell import Cell, Limits


def too_long(cells: Iterable[Cell], limits: Limits) -> str | None:
    """What is wrong where a cell's load needs longer than `limits.load` even at its ceiling."""
    loads = {(c.requests, c.concurrency, c.workload.seconds) for c in cells}
    needed = [
        (
            shortest_time_s(
                requests=requests,
                concurrency=concurrency,
                service_s=service_s,
                opening=AbOpening.FIRST_ALONE,
            ),
            requests,
            concurrency,
        )
        for requests, concurrency, service_s in loads
    ]
    longest, requests, concurrency = max(needed, default=(0.0, 0, 0))
    if longest <= limits.load_s:
        return None
    return (
        f"{requests} requests of {concurrency} clients need {longest:g} s even at their ceiling, "
        f"more than the limit of {limits.load_s:g} s; set `limits.load` to "
        f"{math.ceil(1.2 * longest)} or send less"
    )
