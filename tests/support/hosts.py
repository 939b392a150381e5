"""Hosts that exist in memory only: posts with an engine each, and workers that can be killed."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from runner.build.prepare import Prepared
from runner.build.recipe import Image
from runner.commands.cells import LockedCells
from runner.commands.hosts.pool import Ended
from runner.commands.hosts.post import Post
from runner.commands.hosts.wire import Assignment, Greeting
from runner.commands.record import run_record
from runner.commands.run import Ready
from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineError, MatrixError
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Experiment, Limits
from runner.measurement.agent import AbFacts
from runner.measurement.schedule import Jobs
from runner.store.records import RunRecord
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell

IMAGE = Image(reference="image", image_id="sha256:image", key="image")


def cells_of(number: int) -> tuple[Cell, ...]:
    """So many patched cells, and the baseline of them all."""
    patched = tuple(
        replace(a_cell(n, concurrency=10, requests=200), varied=("patch",)) for n in range(number)
    )
    return (replace(patched[0], patch="none", requirements=()), *patched)


def shards_of(
    cells: Sequence[Cell],
    number: int,
    *,
    run: str = "run",
    launches: int = 6,
    least: int | None = None,
    fresh: bool = False,
    jobs: int = 1,
) -> list[Assignment]:
    """The patched cells in so many parts, each with the baseline."""
    baseline, patched = cells[0], cells[1:]
    shards = []
    for index in range(number):
        own = (baseline, *patched[index::number])
        experiment = Experiment(
            name="sample",
            axes=("python", "gevent", "patch"),
            cells=own,
            limits=Limits(),
            launches=launches,
            least_launches=least,
        )
        shards.append(
            Assignment(
                run=run,
                experiment=experiment,
                locked=LockedCells(cells=own, locks={}, unavailable={}),
                jobs=jobs,
                seed=7,
                shard=index + 1,
                shards=number,
                fresh=fresh,
            )
        )
    return shards


def memory_post(spool: Path, key: str, pods: SimulatedPods | None = None) -> Post:
    """A post whose engine has that key; cells are made by these pods."""
    engine = MemoryEngine(pods or SimulatedPods())

    def ready(assignment: Assignment) -> tuple[Ready, RunRecord]:
        prepared = Prepared(
            loadgen=IMAGE,
            bases={},
            environments={},
            companions={},
            cells=dict.fromkeys(assignment.locked.cells, IMAGE),
            unavailable={},
            failed={},
        )
        made = Ready(
            engine=cast("DockerEngine", engine),
            experiment=assignment.experiment,
            locked=assignment.locked,
            prepared=prepared,
            ab=AbFacts(opening=AbOpening.FIRST_ALONE, version="2.4.71"),
            jobs=Jobs(limit=assignment.jobs),
            seed=assignment.seed,
        )
        return made, run_record(
            assignment.run,
            assignment.experiment,
            assignment.locked,
            prepared,
            engine=engine.info(),
            ab=made.ab,
            jobs=assignment.jobs,
            seed=assignment.seed,
            shard=None,
        )

    return Post(engine=engine, engine_key=key, spool=spool, make_ready=ready, clock=VirtualClock())


def passed(value: Any) -> Any:
    """A value as it is after a way between processes."""
    return pickle.loads(pickle.dumps(value))


@dataclass
class MemoryPool:
    """A `Pool` that does one thing after the other, in the order in which it was asked.

    `before` and `after` may raise what ends the client, or kill a host, around each round by its
    number from 1: a round of a host that was killed before it began is not made, and of one that
    was killed after it nobody hears.
    """

    posts: dict[str, Post]
    before: Callable[[MemoryPool, int, str], None] = lambda *_: None
    after: Callable[[MemoryPool, int, str], None] = lambda *_: None
    #: Called where nobody is asked anything.
    idle: Callable[[MemoryPool], None] = lambda _: None
    #: How a worker calls itself in another version.
    programs: dict[str, str] = field(default_factory=dict)
    #: Workers that nothing reaches beside their rounds.
    deaf: set[str] = field(default_factory=set)
    asked: deque[tuple[str, str, Any]] = field(default_factory=deque)
    rounds: int = 0

    def kill(self, host: str) -> None:
        del self.posts[host]

    def hosts(self) -> set[str]:
        return set(self.posts)

    def submit(self, host: str, function: Callable[..., object], *args: Any) -> None:
        assert host not in {waiting for waiting, _, _ in self.asked}, "one outstanding per host"
        self.asked.append((host, function.__name__, args))

    def next_ended(self, seconds: float) -> Ended | None:
        if not self.asked:
            self.idle(self)
            return None
        host, name, args = self.asked[0]
        is_round = name == "make_round"
        if is_round:
            self.before(self, self.rounds + 1, host)
        self.asked.popleft()
        self.rounds += is_round
        if host not in self.posts:
            return Ended(host=host, lost=True)
        result = error = None
        try:
            result = passed(getattr(self.posts[host], name)(*passed(args)))
        except (MatrixError, EngineError) as raised:
            error = raised
        if is_round:
            self.after(self, self.rounds, host)
        if host not in self.posts:
            return Ended(host=host, lost=True)
        if isinstance(result, Greeting) and host in self.programs:
            result = replace(result, program=self.programs[host])
        return Ended(host=host, result=result, error=error)

    def outstanding(self) -> set[str]:
        return {host for host, _, _ in self.asked}

    def tell(self, host: str, function: Callable[..., object], *args: Any) -> None:
        if host in self.posts.keys() - self.deaf:
            getattr(self.posts[host], function.__name__)(*passed(args))
