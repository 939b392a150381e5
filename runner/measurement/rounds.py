"""Measure every cell of a run, round by round, each result handed on before the next launch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runner.engine.protocol import Engine
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits
from runner.measurement.asked import WORKLOAD, Asked
from runner.measurement.clock import Clock
from runner.measurement.job import Job, LaunchResult, OwnStart, memory_of
from runner.measurement.launch import Launch
from runner.measurement.records import LaunchRecord, rate_of
from runner.measurement.resources import worth_repeating
from runner.measurement.schedule import Jobs, round_parts, rounds, run_wave

#: The fewest launches of a cell of which one hangs, fails or crashes.
FAILURE_LAUNCHES = 3


@dataclass(frozen=True, kw_only=True)
class Method:
    """What all launches of a run have in common.

    Of a cell that fails there are at least `failure_launches`. A launch that is disturbed is made
    again, at most `repeats` times.

    `server_images` maps a cell's id to its image, `companion_images` a companion's name; `own`,
    `asked` and `before_s` are as in `Job`. `done` are launches (cell's id, number) that need not be
    made, and `failed` the cells of which one of those failed. `rate_of` maps a cell with a rate in
    per cent to the cell whose rate that is a share of, and `full_rates` such a cell to its rate in
    requests per second, where that is known.
    """

    run: str
    limits: Limits
    opening: AbOpening
    loadgen_image: str
    server_images: Mapping[str, str]
    launches: int
    repeats: int
    seed: int
    jobs: Jobs
    failure_launches: int = FAILURE_LAUNCHES
    companion_images: Mapping[str, str] = field(default_factory=dict)
    own: OwnStart | None = None
    asked: Asked = WORKLOAD
    before_s: float = 0.0
    done: frozenset[tuple[str, int]] = frozenset()
    failed: frozenset[str] = frozenset()
    rate_of: Mapping[str, str] = field(default_factory=dict)
    full_rates: Mapping[str, float] = field(default_factory=dict)


#: Of a round's launches: from this share on the next rounds run fewer side by side.
MANY_DISTURBED = 0.25


def full_rates(launches: Iterable[LaunchRecord]) -> dict[str, float]:
    """The rate of each cell's first launch that has one, in requests per second."""
    found: dict[str, float] = {}
    for launch in sorted(launches, key=lambda launch: launch.launch):
        if launch.ab and launch.outcome.has_figures:
            found.setdefault(launch.cell, rate_of(launch.ab))
    return found


def measure(
    engine: Engine,
    cells: Sequence[Cell],
    method: Method,
    *,
    clock: Clock,
    on_begin: Callable[[Sequence[Job]], None],
    on_end: Callable[[LaunchResult, bool], None],
    on_complete: Callable[[LaunchRecord, bool], None] = lambda *_: None,
    on_skip: Callable[[Sequence[str]], None] = lambda _: None,
    is_enough: Callable[[int], bool] = lambda _: False,
) -> Jobs:
    """Make every launch of every cell; `on_end` stores a result before the next launch starts.

    Returns how many launches a further round may run together, fewer where many were disturbed.
    `is_enough` is asked at the end of each round, by its number, whether it was the last.

    A cell of which a launch failed has several, for one says nothing of how often.
    In each round, cells with a rate in per cent follow the others. The first rate of a baseline is
    what they are a percentage of, in all rounds; until there is one they are not launched, which
    `on_skip` is told, and have further rounds, as if they had failed. The second argument of
    `on_end` is False for a launch that was disturbed and will be made again, with fewer beside it,
    and the last time alone. `on_complete` gets each record of a wave again at its end, with what is
    known only then.
    """
    jobs, last = method.jobs, method.launches
    failed, full = set(method.failed), dict(method.full_rates)

    def end(result: LaunchResult, final: bool) -> None:
        record = result.record
        if final and record.outcome.is_failure:
            failed.add(record.cell)
        if final:
            full.update({**full_rates([record]), **full})
        on_end(result, final)

    maker = _Maker(engine, method, clock, on_begin, end, on_complete)
    for number, order in rounds(cells, max(last, method.failure_launches), method.seed):
        if number > max(last, method.failure_launches):
            break
        positions = {cell.id: position for position, cell in enumerate(order, start=1)}
        for part in round_parts(order):
            ready = {cell.id: _at_its_rate(cell, method, full) for cell in part}
            waiting = [cell for cell, at_its_rate in ready.items() if at_its_rate is None]
            failed.update(waiting)
            if waiting and number <= last:
                on_skip(waiting)
            wanted = [
                replace(job_of(cell, number, method), position=positions[id_])
                for id_, cell in ready.items()
                if cell is not None
                and (cell.id, number) not in method.done
                and (number <= last or cell.id in failed)
            ]
            jobs = maker.make(wanted, jobs)
        if number <= last and is_enough(number):
            last = number
    return jobs


def _at_its_rate(cell: Cell, method: Method, full: Mapping[str, float]) -> Cell | None:
    """The cell; with a rate in per cent, at the rate that this is, None if of nothing yet."""
    if cell.share is None:
        return cell
    rate = full.get(method.rate_of.get(cell.id, ""))
    return None if rate is None else cell.at_share_of(rate)


@dataclass(frozen=True)
class _Maker:
    """Makes the launches of a run; its waves are numbered through."""

    engine: Engine
    method: Method
    clock: Clock
    on_begin: Callable[[Sequence[Job]], None]
    on_end: Callable[[LaunchResult, bool], None]
    on_complete: Callable[[LaunchRecord, bool], None]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def make(self, wanted: Sequence[Job], jobs: Jobs) -> Jobs:
        """Make launches of a round with their repeats.

        Returns how many the next may run together.
        """
        repeats, first, again = self.method.repeats, len(wanted), jobs
        for attempt, side_by_side in enumerate(attempts(jobs, repeats), start=1):
            tries = [replace(job, attempt=attempt) for job in wanted]
            wanted = self._attempt(tries, side_by_side, last=attempt > repeats)
            if attempt == 1 and len(wanted) > MANY_DISTURBED * max(1, first):
                again = jobs.halved
        return again

    def _attempt(self, jobs: Sequence[Job], side_by_side: Jobs, *, last: bool) -> list[Job]:
        """Make the launches once, in waves; return those to be made again."""
        waiting = waves(jobs, side_by_side)
        return [job for wave in waiting for job in self._wave(wave, side_by_side, last=last)]

    def _wave(self, wave: Sequence[Job], side_by_side: Jobs, *, last: bool) -> list[Job]:
        number = next(self.numbers)
        self.on_begin(wave)
        by_cell = {job.cell.id: job for job in wave}
        again: list[Job] = []
        ended: list[tuple[LaunchRecord, bool]] = []

        def end(result: LaunchResult) -> None:
            repeated = not last and worth_repeating(result.record)
            if repeated:
                again.append(by_cell[result.record.cell])
            ended.append((result.record, not repeated))
            self.on_end(result, not repeated)

        launches = [Launch(self.engine, replace(job, wave=number), self.clock) for job in wave]
        canary = run_wave(
            launches,
            grouped=side_by_side.grouped,
            cpus=side_by_side.cpus,
            clock=self.clock,
            on_end=end,
        )
        for record, final in ended if canary else ():
            self.on_complete(record.model_copy(update={"canary_after": canary}), final)
        if any(launch.failed_for_engine for launch in launches):
            self.engine.info()  # one that is gone ends the run here, not each launch to come
        return again


def attempts(jobs: Jobs, repeats: int) -> Iterator[Jobs]:
    """How many run side by side in a round's attempts: half as many in the second, then one.

    The last of several is always one by one: nothing of this run is left to be disturbed by.
    """
    yield jobs
    for left in range(repeats, 0, -1):
        yield jobs.halved if left == repeats > 1 else jobs.one_by_one


def waves(jobs: Sequence[Job], side_by_side: Jobs) -> Iterator[Sequence[Job]]:
    """Cut a round into waves of as many launches as may be up together; some are up alone."""
    together = [job for job in jobs if not job.cell.workload.kind.alone]
    yield from side_by_side.waves((job, memory_of(job.cell, job.limits)) for job in together)
    for job in jobs:
        if job.cell.workload.kind.alone:
            yield [job]


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
        companion_images=method.companion_images,
        own=method.own,
        asked=method.asked,
        before_s=method.before_s,
    )
