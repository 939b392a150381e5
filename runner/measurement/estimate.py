"""How long a launch or a round will take, predicted before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.matrix.ceiling import AbOpening, shortest_load_s
from runner.matrix.cell import Cell, Limits
from runner.measurement.job import memory_of
from runner.measurement.load import (
    AB_CPU_S_PER_REQUEST,
    CUT_SHARE,
    LONE_REPEATS,
    RATE_CPU_S_PER_REQUEST,
    SHORT_REQUEST_S,
    burst_size,
)
from runner.measurement.schedule import Jobs, round_parts

#: Seconds that each of many pods adds to a round, two at a time: started, and removed at its end.
#: And what a companion adds. Measured on two cores.
POD_S = 0.4
REMOVED_S = 0.1
COMPANION_S = 1.0
PODS_AT_A_TIME = 2
#: Assumed service time of a request (seconds) if its workload has none.
UNKNOWN_SERVICE_S = 0.02
#: What cells have in common whose requests cost about the same: workload and server, then also the
#: patch, then also the Python. What is not known of a cell is taken from those that are like it.
Kind = tuple[str, ...]


def kinds_of(*, workload: str, server: str, patch: str, python: str) -> tuple[Kind, ...]:
    """The kinds that a cell is of, the closest first."""
    names = (workload, server, patch, python)
    return tuple(names[:length] for length in (4, 3, 2))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What earlier runs on a machine say of its speed.

    `request_cpu_s` are CPU seconds of the server for one request, by kind of cell; `pod_s` is what
    each of many pods added to a round. `run` is the newest of these runs; of its `launches` so many
    were `repeated` because they were disturbed.
    """

    cpus: int
    request_cpu_s: Mapping[Kind, float]
    run: str
    launches: int
    repeated: int
    pod_s: float = POD_S

    def cost_of(self, cell: Cell) -> float | None:
        """CPU seconds of the server for one request of a cell, None if nothing like it ran."""
        kinds = kinds_of(
            workload=cell.workload.name,
            server=str(cell.server),
            patch=cell.patch,
            python=cell.python,
        )
        return next((self.request_cpu_s[k] for k in kinds if k in self.request_cpu_s), None)

    def share_of(self, cell: Cell) -> float | None:
        """CPUs that server and `ab` will keep busy at full rate, as calibration will find out."""
        cost = self.cost_of(cell)
        if cost is None:
            return None
        most = cell.at_once / _service_s(cell)
        if cell.per_second is not None:
            return (cost + RATE_CPU_S_PER_REQUEST) * min(most, cell.per_second)
        if cell.share is not None:
            return (cost + RATE_CPU_S_PER_REQUEST) * min(most, cell.share * most)
        return (cost + AB_CPU_S_PER_REQUEST) * most


@dataclass(frozen=True, kw_only=True)
class Round:
    """One launch of every cell: predicted seconds, and how many groups are loaded in turn.

    `is_known`: the groups follow from what requests cost on this machine. Otherwise all cells of a
    wave are taken to fit side by side.
    """

    seconds: float
    groups: int
    is_known: bool


def round_of(
    cells: Sequence[Cell],
    jobs: Jobs,
    limits: Limits,
    opening: AbOpening = AbOpening.FIRST_ALONE,
    machine: Machine | None = None,
) -> Round:
    """Predict one launch of every cell, `jobs` side by side."""
    waves = [wave for part in round_parts(cells) for wave in _waves(part, jobs, limits)]
    known = machine if machine and all(map(machine.share_of, cells)) else None
    groups = [group for wave in waves for group in _groups(wave, jobs, known)]
    pod_s = machine.pod_s if machine else POD_S
    return Round(
        seconds=sum(_around_s(wave, pod_s) for wave in waves)
        + sum(_group_s(group, limits, opening) for group in groups),
        groups=len(groups),
        is_known=known is not None,
    )


def _waves(cells: Sequence[Cell], jobs: Jobs, limits: Limits) -> list[Sequence[Cell]]:
    together = [cell for cell in cells if not cell.workload.kind.alone]
    waves: list[Sequence[Cell]]
    waves = [*jobs.waves((cell, memory_of(cell, limits)) for cell in together)]
    return waves + [[cell] for cell in cells if cell.workload.kind.alone]


def _groups(wave: Sequence[Cell], jobs: Jobs, known: Machine | None) -> Sequence[Sequence[Cell]]:
    """What is loaded together of a wave: all of it, where it is not known what requests cost."""
    if known is None:
        return [wave]
    return jobs.groups({cell: known.share_of(cell) for cell in wave})


def launch_s(cell: Cell, limits: Limits, opening: AbOpening = AbOpening.FIRST_ALONE) -> float:
    """Predicted seconds of one launch of a cell that keeps up with its load."""
    return _around_s([cell], POD_S) + _load_s(cell, limits, opening)


def _around_s(wave: Sequence[Cell], pod_s: float) -> float:
    """Seconds of a wave that are not spent in loads: pods started, checked, removed."""
    companions = sum(cell.beside for cell in wave)
    at_a_time = min(PODS_AT_A_TIME, len(wave))
    # The last of the pods has its own time, whatever starts beside it.
    pods = len(wave) + PODS_AT_A_TIME - 1
    return (
        pods * pod_s
        + companions * COMPANION_S / at_a_time
        + len(wave) * REMOVED_S
        + max(check_s(_service_s(cell), bursts=burst_size(cell) > 1) for cell in wave)
    )


def check_s(service_s: float, *, bursts: bool = True) -> float:
    """Seconds of a check's requests of so many seconds each, by a server that takes all at once.

    The second burst joins the first where requests are long.
    """
    if service_s >= SHORT_REQUEST_S:
        return (2 if bursts else 1) * service_s
    return (1 + LONE_REPEATS + (2 if bursts else 0)) * service_s


def _group_s(group: Sequence[Cell], limits: Limits, opening: AbOpening) -> float:
    """Seconds from the first load's begin to the last one's end; they begin one after the other."""
    apart_s = max(map(_service_s, group)) / len(group)
    return max(_load_s(cell, limits, opening) for cell in group) + apart_s * (len(group) - 1)


def _load_s(cell: Cell, limits: Limits, opening: AbOpening) -> float:
    load_s = shortest_load_s(cell, opening, _service_s(cell))
    return min(load_s, CUT_SHARE * limits.load_s) if cell.is_serial else load_s


def _service_s(cell: Cell) -> float:
    return cell.workload.service_s or UNKNOWN_SERVICE_S
