"""How long a launch will take, told before it is made."""

from __future__ import annotations

from runner.measurement.load import LONE_REPEATS, SHORT_REQUEST_S, burst_size
from runner.spec.ceiling import AbOpening, shortest_time_s
from runner.spec.cell import Cell

#: Pod up, server ready, counters read, pod gone: seconds, measured on two cores.
POD_S = 1.5


def launch_s(cell: Cell, opening: AbOpening = AbOpening.FIRST_ALONE) -> float:
    """Predicted seconds of one launch of a cell that keeps up with its load."""
    service_s = cell.workload.seconds
    lone = 1 + (LONE_REPEATS if service_s < SHORT_REQUEST_S else 0)
    burst = 1 if burst_size(cell) > 1 else 0
    load_s = shortest_time_s(
        requests=cell.requests,
        concurrency=cell.concurrency,
        service_s=service_s,
        opening=opening,
    )
    return POD_S + (lone + burst) * service_s + load_s
