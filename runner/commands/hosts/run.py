"""`matrix run --hosts …` and `--dask …`: expand → lock → hand out → store → collate."""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from runner.build.lock import Unavailable, platform_of
from runner.commands.cells import (
    AnyLock,
    Choice,
    LockedCells,
    Locker,
    Shard,
    expand,
    lock_chosen,
    locker,
)
from runner.commands.hosts.answers import unfit
from runner.commands.hosts.book import Book, earlier_rounds
from runner.commands.hosts.dask_extra import distributed
from runner.commands.hosts.dispatch import (
    Dispatch,
    greetings,
    words,
)
from runner.commands.hosts.pool import DaskPool, Pool
from runner.commands.hosts.square import Stored, Task
from runner.commands.hosts.ssh import parse_hosts, started
from runner.commands.hosts.wire import Assignment, Greeting
from runner.commands.run import RunOptions
from runner.commands.runs import RunResult, stored_result
from runner.errors import EngineUnavailableError, InterruptedRunError, UsageError
from runner.matrix.cell import EnvironmentRequest, Experiment
from runner.measurement import estimate
from runner.measurement.schedule import Jobs
from runner.paths import CACHE
from runner.progress import Reporter
from runner.report.stopping import is_precise, why_ended_after
from runner.store.records import now
from runner.store.run_directory import RunDirectory, check_cache, check_results, only_run
from runner.text import counted

#: How long, in seconds, is waited for the first worker.
WORKERS_S: Final = 60


def on_hosts(
    choice: Choice,
    options: RunOptions,
    reporter: Reporter,
    *,
    hosts: str | None,
    scheduler: str | None,
) -> RunResult:
    """Measure an experiment on several hosts, or on the workers of a scheduler; return its table.

    Interrupted, `InterruptedRunError` carries it.
    """
    distributed()  # what is quickly said first
    if hosts is not None and scheduler is not None:
        raise UsageError("--hosts starts a scheduler and its workers, --dask uses one: give either")
    experiment = expand(choice, reporter.say)
    _check(experiment, choice, options)
    check_results(options.results)
    check_cache(CACHE)
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_run(options.results))
        address = scheduler or ""
        if hosts is not None:
            address = stack.enter_context(started(parse_hosts(hosts), reporter.say))
        pool = stack.enter_context(contextlib.closing(DaskPool(address)))
        return measured(choice, experiment, options, pool, reporter)


def _check(experiment: Experiment, choice: Choice, options: RunOptions) -> None:
    """`UsageError` for what is not measured on several hosts."""
    if choice.shard or choice.like or options.install or options.diagnose:
        raise UsageError(
            "--hosts and --dask divide the cells themselves, and install and diagnose nothing on a "
            "host: leave out --shard, --like, --install and --diagnose"
        )
    if experiment.application:
        raise UsageError(
            f"{experiment.name}: an application with its secrets is not sent to other hosts: give "
            "each a checkout and `matrix run --shard I/N`, then `matrix merge`, see docs/ci.md"
        )


def measured(
    choice: Choice, experiment: Experiment, options: RunOptions, pool: Pool, reporter: Reporter
) -> RunResult:
    """Greet the hosts, lock for them, make all rounds."""
    found = greeted(pool, reporter)
    usable = _usable(found.values())
    architecture = _architecture(usable or found.values())
    lock_them = _remembered(locker(fresh=options.fresh))
    whole = lock_chosen(choice, experiment, lock_them, architecture=architecture)
    directory = RunDirectory.create(options.results, experiment.name, datetime.now(UTC))
    shards = _shards(
        choice, options, lock_them, directory.run_id, architecture=architecture, most=len(usable)
    )
    book = Book(
        directory=directory,
        experiment=experiment.name,
        command=tuple(sys.argv),
        cells={cell.id: place for place, cell in enumerate(whole.all_cells)},
        shards=len(shards),
        earlier={} if options.fresh else earlier_rounds(options.results, experiment.name),
        repeats=experiment.repeats,
    )
    return handed_out(pool, found, shards, book, reporter)


def handed_out(
    pool: Pool,
    found: Mapping[str, Greeting],
    shards: Sequence[Assignment],
    book: Book,
    reporter: Reporter,
) -> RunResult:
    """Have the hosts make all rounds of all shards; return the table."""
    dispatch = Dispatch(
        pool=pool,
        book=book,
        reporter=reporter,
        shards=shards,
        is_enough=lambda number: _is_enough(book, number),
    )
    for address, greeting in found.items():
        dispatch.welcome(address, greeting)
    if not dispatch.members:
        _remove_empty(book.directory.path)
        raise EngineUnavailableError(f"no host can be used: {dispatch.why_gone}")
    dispatch.settle(_stored_at(book))
    labels = [member.label for member in dispatch.members.values()]
    said = f"{counted(len(labels), 'host')}: {', '.join(labels)}"
    reporter.say(f"{said}; {counted(len(shards), 'shard')}")
    _announce(shards, reporter)
    with _table_of_what_exists(dispatch):
        dispatch.run()
    return _finish(book, dispatch.planned)


def greeted(pool: Pool, reporter: Reporter) -> dict[str, Greeting]:
    """The workers that can take part, always in the same order."""
    found: dict[str, Greeting] = {}
    problems = []
    for ended in greetings(pool, WORKERS_S, time.monotonic, reporter.say):
        if isinstance(ended.result, Greeting):
            found[ended.host] = ended.result
        elif ended.error:
            problems.append(f"{ended.host}: {words(ended.error)}")
            reporter.say(f"{problems[-1]}; it is not used")
    if not found:
        raise EngineUnavailableError(f"no host can be used: {'; '.join(problems) or 'all left'}")

    def order(item: tuple[str, Greeting]) -> tuple[str, str]:
        return item[1].host.hostname, item[1].engine_key

    return dict(sorted(found.items(), key=order))


def _usable(found: Iterable[Greeting]) -> list[Greeting]:
    """Those that can take part: there are shards for no others."""
    usable: list[Greeting] = []
    for one in found:
        if unfit(one, usable) is None:
            usable.append(one)
    return usable


def _architecture(found: Iterable[Greeting]) -> str:
    """That of all hosts. A lock is for one, and figures of two are of two experiments."""
    known = {platform_of(one.engine.architecture): one for one in found}
    if len(known) > 1:
        several = ", ".join(f"{name} ({one.host.hostname})" for name, one in known.items())
        raise UsageError(
            f"the hosts' engines are of several architectures: {several}; measure each by itself"
        )
    return next(iter(known.values())).engine.architecture


def _remembered(lock_them: Locker) -> Locker:
    """Resolves each environment once, whichever shards it is in."""
    known: dict[tuple[EnvironmentRequest, str], AnyLock | Unavailable] = {}

    def remembered(
        requests: Iterable[EnvironmentRequest], platform: str
    ) -> Mapping[EnvironmentRequest, AnyLock | Unavailable]:
        wanted = list(requests)
        missing = [one for one in wanted if (one, platform) not in known]
        if missing:
            known.update({(r, platform): m for r, m in lock_them(missing, platform).items()})
        return {one: known[one, platform] for one in wanted}

    return remembered


def _shards(
    choice: Choice,
    options: RunOptions,
    lock_them: Locker,
    run: str,
    *,
    architecture: str,
    most: int,
) -> list[Assignment]:
    """As many parts as there are hosts, fewer where there are not so many cells."""
    seed = secrets.randbits(32)
    parts: list[tuple[Experiment, LockedCells]] = []
    for index in range(1, most + 1):
        chosen = replace(choice, shard=Shard(index=index, of=most))
        experiment = expand(chosen, lambda _: None)
        locked = lock_chosen(chosen, experiment, lock_them, architecture=architecture)
        if locked.all_cells:
            parts.append((experiment, locked))
    return [
        Assignment(
            run=run,
            experiment=experiment,
            locked=locked,
            jobs=options.jobs,
            seed=seed,
            shard=place,
            shards=len(parts),
            fresh=options.fresh,
        )
        for place, (experiment, locked) in enumerate(parts, start=1)
    ]


def _stored_at(book: Book) -> Iterator[Stored]:
    """Where rounds that are stored here were made: the host is asked whether they still count.

    Those of a run on more or fewer hosts, which had other shards, do not.
    """
    for (key, number), one in book.earlier.items():
        if one.shards == book.shards:
            task = Task.of(number, book.shards)
            yield Stored(task, one.engine_key, key, one.directory.run_id)


def _announce(shards: Sequence[Assignment], reporter: Reporter) -> None:
    """How many launches there are at least, and how long they take."""
    experiment = shards[0].experiment
    rounds = experiment.least_launches or experiment.launches
    launches = sum(len(one.locked.cells) for one in shards)
    longest = max(
        estimate.round_of(one.locked.cells, Jobs(limit=one.jobs), experiment.limits).seconds
        if one.locked.cells
        else 0.0
        for one in shards
    )
    reporter.begin(launches * rounds, longest * rounds)


def _is_enough(book: Book, number: int) -> bool:
    record = book.record
    return record is not None and is_precise(record, book.launches(), number * book.shards)


@contextlib.contextmanager
def _table_of_what_exists(dispatch: Dispatch) -> Iterator[None]:
    """On Ctrl-C the hosts end, too; then what was measured until then, as a table."""
    try:
        yield
    except KeyboardInterrupt:
        try:
            dispatch.stop()
        except KeyboardInterrupt:
            pass
        except EngineUnavailableError as error:  # the scheduler was interrupted, too
            dispatch.reporter.say(str(error))
        if dispatch.book.record is None:
            _remove_empty(dispatch.book.directory.path)
            raise
        raise InterruptedRunError(_result(dispatch.book).table) from None
    except EngineUnavailableError:
        if dispatch.book.record is None:
            _remove_empty(dispatch.book.directory.path)
        raise


def _remove_empty(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()


def _result(book: Book) -> RunResult:
    record = book.record
    assert record is not None  # noqa: S101 - nothing is asked for before
    return stored_result(book.directory, record, book.launches())


def _finish(book: Book, rounds: int) -> RunResult:
    """Note that all launches were made, and why no more where that was not fixed."""
    record = book.record
    assert record is not None  # noqa: S101 - there was at least one round
    stopped = None
    if record.least_launches is not None:
        stopped = why_ended_after(record, book.launches(), rounds, rounds * book.shards)
    book.rewrite(finished_at=now(), stopped=stopped)
    return _result(book)
