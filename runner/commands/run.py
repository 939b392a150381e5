"""`matrix run`: expand → select → lock → build → measure → collate."""

from __future__ import annotations

import contextlib
import platform
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runner.build.lock import platform_of
from runner.build.prepare import Prepared, prepare
from runner.commands.cells import Choice, LockedCells, Shard, expand, lock_chosen, no_cells
from runner.commands.machine import usable_engine
from runner.commands.record import run_record
from runner.commands.runs import RunResult, stored_result
from runner.engine.docker_engine import DockerEngine
from runner.engine.ownership import remove_run
from runner.errors import InterruptedRunError, UsageError
from runner.matrix.cell import Experiment
from runner.measurement import estimate
from runner.measurement.agent import AbFacts, ab_facts
from runner.measurement.clock import SystemClock
from runner.measurement.job import Job, LaunchResult
from runner.measurement.records import LaunchRecord
from runner.measurement.rounds import Method, full_rates, measure
from runner.measurement.schedule import Jobs
from runner.options import LARGEST_WAVE
from runner.paths import CACHE
from runner.progress import Reporter
from runner.provision import MMDEBSTRAP
from runner.stages import Stages, started_by_make
from runner.store.machine import machine_of
from runner.store.records import RunRecord, now
from runner.store.reuse import Reusable, adopt, reusable
from runner.store.run_directory import RunDirectory, check_results, only_run

#: A launch by its cell's id and its number.
Made = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What `run` takes besides its choice of cells. `jobs` None is `auto`."""

    results: Path
    jobs: int | None = None
    install: bool = False
    fresh: bool = False


def parse_jobs(text: str) -> int | None:
    """The number of `--jobs`, None for `auto`; `UsageError` for what is neither."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_WAVE:
        raise UsageError(f"--jobs {text}: give a number from 1 to {LARGEST_WAVE}, or `auto`")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Everything that the measuring needs, made before it begins."""

    engine: DockerEngine
    experiment: Experiment
    locked: LockedCells
    prepared: Prepared
    ab: AbFacts
    jobs: Jobs
    seed: int
    shard: Shard | None = None


@dataclass(frozen=True, kw_only=True)
class Underway:
    """A run that is being made: where it is stored, its record, its launches so far."""

    directory: RunDirectory
    record: RunRecord
    launches: list[LaunchRecord] = field(default_factory=list)

    def result(self) -> RunResult:
        """The tables of what was measured so far, stored."""
        return stored_result(self.directory, self.record, self.launches)


def run(choice: Choice, options: RunOptions, reporter: Reporter) -> RunResult:
    """Measure an experiment, return its table; interrupted, `InterruptedRunError` carries it."""
    experiment = expand(choice)
    if not experiment.cells:
        return RunResult(table=no_cells(experiment, choice.shard))
    check_results(options.results)
    with only_run(options.results):
        ready = make_ready(experiment, choice, options, reporter)
        with contextlib.closing(ready.engine):
            underway = open_directory(ready, options.results)
            with _table_of_what_exists(underway):
                done = frozenset() if options.fresh else reuse(underway, reporter)
                measure_all(ready, underway, done, reporter)
    finish(underway)
    return underway.result()


def make_ready(
    experiment: Experiment, choice: Choice, options: RunOptions, reporter: Reporter
) -> Ready:
    """Connect, lock, make every image, look at how `ab` begins. Whoever calls closes the engine."""
    stages = Stages(reporter.say, started=started_by_make())
    with contextlib.ExitStack() as on_failure:
        engine, locked = engine_and_locks(experiment, choice, options, stages)
        on_failure.enter_context(contextlib.closing(engine))
        prepared = prepare(
            engine,
            locked.cells,
            locked.locks,
            experiment=experiment.name,
            base=experiment.base,
            cache=CACHE,
            stages=stages,
        )
        with stages.stage("ab examined"):
            ab = ab_facts(engine, prepared.loadgen.reference)
        jobs = Jobs(limit=options.jobs, cpus=engine.info().cpus)
        on_failure.pop_all()
    stages.finish()
    return Ready(
        engine=engine,
        experiment=experiment,
        locked=locked,
        prepared=prepared,
        ab=ab,
        jobs=jobs,
        seed=secrets.randbits(32),
        shard=choice.shard,
    )


def engine_and_locks(
    experiment: Experiment, choice: Choice, options: RunOptions, stages: Stages
) -> tuple[DockerEngine, LockedCells]:
    """Connect to the engine and, at the same time, resolve every environment.

    The locks are made for this host's architecture, and again where the engine has another one.
    """

    def locks(architecture: str) -> LockedCells:
        with stages.stage("locks"):
            return lock_chosen(choice, experiment, architecture=architecture, fresh=options.fresh)

    tools = () if experiment.base.kind == "registry" else (MMDEBSTRAP,)
    with ThreadPoolExecutor(1) as pool:
        locking = pool.submit(locks, platform.machine())
        with stages.stage("engine"):
            engine = usable_engine(stages.say, install=options.install, tools=tools)
    with contextlib.ExitStack() as on_failure:
        on_failure.enter_context(contextlib.closing(engine))
        architecture = engine.info().architecture
        is_same = platform_of(architecture) == platform_of(platform.machine())
        locked = locking.result() if is_same else locks(architecture)
        on_failure.pop_all()
    return engine, locked


def open_directory(ready: Ready, results: Path) -> Underway:
    """Make the run's directory and store what is known before the first launch."""
    directory = RunDirectory.create(results, ready.experiment.name, datetime.now(UTC))
    record = run_record(
        directory.run_id,
        ready.experiment,
        ready.locked,
        ready.prepared,
        engine=ready.engine.info(),
        ab=ready.ab,
        jobs=ready.jobs.limit,
        seed=ready.seed,
        shard=ready.shard,
    )
    directory.write_run(record)
    return Underway(directory=directory, record=record)


def reuse(underway: Underway, reporter: Reporter) -> frozenset[Made]:
    """Take over what earlier runs measured of exactly these cells; return which launches."""
    run = underway.record
    earlier = reusable(run, underway.directory.results)
    for launch in earlier.values():
        underway.launches.append(adopt(underway.directory, launch))
    if earlier:
        regular = sum(number <= run.launches for _, number in earlier)
        runs = ", ".join(sorted({launch.run_id for launch in earlier.values()}))
        reporter.say(
            f"measured before, used again: {regular} of {len(run.cells) * run.launches} "
            f"launches (run {runs}){_blocks(earlier.values())}; `--fresh` ignores them"
        )
    return frozenset(earlier)


def _blocks(earlier: Iterable[Reusable]) -> str:
    """Which rounds are of another boot, for people."""
    rounds = sorted({launch.record.launch for launch in earlier if launch.other_boot})
    if not rounds:
        return ""
    return f", those of round {', '.join(map(str, rounds))} as a block: they are of another boot"


def measure_all(
    ready: Ready, underway: Underway, done: frozenset[Made], reporter: Reporter
) -> None:
    """Make every launch not yet done; each result is on disk before the next launch starts."""
    cells = list(ready.prepared.cells)
    launches = ready.experiment.launches
    missing = len(cells) * launches - sum(number <= launches for _, number in done)
    limits, host = ready.experiment.limits, underway.record.host
    machine = machine_of(underway.directory.results, host) if host else None
    one_round = estimate.round_of(cells, ready.jobs, limits, ready.ab.opening, machine)
    if missing:
        reporter.begin(missing, one_round.seconds * missing / len(cells))
    method = _method(ready, underway, done)

    def begin(jobs: Sequence[Job]) -> None:
        if jobs[0].number > launches and jobs[0].attempt == 1:
            reporter.more(len(jobs))
        reporter.loading([job.cell.id for job in jobs])

    def end(result: LaunchResult, final: bool) -> None:
        directory = underway.directory
        store = directory.write_launch if final else directory.write_disturbed
        store(result.record, result.files)
        if final:
            underway.launches.append(result.record)
        reporter.ended(result.record, final=final)

    def complete(record: LaunchRecord, final: bool) -> None:
        underway.directory.complete(record, final=final)
        made = (record.cell, record.launch)
        if final:
            launches = underway.launches
            launches[:] = [record if (x.cell, x.launch) == made else x for x in launches]

    def skip(waiting: Sequence[str]) -> None:
        reporter.more(-len(waiting))
        reporter.say(f"not launched, the baseline has no rate yet: {', '.join(waiting)}")

    try:
        measure(
            ready.engine,
            cells,
            method,
            clock=SystemClock(),
            on_begin=begin,
            on_end=end,
            on_complete=complete,
            on_skip=skip,
        )
    finally:
        remove_run(ready.engine, underway.record.run_id)


def _method(ready: Ready, underway: Underway, done: frozenset[Made]) -> Method:
    """What all launches of the run have in common."""
    return Method(
        run=underway.record.run_id,
        limits=ready.experiment.limits,
        opening=ready.ab.opening,
        # By content, not by name: a name can be given to another image while the run lasts.
        loadgen_image=ready.prepared.loadgen.image_id,
        server_images={c.id: image.image_id for c, image in ready.prepared.cells.items()},
        companion_images={n: image.image_id for n, image in ready.prepared.companions.items()},
        launches=ready.experiment.launches,
        repeats=ready.experiment.repeats,
        seed=ready.seed,
        jobs=ready.jobs,
        done=done,
        failed=frozenset(made.cell for made in underway.launches if made.outcome.is_failure),
        rate_of={cell.id: cell.rate_of for cell in underway.record.cells if cell.rate_of},
        full_rates=full_rates(underway.launches),
    )


@contextlib.contextmanager
def _table_of_what_exists(underway: Underway) -> Iterator[None]:
    """On Ctrl-C: what was measured until then, as a table."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(underway.result().table) from None


def finish(underway: Underway) -> None:
    """Note in `run.json` that all launches were made."""
    record = underway.record.model_copy(update={"finished_at": now()})
    underway.directory.write_run(record)
