"""Hands out the rounds of a run to its hosts, one at a time each, until there are enough.

A worker that is lost costs the round that it was making: another host makes it. What a host has
made before, for this run or for one that was interrupted, is fetched, not made again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from runner.commands.hosts import tasks
from runner.commands.hosts.answers import misfit, next_answer, unfit
from runner.commands.hosts.book import NOTHING, Book, Kept
from runner.commands.hosts.pool import Ended, Pool
from runner.commands.hosts.post import NotReadyError
from runner.commands.hosts.square import Homes, Stored, Task
from runner.commands.hosts.wire import Assignment, Greeting, Made, Order, Prepared
from runner.errors import EngineError, EngineUnavailableError, MatrixError
from runner.measurement.records import LaunchRecord
from runner.measurement.rounds import FAILURE_LAUNCHES, full_rates
from runner.progress import Reporter
from runner.text import listed

#: How often a round may be lost with its host before it is left out.
MOST_LOST: Final = 3
#: How long, in seconds, the client waits for an answer before it looks which workers are there.
LOOK_S: Final = 1.0
#: How many such looks in a row may find no host before the run ends.
MOST_LOOKS: Final = 60


@dataclass(kw_only=True)
class Member:
    """A host of the run, and what its worker does: makes ready for a task's shard, or the task.

    The `order` is what it was asked for in the latter case, `kept` what need not be made of it.
    `full_rates` are the rates that its baselines reached, in requests per second.
    """

    address: str
    greeting: Greeting
    label: str
    prepared: dict[int, Prepared] = field(default_factory=dict)
    full_rates: dict[str, float] = field(default_factory=dict)
    task: Task | None = None
    order: Order | None = None
    kept: Kept = NOTHING


@dataclass(kw_only=True)
class Dispatch:
    """A run's shards, its hosts, and which rounds are made.

    `is_enough` is asked at the end of each round from the fewest on, by its number.
    """

    pool: Pool
    book: Book
    reporter: Reporter
    shards: Sequence[Assignment]
    is_enough: Callable[[int], bool]
    homes: Homes = field(default_factory=Homes)
    members: dict[str, Member] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    done: set[Task] = field(default_factory=set)
    lost: Counter[Task] = field(default_factory=Counter)
    #: Cells of which a launch failed: they have several.
    failed: set[str] = field(default_factory=set)
    #: How many rounds are to be made, as far as is known.
    planned: int = 0
    looks: int = 0  # in a row that found no host
    why_gone: str = "no worker is there"
    #: Whether a worker was lost that was of use: it may be started again.
    one_was_lost: bool = False
    #: Workers that were asked who they are.
    greeted: set[str] = field(default_factory=set)

    @property
    def _any_shard(self) -> Assignment:
        return self.shards[0]

    @property
    def rounds(self) -> int:
        """How many rounds there are at most."""
        return self._any_shard.experiment.launches

    def run(self) -> None:
        """Make all rounds. Raises `EngineUnavailableError` once no host is left."""
        self.planned = self._any_shard.experiment.least_launches or self.rounds
        while True:
            self._greet()
            self._hand_out()
            if any(member.task for member in self.members.values()) or self.greeted:
                if ended := next_answer(self.pool, LOOK_S):
                    self._end(ended)
            elif self._left():
                self._wait_for_a_host()
            elif not self._has_more():
                return

    def _wait_for_a_host(self) -> None:
        """A worker that ended may be started again: wait for a while, then give up."""
        all_refused = not self.one_was_lost and self.refused >= self.pool.hosts() != set()
        if self.looks >= MOST_LOOKS or all_refused:
            raise EngineUnavailableError(
                f"no host is left to measure on: {self.why_gone}; what was measured is stored, "
                "here or on the hosts: see that their workers and engines run, then run the same "
                "command to resume"
            )
        if not self.looks:
            self.reporter.say(f"no host is left; waiting {MOST_LOOKS * LOOK_S:.0f} s for one")
        self.looks += 1
        self.pool.next_ended(LOOK_S)

    # -- hosts -------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """Ask those who came who they are: a worker that was started again, for one.

        First those who went leave, or the one that was started again would find its place taken.
        """
        present = self.pool.hosts()
        for member in list(self.members.values()):
            if member.task is None and member.address not in present:
                self._leave(member, "lost its worker")
        for address in present - self.members.keys() - self.refused - self.greeted:
            self.greeted.add(address)
            self.pool.submit(address, tasks.greet)

    def welcome(self, address: str, greeting: Greeting) -> bool:
        """Whether a host takes part."""
        if problem := unfit(greeting, [member.greeting for member in self.members.values()]):
            self.why_gone = f"{greeting.host.hostname} ({address}): {problem}"
            self.reporter.say(f"{self.why_gone}; it is not used")
            self.refused.add(address)
            return False
        label, self.looks = self.book.label(greeting), 0
        self.members[address] = Member(address=address, greeting=greeting, label=label)
        return True

    def settle(self, stored: Iterable[Stored]) -> None:
        """The hosts that are there now have their places; rounds are at home where they are held.

        `stored` are those that earlier runs have here.
        """
        shard = self._any_shard
        greetings = [member.greeting for member in self.members.values()]
        places = [greeting.engine_key for greeting in greetings]
        self.homes = Homes(places=places, rounds=self.rounds)
        held = (
            Stored(Task.of(one.number, shard.shards), greeting.engine_key, one.key, one.fresh)
            for greeting in greetings
            for one in greeting.held
            if (one.experiment, one.shards) == (shard.experiment.name, shard.shards)
        )
        # The newest come first: a round that was made afresh is not the older one's. Then what is
        # whole here: a host may hold a part of the same round.
        everything = () if shard.fresh else (*stored, *held)
        for one in sorted(everything, key=lambda one: one.run, reverse=True):
            self.homes.add(one)

    def _leave(self, member: Member, why: str) -> None:
        del self.members[member.address]
        self.one_was_lost |= member.address not in self.refused
        self.why_gone = f"{member.label}: {why}"
        self.reporter.say(f"{member.label}: {why}")

    # -- rounds ------------------------------------------------------------------------------------

    def _cells(self, task: Task) -> frozenset[str] | None:
        """Those that a round is of: None for all, after the last round those that failed."""
        if task.round <= self.rounds:
            return None
        ids = {cell.id for cell in self.shards[task.shard - 1].locked.cells}
        return frozenset(ids & self.failed)

    def _left(self) -> list[Task]:
        """The rounds that are still to be made, in their order."""
        everything = (
            Task(number, shard)
            for number in range(1, self.planned + 1)
            for shard in range(1, len(self.shards) + 1)
        )
        return [
            task
            for task in everything
            if task not in self.done and self._cells(task) != frozenset()
        ]

    def _has_more(self) -> bool:
        """Whether further rounds are needed, which are then planned."""
        if self.planned < self.rounds:
            if self.is_enough(self.planned):
                return False
            self.planned += 1
            self.reporter.more(sum(len(one.locked.cells) for one in self.shards))
            return True
        if self.planned < FAILURE_LAUNCHES and self.failed:
            self.planned += 1
            self.reporter.more(len(self.failed))
            return True
        return False

    def _hand_out(self) -> None:
        taken = {member.task for member in self.members.values()}
        left = [task for task in self._left() if task not in taken]
        for member in list(self.members.values()):
            while member.task is None and (task := self._next(member, left)):
                left.remove(task)
                self._start(member, task)

    def _next(self, member: Member, left: Sequence[Task]) -> Task | None:
        """The first of the host's own rounds, else of those whose host is not there."""
        present = {one.greeting.engine_key for one in self.members.values()}
        own = member.greeting.engine_key
        mine = (task for task in left if self.homes.of(task) == own)
        orphaned = (task for task in left if self.homes.of(task) not in present)
        return next(mine, None) or next(orphaned, None)

    def _start(self, member: Member, task: Task) -> None:
        """Have the host make a round, once it is ready for the shard."""
        prepared = member.prepared.get(task.shard)
        if prepared is None:
            member.task, member.order = task, None
            self.reporter.say(f"{member.label}: preparing shard {task.shard}")
            self.pool.submit(member.address, tasks.prepare, self.shards[task.shard - 1])
            return
        number = task.number(len(self.shards))
        member.kept = kept = self.book.kept(member.greeting, prepared, number)
        member.full_rates |= full_rates([one.record for one in kept.launches])
        order = self._order(member, prepared, task)
        self.reporter.say(f"{member.label}: round {task.round}, shard {task.shard}{kept.said}")
        if kept.whole:
            self._finish(member, task, self.book.adopt(member.greeting, prepared, number, kept))
            self.pool.tell(member.address, tasks.acknowledge, order)
            self.reporter.more(-len(kept.launches))
            return
        member.task, member.order = task, order
        self.pool.submit(member.address, tasks.make_round, order)

    def _order(self, member: Member, prepared: Prepared, task: Task) -> Order:
        cells = self._cells(task)
        if kept := {one.cell for one in member.kept.launches}:
            cells = frozenset((cells or {cell.id for cell in prepared.record.cells}) - kept)
        return Order(
            run=self._any_shard.run,
            key=prepared.key,
            number=task.number(len(self.shards)),
            cells=cells,
            full_rates=dict(member.full_rates),
        )

    def _finish(self, member: Member, task: Task, launches: Sequence[LaunchRecord]) -> None:
        member.task = None
        self.done.add(task)
        self.failed |= {one.cell for one in launches if one.outcome.is_failure}
        member.full_rates = full_rates(launches) | member.full_rates

    # -- what ends ---------------------------------------------------------------------------------

    def _end(self, ended: Ended) -> None:
        if ended.host in self.greeted:
            self.greeted.discard(ended.host)
            self._answered(ended)
            return
        member = self.members.get(ended.host)
        if member is None or member.task is None:
            return
        task = member.task
        if ended.lost:
            self._leave(member, f"lost its worker in round {task.round}, shard {task.shard}")
            self._lose(task)
        elif error := ended.error or self._misfit(member, task, ended.result):
            if not isinstance(error, NotReadyError):
                self.refused.add(member.address)
            self._leave(member, words(error))
            self._lose(task)
        elif isinstance(ended.result, Prepared):
            member.prepared[task.shard] = ended.result
            self.book.add(member.greeting, ended.result)
            self.homes.forget_other_keys(member.greeting.engine_key, task.shard, ended.result.key)
            member.task = None
        else:
            self._made(member, task, ended.result)

    def _misfit(self, member: Member, task: Task, answer: object) -> MatrixError | None:
        asked = (member.prepared[task.shard], member.order) if member.order else None
        return misfit(answer, self.shards[task.shard - 1], asked)

    def _answered(self, ended: Ended) -> None:
        """A worker that came said who it is, or failed to."""
        if isinstance(ended.result, Greeting):
            self.welcome(ended.host, ended.result)
        elif not ended.lost:
            self.refused.add(ended.host)
            self.why_gone = f"{ended.host}: {words(ended.error)}"
            self.reporter.say(f"{self.why_gone}; it is not used")

    def _made(self, member: Member, task: Task, made: Made) -> None:
        if not made.whole:
            self.refused.add(member.address)
            self._leave(member, "its worker was told to stop")
            self._lose(task)
            return
        self._store(member, task, made)

    def _store(self, member: Member, task: Task, made: Made) -> None:
        prepared = member.prepared[task.shard]
        order = self._order(member, prepared, task)
        launches = self.book.store(member.greeting, prepared, order.number, made, member.kept)
        self._finish(member, task, launches)
        kept = len(member.kept.launches)
        self.reporter.more(-kept)
        for launch in launches[kept:]:
            self.reporter.ended(launch, final=True)
        # Only now is it on this disk.
        self.pool.tell(member.address, tasks.acknowledge, order)

    def _lose(self, task: Task) -> None:
        self.lost[task] += 1
        if self.lost[task] >= MOST_LOST:
            self.done.add(task)
            self.reporter.say(
                f"round {task.round} of shard {task.shard} was lost {MOST_LOST} times and is left "
                "out; the workers' logs say why"
            )

    # -- to end early ------------------------------------------------------------------------------

    def stop(self) -> None:
        """End every host's round after the launch in flight, and store what was made of it."""
        asked = self.pool.outstanding()
        busy = {
            address: member
            for address, member in self.members.items()
            if address in asked and member.task and member.task.shard in member.prepared
        }
        if not busy:
            return
        self.reporter.say(
            f"ending after the launch in flight on {listed([m.label for m in busy.values()])}; "
            "Ctrl-C again does not wait"
        )
        for address in busy:
            self.pool.tell(address, tasks.stop, self._any_shard.run)
        while busy.keys() & self.pool.outstanding():
            ended = next_answer(self.pool, LOOK_S)
            member = busy.get(ended.host) if ended else None
            if ended and member and member.task and isinstance(ended.result, Made):
                self._keep(member, member.task, ended.result)

    def _keep(self, member: Member, task: Task, made: Made) -> None:
        """A part of a round is stored for the table; the host keeps it to make the rest."""
        if self._misfit(member, task, made):
            return
        if made.whole:
            self._store(member, task, made)
        else:
            prepared = member.prepared[task.shard]
            number = task.number(len(self.shards))
            for launch in self.book.store(member.greeting, prepared, number, made):
                self.reporter.ended(launch, final=True)


def words(error: BaseException | None) -> str:
    """What went wrong on a host, in a line."""
    if isinstance(error, (MatrixError, EngineError)):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error}: install the same version of `monkey-matrix[dask]` here and there"
    return f"{type(error).__name__}: {error}; its worker's log has more"


def greetings(
    pool: Pool, seconds: float, clock: Callable[[], float], say: Callable[[str], None]
) -> Iterator[Ended]:
    """What the workers that are there answer to a greeting, each as soon as it does."""
    deadline = clock() + seconds
    while not (addresses := pool.hosts()):
        if clock() > deadline:
            raise EngineUnavailableError(
                f"no worker is there after {math.ceil(seconds)} s: start `matrix worker` on each "
                "host, see docs/hosts.md"
            )
        pool.next_ended(LOOK_S)
    for address in addresses:
        pool.submit(address, tasks.greet)
    waiting, is_told = set(addresses), False
    while waiting:
        ended = next_answer(pool, LOOK_S)
        if ended is None and not is_told:
            say(f"waiting for {listed(sorted(waiting))}: a worker ends what it does first")
            is_told = True
        if ended and ended.host in waiting:
            waiting.remove(ended.host)
            yield ended
