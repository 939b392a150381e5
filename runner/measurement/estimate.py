"""How long a launch will take, told before it is made."""

from __future__ import annotations

from collections.abc import Sequence

from runner.matrix.ceiling import AbOpening, shortest_load_s
from runner.matrix.cell import Cell, Limits
from runner.measurement.coschedule import Jobs
from runner.measurement.load import LONE_REPEATS, SERIALISED_SHARE, SHORT_REQUEST_S, burst_size

#: Pod up, server ready, counters read, pod gone: seconds, measured on two cores; and what a
#: companion adds. Forty pods with an upstream each were up in 50 s, two at a time.
POD_S = 1.5
COMPANION_S = 1.0
PODS_AT_A_TIME = 2
#: What a request is taken to last where its workload does not say.
UNKNOWN_SERVICE_S = 0.02


def run_s(
    cells: Sequence[Cell],
    jobs: Jobs,
    limits: Limits,
    opening: AbOpening = AbOpening.FIRST_ALONE,
) -> float:
    """Predicted seconds of one launch of every cell, `jobs` side by side.

    With `auto` it is not known before calibration what must run alone: all are taken to fit.
    """
    together = [cell for cell in cells if not cell.workload.kind.alone]
    waves = [together[i : i + jobs.wave] for i in range(0, len(together), jobs.wave)]
    waves += [[cell] for cell in cells if cell.workload.kind.alone]
    return sum(
        max(launch_s(cell, limits, opening) for cell in wave)
        + sum(_pod_s(cell) for cell in wave[1:]) / PODS_AT_A_TIME
        for wave in waves
    )


def launch_s(cell: Cell, limits: Limits, opening: AbOpening = AbOpening.FIRST_ALONE) -> float:
    """Predicted seconds of one launch of a cell that keeps up with its load."""
    service_s = cell.workload.service_s or UNKNOWN_SERVICE_S
    lone = 1 + (LONE_REPEATS if service_s < SHORT_REQUEST_S else 0)
    burst = 1 if burst_size(cell) > 1 else 0
    load_s = shortest_load_s(cell, opening, service_s)
    if cell.is_serial:
        load_s = min(load_s, SERIALISED_SHARE * limits.load_s)
    return _pod_s(cell) + (lone + burst) * service_s + load_s


def _pod_s(cell: Cell) -> float:
    return POD_S + (COMPANION_S if cell.workload.kind.companion else 0.0)
