"""What a worker does, beside the engine of its host: it makes rounds, and keeps them until fetched.

Each launch is on the worker's disk before the next one begins. A round that was handed over is
deleted once the client says that it has stored it; one that was not is offered to the next run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from runner.commands.hosts.answers import received
from runner.commands.hosts.wire import Assignment, Greeting, Held, Made, Order, Prepared, Stored
from runner.commands.hosts.wire import program as this_program
from runner.commands.machine import usable_engine
from runner.commands.record import run_record
from runner.commands.run import Ready, method_of, ready_with
from runner.engine.ownership import boot_id, remove_own
from runner.engine.protocol import Engine, EngineInfo
from runner.errors import UsageError
from runner.measurement.clock import Clock, SystemClock
from runner.measurement.job import LaunchResult
from runner.measurement.launch import Launch
from runner.measurement.records import LaunchRecord
from runner.measurement.rounds import full_rates, measure
from runner.measurement.schedule import Group, Jobs
from runner.paths import CACHE
from runner.stages import Stages
from runner.store.atomic import unwritable, write_atomic
from runner.store.machine import this_host
from runner.store.records import RunRecord
from runner.store.reuse import counts
from runner.store.reuse import key as cell_key
from runner.store.run_directory import RESULT, RunDirectory, check_rounds

#: Where rounds are kept until the client has stored them.
ROUNDS: Final = CACHE / "rounds"
#: In a round's directory, where a run with `--fresh` began it: that run's id.
FRESH: Final = "fresh"
#: Waves of one round are numbered within it; so many are never needed.
MOST_WAVES: Final = 1000


class StoppedError(Exception):
    """The client or the user wants no further launches."""


class NotReadyError(UsageError):
    """A worker is asked for a shard that another process at its address was ready for."""


class Maker(Protocol):
    """Makes a shard ready on this host: all that a worker does which is not bookkeeping."""

    def __call__(self, assignment: Assignment) -> tuple[Ready, RunRecord]:
        """What the shard needs here, and what would be recorded of a run of it."""
        ...


class Shard(NamedTuple):
    """What a worker is ready for, where its rounds are, and the run with `--fresh` that asks."""

    ready: Ready
    directory: Path
    fresh: str


@dataclass(kw_only=True)
class Post:
    """A worker's engine, its disk, and the shards that it is ready for.

    `side_by_side` is by run the share of the usual number of launches that run together here: less
    than 1 after a round with many that were disturbed. `stopped` are the runs that no further
    launch is made for, None among them: nothing at all.
    """

    engine: Engine
    engine_key: str
    spool: Path
    make_ready: Maker
    clock: Clock = field(default_factory=SystemClock)
    shards: dict[str, Shard] = field(default_factory=dict)
    side_by_side: dict[str, float] = field(default_factory=dict)
    stopped: set[str | None] = field(default_factory=set)
    #: Held while a round is made: who ends the worker waits for it.
    busy: threading.Lock = field(default_factory=threading.Lock)
    #: The round that is being made or read, which may also be another client's: it is not deleted.
    making: Path | None = None
    #: Held where that changes, and while a round is deleted.
    deleting: threading.Lock = field(default_factory=threading.Lock)

    def greet(self) -> Greeting:
        """Who this is, and which rounds lie here."""
        return Greeting(
            program=this_program(),
            host=this_host(),
            engine=self.engine.info(),
            engine_key=self.engine_key,
            held=tuple(self._held()),
        )

    def _held(self) -> Iterator[Held]:
        for path in self.spool.glob("*/*/*/*"):
            experiment, shards, key, number = path.relative_to(self.spool).parts
            if not shards.isdecimal() or not number.isdecimal():
                continue
            with contextlib.suppress(FileNotFoundError):  # another client acknowledged it just now
                if any(path.rglob(RESULT)):
                    fresh = path / FRESH
                    run = fresh.read_text("utf-8", errors="replace") if fresh.exists() else ""
                    yield Held(experiment, int(shards), key, int(number), run)

    def prepare(self, assignment: Assignment) -> Prepared:
        """Build what the shard needs; say what it would be a run of."""
        ready, record = self.make_ready(assignment)
        key = shard_key(record, assignment, self.engine_key)
        directory = self.spool / assignment.experiment.name / str(assignment.shards) / key
        if assignment.fresh:
            shutil.rmtree(directory, ignore_errors=True)
        self.shards[key] = Shard(ready, directory, assignment.run if assignment.fresh else "")
        return Prepared(record=record, key=key)

    def make_round(self, order: Order) -> Made:
        """Make what is missing of a round, and hand it over as it is on the disk."""
        order = received(order)
        if order.key not in self.shards:
            raise NotReadyError("its worker was started again")
        ready, path, fresh = self.shards[order.key]
        directory = RunDirectory(results=self.spool, path=path / str(order.number))
        wanted = {c.id for c in ready.prepared.cells if order.cells is None or c.id in order.cells}
        with self.busy, self._kept(directory.path):
            _forget(directory, ready.experiment.repeats)
            if wanted - directory.launches().keys():
                remove_own(self.engine)  # what a round left at whose end the engine was gone
                try:
                    if fresh:
                        _begin_afresh(directory.path, fresh)
                    self._measure(ready, order, directory, wanted)
                except StoppedError:
                    pass
                except UsageError as error:  # no room, for one: here it is another option
                    raise UsageError(str(error).replace("--results", "--rounds")) from None
                finally:
                    remove_own(self.engine)
            whole = self._is_whole(order, directory, wanted)
            return Made(launches=[*_stored(directory, wanted)], whole=whole)

    @contextlib.contextmanager
    def _kept(self, path: Path) -> Iterator[None]:
        """Keep a round from being deleted: another client may acknowledge it meanwhile."""
        with self.deleting:
            self.making = path
        try:
            yield
        finally:
            with self.deleting:
                self.making = None

    def _is_whole(self, order: Order, directory: RunDirectory, wanted: set[str]) -> bool:
        """Cells at a percentage of a rate that is not known have no launch, and miss none."""
        return not (self._is_stopped(order.run) and wanted - directory.launches().keys())

    def _measure(
        self, ready: Ready, order: Order, directory: RunDirectory, wanted: set[str]
    ) -> None:
        made = [one for of_cell in directory.launches().values() for one in of_cell]
        jobs = replace(ready.jobs, share=self.side_by_side.get(order.run, 1.0))
        method = replace(
            method_of(ready, order.run),
            launches=1,
            failure_launches=1,
            seed=ready.seed + order.number,
            jobs=Interruptible(**vars(jobs), check=lambda: self._check(order.run)),
            done=frozenset((one.cell, 1) for one in made),
            rate_of={
                cell.id: full.id
                for cell, full in ready.locked.full_loads.items()
                if full is not None
            },
            full_rates={**full_rates(made), **order.full_rates},
        )

        def end(result: LaunchResult, final: bool) -> None:
            store = directory.write_launch if final else directory.write_disturbed
            store(_numbered(result.record, order.number), result.files)

        jobs = measure(
            self.engine,
            [cell for cell in ready.prepared.cells if cell.id in wanted],
            method,
            clock=self.clock,
            on_begin=lambda _: self._check(order.run),
            on_end=end,
            on_complete=lambda record, final: _complete(directory, record, order.number, final),
        )
        self.side_by_side[order.run] = jobs.share

    def _is_stopped(self, run: str) -> bool:
        return bool(self.stopped & {run, None})

    def _check(self, run: str) -> None:
        if self._is_stopped(run):
            raise StoppedError

    def acknowledge(self, order: Order) -> None:
        """The client has the round: it is needed no longer."""
        order = received(order)
        if order.key in self.shards:
            path = self.shards[order.key].directory / str(order.number)
            with self.deleting:
                if path != self.making:
                    shutil.rmtree(path, ignore_errors=True)

    def stop(self, run: str | None) -> None:
        """Make no further launch of this run, or of any."""
        self.stopped.add(run)


@dataclass(frozen=True, kw_only=True)
class Interruptible(Jobs):
    """The same, but whether to go on is looked at before each group of a wave is loaded."""

    check: Callable[[], None]

    def grouped(self, launches: Sequence[Launch]) -> Iterator[Group]:
        """The groups, one by one."""
        for group in super().grouped(launches):
            self.check()
            yield group


def _begin_afresh(round_: Path, run: str) -> None:
    """Note the run: where the client is lost, older launches that it has are not for the next."""
    try:
        round_.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(round_, error) from error
    write_atomic(round_ / FRESH, run)


def _forget(directory: RunDirectory, repeats: int) -> None:
    """Remove the stored launches of a round that do not count, such as those with engine errors."""
    for record in chain.from_iterable(directory.launches().values()):
        if not counts(record, repeats):
            shutil.rmtree(directory.launch_directory(record.cell, record.launch))


def _numbered(record: LaunchRecord, number: int) -> LaunchRecord:
    """A launch as one of its run's: the worker makes one round, and calls it the first."""
    place = record.placement
    if place:
        place = place.model_copy(update={"wave": (number - 1) * MOST_WAVES + place.wave})
    return record.model_copy(update={"launch": number, "placement": place})


def _complete(directory: RunDirectory, record: LaunchRecord, number: int, final: bool) -> None:
    directory.complete(_numbered(record, number), final=final)


def _stored(directory: RunDirectory, wanted: set[str]) -> Iterator[Stored]:
    for by_cell, final in ((directory.launches(), True), (directory.rejected(), False)):
        for record in (one for cell in wanted & by_cell.keys() for one in by_cell[cell]):
            files = directory.files_of(record, final=final)
            yield Stored(record.model_dump_json().encode(), files, final)


def shard_key(record: RunRecord, assignment: Assignment, engine_key: str) -> str:
    """SHA-256 over all that makes a shard's rounds on a host what they are."""
    cells = sorted(f"{cell.id} {cell_key(record, cell)}" for cell in record.cells)
    facts = [f"{assignment.shard}/{assignment.shards}", boot_id(), engine_key, *cells]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


# -- a worker's own engine -------------------------------------------------------------------------


def open_post(spool: Path) -> Post:
    """Connect to this host's engine, remove what dead runs left, and lock it for this process.

    `UsageError` where another worker has it.
    """
    check_rounds(spool)
    engine = usable_engine(say, install=False)
    key = key_of(engine.info())
    lock_engine(key)
    own = rounds_of(key, spool)

    def ready(assignment: Assignment) -> tuple[Ready, RunRecord]:
        stages = Stages(say)
        made = ready_with(
            engine,
            assignment.locked,
            assignment.experiment,
            jobs=assignment.jobs,
            seed=assignment.seed,
            stages=stages,
        )
        return made, run_record(
            assignment.run,
            assignment.experiment,
            assignment.locked,
            made.prepared,
            engine=engine.info(),
            ab=made.ab,
            jobs=assignment.jobs,
            seed=assignment.seed,
            shard=None,
        )

    return Post(engine=engine, engine_key=key, spool=own, make_ready=ready)


def rounds_of(key: str, spool: Path) -> Path:
    """Where this engine's rounds are kept. Those from before the last boot are removed.

    No run can use these, for a round's key has the boot in it.
    """
    own = spool / f"{_digest(key)}-{boot_id()}"
    for path in spool.glob(f"{_digest(key)}-*"):
        if path != own:
            shutil.rmtree(path, ignore_errors=True)
    return own


def say(text: str) -> None:
    """A line in the worker's log."""
    sys.stderr.write(f"{text}\n")


def key_of(engine: EngineInfo) -> str:
    """What tells an engine from others: its id, or where it has none, its address here."""
    return engine.engine_id or f"{os.uname().nodename}:{engine.endpoint}"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


#: Descriptors whose locks last as long as the process.
_LOCKS: Final[list[int]] = []


def lock_engine(key: str) -> None:
    """Hold the engine's lock until this process ends; `UsageError` where another one holds it.

    The kernel drops it with the process. Workers of several users meet in the same directory.
    """
    path = Path(tempfile.gettempdir()) / f"monkey-matrix-{_digest(key)}.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"another worker uses this engine (it holds {path}): two would disturb each other; "
            "stop one of them, or give this one an engine of its own with DOCKER_HOST"
        ) from None
    _LOCKS.append(descriptor)
