"""`matrix run`: expand → select → lock → build → measure → collate."""

from __future__ import annotations

import contextlib
import platform
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.build.bases import pull_again
from runner.build.lock import platform_of
from runner.build.prepare import Prepared, prepare, pythons_of
from runner.commands.cells import (
    Choice,
    LockedCells,
    Locker,
    Shard,
    expand,
    lock_chosen,
    locker,
    no_cells,
)
from runner.commands.diagnose import Diagnoses
from runner.commands.examined import examined
from runner.commands.machine import usable_engine
from runner.commands.own import Own, read_own
from runner.commands.own_locks import building_locker
from runner.commands.record import run_record
from runner.commands.runs import RunResult
from runner.commands.services import try_services
from runner.commands.underway import Earlier, Underway, Watch
from runner.engine.docker_engine import DockerEngine
from runner.engine.ownership import remove_run
from runner.errors import InterruptedRunError, UsageError
from runner.matrix.cell import Experiment
from runner.measurement import estimate
from runner.measurement.agent import AbFacts
from runner.measurement.clock import SystemClock
from runner.measurement.rounds import FAILURE_LAUNCHES, Method, full_rates, measure
from runner.measurement.schedule import Jobs
from runner.options import LARGEST_WAVE
from runner.paths import CACHE
from runner.progress import Reporter
from runner.provision import MMDEBSTRAP
from runner.report.stopping import why_ended
from runner.stages import Stages, started_by_make
from runner.store.machine import machine_of
from runner.store.records import RunRecord, now
from runner.store.reuse import reusable
from runner.store.run_directory import (
    NO_SECRETS,
    RunDirectory,
    check_cache,
    check_results,
    only_run,
)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What `run` takes besides its choice of cells. `jobs` None is `auto`."""

    results: Path
    jobs: int | None = None
    install: bool = False
    fresh: bool = False
    diagnose: bool = False


def parse_jobs(text: str) -> int | None:
    """The number of `--jobs`, None for `auto`; `UsageError` for what is neither."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_WAVE:
        raise UsageError(f"--jobs {text}: give a number from 1 to {LARGEST_WAVE}, or `auto`")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Everything that the measuring needs, made before it begins.

    Of a cell that fails there are at least `failure_launches`.
    """

    engine: DockerEngine
    experiment: Experiment
    locked: LockedCells
    prepared: Prepared
    ab: AbFacts
    jobs: Jobs
    seed: int
    shard: Shard | None = None
    own: Own | None = None
    failure_launches: int = FAILURE_LAUNCHES


def run(choice: Choice, options: RunOptions, reporter: Reporter) -> RunResult:
    """Measure an experiment, return its table; interrupted, `InterruptedRunError` carries it."""
    experiment = expand(choice, reporter.say)
    if not experiment.cells:
        return RunResult(table=no_cells(experiment, choice.shard))
    check_results(options.results)
    check_cache(CACHE)
    with only_run(options.results):
        ready = make_ready(experiment, choice, options, reporter)
        with contextlib.closing(ready.engine):
            underway = open_directory(ready, options.results)
            with _table_of_what_exists(underway):
                earlier = _earlier(underway, choice, options)
                measure_all(ready, underway, earlier, reporter)
                if options.diagnose:
                    diagnose_all(ready, underway, reporter, fresh=options.fresh)
    return finish(underway).result()


def _earlier(underway: Underway, choice: Choice, options: RunOptions) -> Earlier:
    """The launches of earlier runs to use again: none of a run that is to be made again."""
    if options.fresh:
        return {}
    found = reusable(underway.record, options.results)
    repeated = choice.like.run_id if choice.like else None
    return {key: launch for key, launch in found.items() if launch.made_in != repeated}


def make_ready(
    experiment: Experiment,
    choice: Choice,
    options: RunOptions,
    reporter: Reporter,
    own: Own | None = None,
) -> Ready:
    """Connect, lock, make every image, look at how `ab` begins. The caller closes the engine.

    `own` is the experiment's application where that was read already.
    """
    stages = Stages(reporter.say, started=started_by_make())
    with contextlib.ExitStack() as on_failure:
        own = own or read_own(experiment, results=options.results)
        engine, locked = engine_and_locks(experiment, own, choice, options, stages)
        on_failure.enter_context(contextlib.closing(engine))
        ready = ready_with(
            engine,
            locked,
            experiment,
            jobs=options.jobs,
            seed=secrets.randbits(32),
            stages=stages,
            own=own,
            fresh=options.fresh,
        )
        on_failure.pop_all()
    stages.finish()
    return replace(ready, shard=choice.shard)


def ready_with(
    engine: DockerEngine,
    locked: LockedCells,
    experiment: Experiment,
    *,
    jobs: int | None,
    seed: int,
    stages: Stages,
    own: Own | None = None,
    fresh: bool = False,
) -> Ready:
    """Make every image that the locked cells need, on this engine; look at how `ab` begins."""
    prepared = prepare(
        engine,
        locked.cells,
        locked.locks,
        experiment=experiment.name,
        base=experiment.base,
        application=own.image if own else None,
        services=own.services if own else (),
        cache=CACHE,
        stages=stages,
    )
    if own and own.services and prepared.cells:
        with stages.stage("services tried"):
            try_services(engine, own, prepared, SystemClock(), stages.say)
    with stages.stage("ab examined"):
        ab = examined(engine, prepared.loadgen, CACHE, fresh=fresh)
    machine = engine.info()
    return Ready(
        engine=engine,
        experiment=experiment,
        locked=locked,
        prepared=prepared,
        ab=ab,
        jobs=Jobs(limit=jobs, cpus=machine.cpus, memory_bytes=machine.memory_bytes),
        seed=seed,
        own=own,
    )


def engine_and_locks(
    experiment: Experiment, own: Own | None, choice: Choice, options: RunOptions, stages: Stages
) -> tuple[DockerEngine, LockedCells]:
    """Connect to the engine and, at the same time, resolve every environment.

    The locks are made for this host's architecture, and again where the engine has another one.
    Those of an application need the engine: what has no wheel is built in a container.
    """

    def locks(architecture: str, lock_them: Locker) -> LockedCells:
        with stages.stage("locks"):
            return lock_chosen(choice, experiment, lock_them, architecture=architecture)

    without = locker(fresh=options.fresh)
    tools = () if experiment.base.kind == "registry" else (MMDEBSTRAP,)
    with ThreadPoolExecutor(1) as pool:
        locking = None if own else pool.submit(locks, platform.machine(), without)
        with stages.stage("engine"):
            engine = usable_engine(stages.say, install=options.install, tools=tools)
    with contextlib.ExitStack() as on_failure:
        on_failure.enter_context(contextlib.closing(engine))
        if options.fresh:
            pull_again(engine, pythons_of(experiment.cells), experiment.base, stages.say)
        architecture = engine.info().architecture
        is_same = platform_of(architecture) == platform_of(platform.machine())
        if own:
            building = building_locker(
                own, engine, experiment.base, stages.say, fresh=options.fresh
            )
            locked = locks(architecture, building)
        else:
            locked = locking.result() if locking and is_same else locks(architecture, without)
        on_failure.pop_all()
    return engine, locked


def open_directory(ready: Ready, results: Path) -> Underway:
    """Make the run's directory and store what is known before the first launch."""
    own = ready.own
    directory = RunDirectory.create(
        results,
        ready.experiment.name,
        datetime.now(UTC),
        secrets=own.secrets if own else NO_SECRETS,
    )
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
        application=own.record(CACHE, ready.prepared.services) if own else None,
    )
    return Underway(directory=directory, record=directory.write_run(record))


def measure_all(ready: Ready, underway: Underway, earlier: Earlier, reporter: Reporter) -> None:
    """Make every launch that no earlier run made; each is on disk before the next one starts."""
    cells = list(ready.prepared.cells)
    if not cells:
        return  # the table says why
    limits, host = ready.experiment.limits, underway.record.host
    machine = machine_of(underway.directory.results, host) if host else None
    one_round = estimate.round_of(cells, ready.jobs, limits, ready.ab.opening, machine)
    watch = Watch(
        underway=underway,
        reporter=reporter,
        earlier=earlier,
        launch_s=one_round.seconds / len(cells),
    )
    watch.announce()
    try:
        measure(
            ready.engine,
            cells,
            _method(ready, underway.record, earlier),
            clock=SystemClock(),
            on_begin=watch.begin,
            on_end=watch.end,
            on_complete=watch.complete,
            on_skip=watch.skip,
            is_enough=watch.is_enough,
        )
    finally:
        remove_run(ready.engine, underway.record.run_id)


def diagnose_all(ready: Ready, underway: Underway, reporter: Reporter, *, fresh: bool) -> None:
    """Make a launch of each cell beside the measured ones, to find out what blocks its loop."""
    diagnoses = Diagnoses(
        engine=ready.engine,
        method=method_of(ready, underway.record.run_id),
        underway=underway,
        clock=SystemClock(),
        reporter=reporter,
        fresh=fresh,
    )
    diagnoses.make(list(ready.prepared.cells))


def _of_own(ready: Ready) -> dict[str, Any]:
    """What all launches of the user's application have in common besides."""
    own = ready.own
    if own is None:
        return {}
    start = own.start(ready.prepared.services)
    return {"own": start, "asked": own.asked, "before_s": own.before_s}


def method_of(ready: Ready, run_id: str) -> Method:
    """What all launches have in common that are made with these images."""
    return Method(
        run=run_id,
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
        failure_launches=ready.failure_launches,
        **_of_own(ready),
    )


def _method(ready: Ready, run: RunRecord, earlier: Earlier) -> Method:
    """The same of a run that goes on with the launches of earlier ones."""
    made = [launch.adopted for launch in earlier.values()]
    return replace(
        method_of(ready, run.run_id),
        done=frozenset(earlier),
        failed=frozenset(launch.cell for launch in made if launch.outcome.is_failure),
        rate_of={cell.id: cell.rate_of for cell in run.cells if cell.rate_of},
        full_rates=full_rates(made),
    )


@contextlib.contextmanager
def _table_of_what_exists(underway: Underway) -> Iterator[None]:
    """On Ctrl-C: what was measured until then, as a table."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(underway.result().table) from None


def finish(underway: Underway) -> Underway:
    """Note in `run.json` that all launches were made, and why no more where that was not fixed."""
    record, launches = underway.record, underway.launches
    stopped = why_ended(record, launches) if record.least_launches else None
    finished = record.model_copy(update={"finished_at": now(), "stopped": stopped})
    underway.directory.write_run(finished)
    return replace(underway, record=finished)
