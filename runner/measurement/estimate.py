"""How long a launch will take, told before it is made."""

from __future__ import annotations

from collections.abc import Sequence

from runner.measurement.coschedule import Jobs
from runner.measurement.load import LONE_REPEATS, SHORT_REQUEST_S, burst_size
from runner.spec.ceiling import AbOpening, shortest_time_s
from runner.spec.cell import Cell

#: Pod up, server ready, counters read, pod gone: seconds, measured on two cores.
POD_S = 1.5
PODS_AT_A_TIME = 4


def run_s(cells: Sequence[Cell], jobs: Jobs, opening: AbOpening = AbOpening.FIRST_ALONE) -> float:
    """Predicted seconds of one launch of every cell, `jobs` side by side.

    With `auto` it is not known before calibration what must run alone: all are taken to fit.
    """
    waves = (cells[i : i + jobs.wave] for i in range(0, len(cells), jobs.wave))
    return sum(
        max(launch_s(cell, opening) for cell in wave) + POD_S * (len(wave) - 1) / PODS_AT_A_TIME
        for wave in waves
    )


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
