"""Measure every cell of a run, round by round, each result handed on before the next launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.engine.protocol import Engine
from runner.measurement.clock import Clock
from runner.measurement.coschedule import Jobs
from runner.measurement.launch import Job, Launch, LaunchResult
from runner.measurement.schedule import rounds, run_wave
from runner.spec.ceiling import AbOpening
from runner.spec.cell import Cell, Limits


@dataclass(frozen=True, kw_only=True)
class Method:
    """What all launches of a run have in common.

    `server_images` maps a cell's id to its image; `done` are launches (cell's id, number) that need
    not be made.
    """

    run: str
    limits: Limits
    opening: AbOpening
    loadgen_image: str
    server_images: Mapping[str, str]
    launches: int
    seed: int
    jobs: Jobs
    done: frozenset[tuple[str, int]] = frozenset()


def measure(
    engine: Engine,
    cells: Sequence[Cell],
    method: Method,
    *,
    clock: Clock,
    on_begin: Callable[[Sequence[Job]], None],
    on_end: Callable[[LaunchResult], None],
) -> None:
    """Make every launch of every cell; `on_end` stores a result before the next launch starts."""
    for number, order in rounds(cells, method.launches, method.seed):
        missing = [cell for cell in order if (cell.id, number) not in method.done]
        for wave in waves(missing, method.jobs.wave):
            jobs = [job_of(cell, number, method) for cell in wave]
            on_begin(jobs)
            launches = [Launch(engine, job, clock) for job in jobs]
            run_wave(launches, grouped=method.jobs.grouped, clock=clock, on_end=on_end)


def waves(cells: Sequence[Cell], size: int) -> Iterator[Sequence[Cell]]:
    """Cut a round into waves of at most `size` cells."""
    for begin in range(0, len(cells), size):
        yield cells[begin : begin + size]


def job_of(cell: Cell, number: int, method: Method) -> Job:
    """The launch number `number` of a cell."""
    return Job(
        run=method.run,
        cell=cell,
        number=number,
        server_image=method.server_images[cell.id],
        loadgen_image=method.loadgen_image,
        limits=method.limits,
        opening=method.opening,
    )
