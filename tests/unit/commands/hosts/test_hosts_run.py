"""A whole run on several hosts in memory, with a results directory and the workers' own disks."""

from __future__ import annotations

import errno
import io
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from runner.build.lock import Lock
from runner.commands.cells import Choice, expand
from runner.commands.hosts.book import Book, earlier_rounds
from runner.commands.hosts.post import FRESH, Post
from runner.commands.hosts.run import greeted, handed_out, measured
from runner.commands.hosts.square import Task
from runner.commands.hosts.wire import Order
from runner.commands.run import RunOptions
from runner.commands.runs import RunResult
from runner.engine.protocol import ContainerSpec
from runner.errors import EngineError, EngineUnavailableError, InterruptedRunError
from runner.matrix.cell import EnvironmentRequest
from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.progress import PlainReporter
from runner.report.run import Run, read_run
from runner.store.atomic import unwritable
from runner.store.run_directory import RunDirectory
from tests.support.hosts import MemoryPool, cells_of, memory_post, shards_of
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods

KEYS = ("a", "b", "c")
ROUNDS = 6


class KilledError(BaseException):
    """The client's end, at once."""


def die_in_round_8(_pool: MemoryPool, number: int, _host: str) -> None:
    """The client dies before it has the eighth round."""
    if number == 8:
        raise KilledError


def places() -> dict[str, int]:
    """Where the cells are in the table."""
    return {cell.id: place for place, cell in enumerate(cells_of(9))}


@dataclass
class Hosts:
    """Three hosts, and runs of nine cells with a baseline on them."""

    directory: Path
    number: int = 3
    launches: int = ROUNDS
    least: int | None = None
    jobs: int = 1
    posts: dict[str, Post] = field(default_factory=dict)
    pods: dict[str, SimulatedPods] = field(default_factory=dict)
    said: io.StringIO = field(default_factory=io.StringIO)
    last: RunDirectory | None = None

    def __post_init__(self) -> None:
        for key in KEYS[: self.number]:
            self.pods[key] = SimulatedPods()
            self.start(key)

    def start(self, key: str) -> None:
        """The host's worker is started, or started again: its disk is as it was."""
        post = memory_post(self.directory / key, key, self.pods[key])
        self.posts[f"tcp://{key}"] = post

    def pool(self) -> MemoryPool:
        return MemoryPool(dict(self.posts))

    def run(self, pool: MemoryPool, *, fresh: bool = False) -> RunResult:
        """Do as `matrix run --dask` does once the cells are locked."""
        results = self.directory / "results"
        cells = cells_of(9)
        self.last = RunDirectory.create(results, "sample", datetime.now(UTC))
        book = Book(
            directory=self.last,
            experiment="sample",
            command=("matrix", "run"),
            cells=places(),
            shards=self.number,
            earlier={} if fresh else earlier_rounds(results, "sample"),
        )
        reporter = PlainReporter(Console(file=self.said, width=500))
        found = greeted(pool, reporter)
        shards = shards_of(
            cells,
            self.number,
            run=self.last.run_id,
            launches=self.launches,
            least=self.least,
            fresh=fresh,
            jobs=self.jobs,
        )
        return handed_out(pool, found, shards, book, reporter)

    @property
    def result(self) -> Run:
        assert self.last
        return read_run(self.last)

    @property
    def loads(self) -> int:
        """How many launches were made on all hosts, ever."""
        return sum(pods.loads for pods in self.pods.values())

    @property
    def waiting(self) -> list[Path]:
        """What lies on the workers' disks."""
        return [path for key in self.pods for path in (self.directory / key).rglob("result.json")]


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


def complete(run: Run, *, rounds: int = ROUNDS) -> bool:
    """Whether each cell has its launches, and the baseline one beside each shard's."""
    counts = {cell: len(of_cell) for cell, of_cell in run.launches.items()}
    baseline = counts.pop(next(iter(run.baselines.values())).cell)
    return set(counts.values()) == {rounds} and len(counts) == 9 and baseline == 3 * rounds


def meetings(run: Run) -> set[tuple[int, ...]]:
    """For how many rounds cells meet each of their hosts."""
    baseline = next(iter(run.baselines.values())).cell
    return {
        tuple(Counter(one.block for one in run.launches[cell]).values())
        for cell in run.launches.keys() - {baseline}
    }


def test_every_launch_is_made_once_and_nothing_stays_on_the_hosts(hosts: Hosts) -> None:
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4
    assert hosts.waiting == []


def test_each_cell_meets_hosts_for_as_many_rounds_beside_its_baseline(hosts: Hosts) -> None:
    hosts.launches = 9
    hosts.run(hosts.pool())
    run = hosts.result
    baseline = next(iter(run.baselines.values())).cell
    of_baseline = {(one.block, one.launch) for one in run.launches[baseline]}
    for launches in run.launches.values():
        assert {(one.block, one.launch) for one in launches} <= of_baseline
    for cell in run.launches.keys() - {baseline}:
        assert set(Counter(one.block for one in run.launches[cell]).values()) == {3}
    assert len(run.record.hosts) == 3


def test_a_worker_that_was_started_again_says_nothing_new(hosts: Hosts) -> None:
    """Were it joined with what was said before at each start, each one would take longer."""
    hosts.run(hosts.pool())
    assert hosts.last
    record = hosts.last.path / "run.json"
    shard = shards_of(cells_of(9), 3, run=hosts.last.run_id)[0]
    post = hosts.posts["tcp://a"]
    book = Book(directory=hosts.last, experiment="sample", command=(), cells=places(), shards=3)
    book.add(post.greet(), post.prepare(shard))
    first = record.stat().st_ino
    hosts.start("a")
    post = hosts.posts["tcp://a"]
    book.add(post.greet(), post.prepare(shard))
    assert record.stat().st_ino == first


def test_a_round_that_two_clients_want_is_not_deleted_under_the_second_one(hosts: Hosts) -> None:
    post = hosts.posts["tcp://a"]
    prepared = post.prepare(shards_of(cells_of(9), 3)[0])
    order = Order(run="first", key=prepared.key, number=1)
    assert len(post.make_round(order).launches) == 4
    hosts.waiting[0].unlink()

    def acknowledge(answer: dict[str, object]) -> dict[str, object]:
        post.acknowledge(order)
        return answer

    hosts.pods["a"].load = acknowledge
    assert len(post.make_round(replace(order, run="second")).launches) == 4
    post.acknowledge(order)
    assert hosts.waiting == []


def test_on_fewer_hosts_than_before_cells_meet_each_for_as_many_rounds(hosts: Hosts) -> None:
    hosts.run(hosts.pool())
    hosts.number = 2
    hosts.posts.popitem()
    hosts.run(hosts.pool())
    assert meetings(hosts.result) == {(3, 3)}


def test_on_other_hosts_than_before_cells_meet_each_for_as_many_rounds(hosts: Hosts) -> None:
    hosts.run(hosts.pool())
    hosts.posts.clear()
    for key in "xyz":
        hosts.pods[key] = SimulatedPods()
        hosts.start(key)
    hosts.run(hosts.pool())
    assert meetings(hosts.result) == {(3, 3)}


@pytest.mark.parametrize("left", ["here", "on its disk"])
def test_rounds_of_another_load_bind_no_round_to_the_host_that_has_them(
    hosts: Hosts, left: str
) -> None:
    pool = hosts.pool()

    def alone(pool: MemoryPool, number: int, host: str) -> None:
        for other in pool.posts.keys() - {host}:
            pool.kill(other)
        if left == "on its disk" and number == 3 * ROUNDS:
            raise KilledError

    pool.after = alone
    if left == "on its disk":
        pool.deaf = {*pool.posts}  # no round is acknowledged
        with pytest.raises(KilledError):
            hosts.run(pool)
        assert len(hosts.waiting) >= 4 * 2 * ROUNDS
        shutil.rmtree(hosts.directory / "results")
    else:
        hosts.run(pool)
    hosts.jobs = 2
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert meetings(hosts.result) == {(3, 3)}


def test_a_verdict_is_within_hosts(hosts: Hosts) -> None:
    """A host on which a cell is slower than elsewhere says so; the others do not hide it."""
    hosts.pods["b"].service_s = 3.0  # of all its cells alike: no ratio is another one
    hosts.run(hosts.pool())
    ratios = [row.speedup for row in hosts.result.rows if row.patch != "none"]
    assert ratios == [pytest.approx(1.0)] * 9


def test_a_killed_worker_loses_one_round_which_another_host_makes(hosts: Hosts) -> None:
    pool = hosts.pool()
    pool.after = lambda pool, number, host: pool.kill(host) if number == 5 else None
    hosts.run(pool)
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4 + 4
    assert "lost its worker in round 2" in hosts.said.getvalue()


def test_a_worker_that_is_started_again_takes_part_again(hosts: Hosts) -> None:
    pool = hosts.pool()

    def again(pool: MemoryPool, number: int, host: str) -> None:
        if number == 5:
            pool.kill(host)
            hosts.start(host.removeprefix("tcp://"))
        if number == 7:
            pool.posts = dict(hosts.posts)

    pool.after = again
    hosts.run(pool)
    assert complete(hosts.result)
    # It still had the round that it was killed after: nothing was made twice, unless meanwhile.
    assert hosts.loads <= 3 * ROUNDS * 4 + 4
    assert min(pods.loads for pods in hosts.pods.values()) > 2 * 4


@pytest.mark.parametrize("address", ["", "-again"], ids=["same", "another"])
def test_a_worker_that_was_started_again_while_it_had_nothing_to_do(
    hosts: Hosts, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.commands.hosts.run._is_enough", lambda *_: False)
    hosts.least, hosts.launches = 3, 9
    pool = hosts.pool()
    old = f"tcp://{KEYS[0]}"
    address = f"{old}{address}"
    last: dict[str, int] = {}

    def again(pool: MemoryPool, number: int, host: str) -> None:
        if number == 8:  # it has ended the third round, which the others have not
            pool.kill(old)
            hosts.start(KEYS[0])
            pool.posts[address] = hosts.posts[old]
        last[host] = number

    pool.after = again
    hosts.run(pool)
    assert complete(hosts.result, rounds=9)
    assert last[address] > 20


def test_what_was_made_when_the_client_was_killed_is_not_made_again(hosts: Hosts) -> None:
    pool = hosts.pool()
    pool.after = die_in_round_8
    with pytest.raises(KilledError):
        hosts.run(pool)
    assert hosts.loads == 8 * 4
    assert len(hosts.waiting) == 4
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4
    assert hosts.waiting == []


def test_rounds_of_a_lost_host_are_asked_of_the_host_that_made_them(hosts: Hosts) -> None:
    pool = hosts.pool()

    def events(pool: MemoryPool, number: int, host: str) -> None:
        if number == 2:
            pool.kill(host)
        if number == 16:  # those that are left have made their own, and some of the lost one's
            raise KilledError

    pool.before = events
    with pytest.raises(KilledError):
        hosts.run(pool)
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4


def test_what_is_prepared_and_what_is_used_again_is_said(hosts: Hosts) -> None:
    hosts.run(hosts.pool())
    assert hosts.last
    origin = hosts.last.run_id
    assert ": preparing shard 1\n" in hosts.said.getvalue()
    assert "used again" not in hosts.said.getvalue()
    hosts.run(hosts.pool())
    hosts.run(hosts.pool())
    again = f", shard 2; measured before, used again: 4 launches (run {origin})\n"
    assert hosts.said.getvalue().count(again) == 2 * ROUNDS


@pytest.mark.parametrize("damage", ["no JSON", "removed", "of another round"])
def test_of_a_stored_round_a_damaged_launch_alone_is_made_again(hosts: Hosts, damage: str) -> None:
    hosts.run(hosts.pool())
    assert hosts.last
    first, second = sorted(hosts.last.path.glob("cells/*gevent1.0*/launch-*/result.json"))[:2]
    if damage == "removed":
        first.unlink()
    else:
        first.write_bytes(second.read_bytes() if damage == "of another round" else b"{")
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4 + 1
    assert hosts.waiting == []
    hosts.run(hosts.pool())
    assert hosts.loads == 3 * ROUNDS * 4 + 1


@pytest.mark.parametrize("stored", ["by the client", "by its host alone"])
def test_of_a_round_with_an_engine_error_that_launch_alone_is_made_again(
    hosts: Hosts, stored: str
) -> None:
    failed: list[object] = []

    def fail_once(answer: dict[str, object]) -> dict[str, object]:
        if not failed:
            failed.append(answer)
            raise EngineError("gone for a moment")
        return answer

    def die(_pool: MemoryPool, _number: int, host: str) -> None:
        if host == "tcp://b":
            raise KilledError

    hosts.pods["b"].ready = fail_once
    pool = hosts.pool()
    if stored == "by its host alone":
        pool.after = die
        with pytest.raises(KilledError):
            hosts.run(pool)
        assert hosts.loads == 2 * 4 - 1
        hosts.run(hosts.pool())
    else:
        hosts.run(pool)
        assert hosts.loads == 3 * ROUNDS * 4 - 1
        hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4
    outcomes = {one.outcome for of_cell in hosts.result.launches.values() for one in of_cell}
    assert outcomes == {Outcome.OK}


def test_what_is_whole_here_is_not_made_again_because_a_host_has_a_part(hosts: Hosts) -> None:
    pool = hosts.pool()
    pool.after = lambda pool, number, host: pool.kill(host) if number == 1 else None
    hosts.run(pool)
    made = hosts.loads
    assert len(hosts.waiting) == 4
    hosts.waiting[0].unlink()
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == made


def test_what_a_round_left_whose_engine_was_gone_is_removed_before_the_next_one(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = cast("MemoryEngine", hosts.posts["tcp://a"].engine)

    def gone(_container: str) -> None:
        raise EngineError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "remove", gone)
        hosts.run(hosts.pool())
    assert ": gone" in hosts.said.getvalue()
    left, create, beside = set(engine.containers), engine.create, set()
    assert left

    def created(spec: ContainerSpec) -> str:
        beside.update(left & engine.containers.keys())
        return create(spec)

    monkeypatch.setattr(engine, "create", created)
    hosts.run(hosts.pool(), fresh=True)
    assert beside == set()
    assert complete(hosts.result)
    assert engine.containers == {}


def test_a_worker_without_room_is_not_used_and_its_launches_are_kept(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RunDirectory.write_launch

    def full(
        directory: RunDirectory, record: LaunchRecord, files: Mapping[str, bytes]
    ) -> LaunchRecord:
        if directory.results.name == "a" and hosts.waiting:
            raise unwritable(directory.path, OSError(errno.ENOSPC, "full"))
        return write(directory, record, files)

    pool = hosts.pool()
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_launch", full)
        hosts.run(pool)
    assert complete(hosts.result)
    assert "free some space, or pass another --rounds DIR" in hosts.said.getvalue()
    assert len(hosts.waiting) == 1


def test_what_was_kept_of_a_round_is_made_on_another_host_once_its_own_is_lost(
    hosts: Hosts,
) -> None:
    hosts.run(hosts.pool())
    assert hosts.last
    next(iter(sorted(hosts.last.path.glob("cells/*gevent1.0*/launch-*/result.json")))).unlink()
    pool = hosts.pool()
    pool.before = lambda pool, _, host: pool.kill(host) if len(pool.posts) == 3 else None
    hosts.run(pool)
    assert complete(hosts.result)


def test_a_worker_that_answers_something_else_is_not_used(hosts: Hosts) -> None:
    post = hosts.posts["tcp://b"]
    make_round = post.make_round
    post.make_round = lambda order: replace(make_round(order), launches=[])  # type: ignore[method-assign]
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert "#2: its worker answered what cannot be used" in hosts.said.getvalue()


def test_what_is_used_again_of_a_round_is_the_newest_whichever_host_made_it(hosts: Hosts) -> None:
    hosts.run(hosts.pool())
    pool = hosts.pool()

    def kill(pool: MemoryPool, number: int, host: str) -> None:
        if number == 1:
            pool.kill(host)

    pool.before = kill
    hosts.run(pool, fresh=True)
    assert hosts.last
    newest = hosts.last.run_id
    hosts.run(hosts.pool())
    launches = [one for of_cell in hosts.result.launches.values() for one in of_cell]
    assert {one.reused_from for one in launches} == {newest}


@pytest.mark.parametrize("is_damaged", [False, True])
def test_what_a_killed_run_with_fresh_made_is_not_replaced_by_older_launches(
    hosts: Hosts, *, is_damaged: bool
) -> None:
    hosts.run(hosts.pool())
    assert hosts.last
    oldest = hosts.last.run_id
    pool = hosts.pool()
    pool.after = die_in_round_8
    with pytest.raises(KilledError):
        hosts.run(pool, fresh=True)
    killed, loads = hosts.last.run_id, hosts.loads
    if is_damaged:
        (marker,) = hosts.directory.rglob(FRESH)
        marker.write_bytes(b"\xff")
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == loads
    assert hosts.waiting == []
    launches = [one for of_cell in hosts.result.launches.values() for one in of_cell]
    # The last round lay on a worker's disk: this run is the first that has it.
    made_in = {killed: 7 * 4, None: 4, oldest: 10 * 4}
    assert Counter(one.reused_from for one in launches) == made_in


def test_fresh_makes_all_of_it_again(hosts: Hosts) -> None:
    hosts.run(hosts.pool())
    hosts.run(hosts.pool())
    assert hosts.loads == 3 * ROUNDS * 4
    hosts.run(hosts.pool(), fresh=True)
    assert hosts.loads == 2 * 3 * ROUNDS * 4


def test_interrupted_each_host_ends_after_its_launch_and_keeps_the_round(hosts: Hosts) -> None:
    pool = hosts.pool()
    pool.deaf = {"tcp://a"}  # it is told in the midst of its round, below

    def interrupt(_pool: MemoryPool, number: int, _host: str) -> None:
        if number == 4:
            pool.before = lambda *_: None
            raise KeyboardInterrupt

    def stop_in_second_round(answer: dict[str, object]) -> dict[str, object]:
        if hosts.pods["a"].loads == 6:
            assert hosts.last
            hosts.posts["tcp://a"].stop(hosts.last.run_id)
        return answer

    pool.before, hosts.pods["a"].load = interrupt, stop_in_second_round
    with pytest.raises(InterruptedRunError, match="none"):
        hosts.run(pool)
    assert [pods.loads for pods in hosts.pods.values()] == [6, 4, 4]
    assert sum(map(len, hosts.result.launches.values())) == 14
    assert hosts.result.record.finished_at is None
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4


def test_interrupted_while_a_round_is_stored_nothing_more_of_it_is_waited_for(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, write = hosts.pool(), RunDirectory.write_launch

    def interrupt(
        directory: RunDirectory, record: LaunchRecord, files: Mapping[str, bytes]
    ) -> LaunchRecord:
        if pool.rounds == 5 and directory == hosts.last:
            monkeypatch.setattr(RunDirectory, "write_launch", write)
            raise KeyboardInterrupt
        return write(directory, record, files)

    def wait(_pool: MemoryPool) -> None:
        raise AssertionError("what for?")

    monkeypatch.setattr(RunDirectory, "write_launch", interrupt)
    pool.idle = wait
    with pytest.raises(InterruptedRunError, match="none"):
        hosts.run(pool)
    assert "ending after the launch in flight on" in hosts.said.getvalue()
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    assert hosts.loads == 3 * ROUNDS * 4


def test_interrupted_as_the_scheduler_ends_the_table_is_printed(hosts: Hosts) -> None:
    """In a terminal Ctrl-C may reach both."""
    pool = hosts.pool()

    def gone(*_: object) -> None:
        raise EngineUnavailableError("the scheduler is gone")

    def interrupt(pool: MemoryPool, number: int, _host: str) -> None:
        if number == 5:
            pool.before = gone
            raise KeyboardInterrupt

    pool.before = interrupt
    with pytest.raises(InterruptedRunError, match="none"):
        hosts.run(pool)
    assert "the scheduler is gone" in hosts.said.getvalue()


def test_two_workers_of_one_engine_are_refused(hosts: Hosts, tmp_path: Path) -> None:
    hosts.posts[f"tcp://{KEYS[0]}-again"] = memory_post(tmp_path / "z", "a")
    hosts.run(hosts.pool())
    assert "another worker uses the same engine, or one with the same id" in hosts.said.getvalue()
    assert complete(hosts.result)


def test_other_versions_are_refused(hosts: Hosts) -> None:
    pool = hosts.pool()
    pool.programs = dict.fromkeys(pool.posts, "monkey-matrix 0.0.1 (0)")
    with pytest.raises(EngineUnavailableError, match=r"is monkey-matrix 0\.0\.1 .* one version"):
        hosts.run(pool)
    assert hosts.loads == 0


MATRIX = """\
version: 1
experiments:
  sample:
    axes: {python: [3.11], gevent: [25.9.1], patch: [none, gevent], copy: [a, b, c]}
    load: {concurrency: 10, requests: 200}
    base: debian
"""


def test_there_are_shards_for_the_hosts_that_take_part_alone(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    pool = hosts.pool()
    pool.programs[f"tcp://{KEYS[2]}"] = "monkey-matrix 0.0.1 (0)"

    def lock(requests: Iterable[EnvironmentRequest], platform: str) -> dict[object, Lock]:
        return {
            one: Lock(request=one, platform=platform, text="gevent==25.9.1") for one in requests
        }

    monkeypatch.setattr("runner.commands.hosts.run.locker", lambda **_: lock)
    choice = Choice(file=tmp_path / "matrix.yaml", experiment="sample", launches=1)
    options = RunOptions(results=tmp_path / "results", jobs=1)
    reporter = PlainReporter(Console(file=hosts.said, width=500))
    measured(choice, expand(choice, reporter.say), options, pool, reporter)
    assert "; 2 shards" in hosts.said.getvalue()
    assert hosts.said.getvalue().count("it is not used") == 1


def test_without_a_host_left_the_run_ends_and_says_why(hosts: Hosts) -> None:
    pool = hosts.pool()
    pool.before = lambda pool, _, host: pool.kill(host)
    with pytest.raises(EngineUnavailableError, match=r"no host is left to measure on: .*lost its"):
        hosts.run(pool)


@pytest.mark.parametrize("refused", [None, "monkey-matrix 0.0.1 (0)"])
def test_a_run_waits_for_a_worker_that_is_started_again(
    hosts: Hosts, refused: str | None, tmp_path: Path
) -> None:
    """One that is there, but cannot be used, changes nothing."""
    pool = hosts.pool()
    useless: dict[str, Post] = {}
    if refused:
        useless["tcp://localhost"] = memory_post(tmp_path / "z", "z")
        pool.posts |= useless
        pool.programs["tcp://localhost"] = refused

    def outage(pool: MemoryPool, number: int, host: str) -> None:
        if number >= 3:
            pool.kill(host)
        if pool.posts == useless:
            pool.before, pool.idle = lambda *_: None, come_back

    def come_back(pool: MemoryPool) -> None:
        pool.posts = {**hosts.posts, **useless}

    pool.before = outage
    hosts.run(pool)
    assert complete(hosts.result)
    assert "no host is left; waiting 60 s for one" in hosts.said.getvalue()
    assert hosts.loads == 3 * ROUNDS * 4


def test_where_many_are_disturbed_fewer_run_together_in_that_hosts_next_rounds(
    hosts: Hosts,
) -> None:
    hosts.jobs = 4
    hosts.pods["a"].wait_ms = lambda made: 20 if made < 4 else 0
    hosts.run(hosts.pool())
    assert complete(hosts.result)
    launches = [one for of_cell in hosts.result.launches.values() for one in of_cell]
    rejected = [one for of_cell in hosts.result.rejected.values() for one in of_cell]
    label = rejected[0].block
    sizes = {(one.block == label, one.placement.group_size) for one in launches if one.placement}
    assert len(rejected) == 4
    assert sizes == {(True, 2), (False, 4)}


def test_a_run_ends_once_its_intervals_are_narrow(hosts: Hosts) -> None:
    hosts.least, hosts.launches = 3, 15
    hosts.run(hosts.pool())
    assert complete(hosts.result, rounds=3)
    assert str(hosts.result.record.stopped).startswith("after 3 rounds: no interval")


def test_launch_numbers_are_those_of_one_round_of_one_shard() -> None:
    numbers = [Task(r, s).number(3) for r in range(1, 5) for s in range(1, 4)]
    assert numbers == list(range(1, 13))
    assert [Task.of(n, 3).number(3) for n in numbers] == numbers
