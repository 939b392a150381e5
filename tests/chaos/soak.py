"""Start a run, let things happen to it, look at what is left; start it again until it is complete.

An episode is a results directory: from its first run to one that has all launches, which is
compared with a run that nothing happened to.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.engine.ownership import OWNER_LABEL
from runner.measurement.records import LaunchRecord
from runner.store.records import now
from tests.chaos import checks
from tests.chaos.faults import FAULTS, HOST_FAULTS, Fault, Scene, TooLateError
from tests.chaos.hosts import Hosts
from tests.chaos.own_engine import OwnEngine
from tests.chaos.program import FIRST_S, HANG_S, Ended, Program

DISK = "size=128m"
#: What an engine that was just asked to remove needs for it, and a worker for what is left of a
#: round whose client is gone.
GONE_S, ROUND_S = 10.0, 90.0
#: How many of the episodes are of runs with `--dask`.
WITH_HOSTS = 0.25
#: Most faults of one run, and starts of one episode after which it is let run to its end.
MOST_FAULTS, MOST_STARTS = 3, 8
#: What a start says that has removed what others left.
SWEPT = "measuring "
#: The exit status where the engine failed.
ENGINE_FAILED = 3
LAST_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A fault: what happened to which start, how that ended, and what does not hold after it.

    `at` is when, `after_s` how long after the fault before, or the start. `finished` are the
    launches that had been made before the start, and after it; `marked` those of the start that say
    that something was wrong.
    """

    seed: int
    number: int
    episode: int
    start: int
    at: str
    fault: str
    after_s: float
    what: str
    exit: int | None
    said: list[str]
    finished: tuple[int, int]
    marked: list[str]
    problems: list[str]


@dataclass(frozen=True, kw_only=True)
class Completed:
    """An episode's end: the launches of its table, those of them marked, and what does not hold."""

    seed: int
    episode: int
    launches: int
    marked: list[str]
    problems: list[str]


@dataclass(frozen=True, kw_only=True)
class _Fault:
    """A fault that happened, when, and in words."""

    fault: Fault
    after_s: float
    what: str
    at: str


@dataclass(kw_only=True)
class Episode:
    """A results directory, and how its runs are started: on `hosts`, or on the engine itself.

    `held` are the launches that were on the worker's disk when it was last looked at.
    """

    number: int
    results: Path
    jobs: str
    hosts: Hosts | None = None
    held: checks.Finished = field(default_factory=dict)

    @property
    def dask(self) -> str:
        return self.hosts.address if self.hosts else ""


def plan(seed: int, start: int, faults: Sequence[Fault]) -> list[tuple[Fault, float]]:
    """What is to happen to the start of that number, each with the seconds to wait before it.

    It is the same whenever it is asked.
    """
    chance = random.Random(f"{seed}/{start}")
    number = chance.randint(1, MOST_FAULTS)
    going_on = [fault for fault in faults if not fault.ends]
    chosen = [chance.choice(going_on) for _ in range(number - 1) if going_on]
    chosen.append(chance.choice(faults))
    return [
        (fault, chance.uniform(0.1, 2.5 if place else 12.0)) for place, fault in enumerate(chosen)
    ]


class Soak:
    """Makes episodes on an engine of its own; `record` gets what happened, as it happens.

    What a failed check was about is kept in `evidence`; `number` faults happened before.
    """

    def __init__(
        self,
        directory: Path,
        engine: OwnEngine,
        program: Program,
        record: Callable[[Happened | Completed], None],
        *,
        seed: int,
        evidence: Path,
        number: int = 0,
    ) -> None:
        self.directory = directory
        self.engine = engine
        self.program = program
        self.record = record
        self.seed = seed
        self.evidence = evidence
        self.number = number
        clock = program.has_clock
        self.faults = [fault for fault in FAULTS if clock or fault.name != "clock jumps"]
        self.host_faults = [*HOST_FAULTS]
        #: The processes whose containers the next start has to remove.
        self._left: set[int] = set()
        self.undisturbed: list[dict[str, Any]] = []

    @property
    def _outcomes(self) -> dict[str, str]:
        return {row["cell"]: row["outcome"] for row in self.undisturbed}

    def prepare(self) -> None:
        """Build all that is needed, and make the run that nothing happens to."""
        with self._disk() as results:
            ended = self.program.run(results, "1", hangs_s=FIRST_S)
            assert ended.exit == 0, ended.said
            problems = self._problems(Episode(number=0, results=results, jobs="1"), {}, ended)
            assert not problems, problems
            self.undisturbed = _rows(results)
        assert set(self._outcomes.values()) == {"ok"}, self._outcomes

    def episode(self, number: int, start: int, wanted: Callable[[], bool]) -> int:
        """One episode, from that start on; return the number of the next start."""
        chance = random.Random(f"{self.seed}/episode {number}")
        jobs, on_hosts = chance.choice(["1", "auto"]), chance.random() < WITH_HOSTS
        if not (self.faults and self.host_faults):
            on_hosts = not self.faults
        with self._disk() as results, contextlib.ExitStack() as stack:
            episode = Episode(number=number, results=results, jobs=jobs)
            if on_hosts:
                episode.hosts = Hosts(self.directory, self.engine)
                stack.callback(episode.hosts.close)
                episode.hosts.start()
            for _ in range(MOST_STARTS):
                if not wanted() or self._start(episode, start):
                    break
                start += 1
            self._complete(episode)
        return start + 1

    def _start(self, episode: Episode, start: int) -> bool:
        """Start it and let things happen; return whether it was complete all the same."""
        results = episode.results
        before = checks.finished(results)
        happened, ended = self._disturbed(episode, start)
        problems = self._problems(episode, before, ended, [one.fault for one in happened])
        after = checks.finished(results)
        new = checks.made({path: text for path, text in after.items() if path not in before})
        marks = checks.marked(new, self._outcomes)
        for one in happened:
            self.number += 1
            self.record(
                Happened(
                    seed=self.seed,
                    number=self.number,
                    episode=episode.number,
                    start=start,
                    at=one.at,
                    fault=one.fault.name,
                    after_s=round(one.after_s, 2),
                    what=one.what,
                    exit=ended.exit,
                    said=ended.said.strip().splitlines()[-LAST_LINES:],
                    finished=(len(checks.made(before)), len(checks.made(after))),
                    marked=_words(marks),
                    problems=problems,
                )
            )
        if problems:
            self._keep(f"start-{start}", episode, ended)
        return ended.exit == 0

    def _disturbed(self, episode: Episode, start: int) -> tuple[list[_Fault], Ended]:
        """What happened to the start of that number, and how it ended."""
        planned = plan(self.seed, start, self.host_faults if episode.hosts else self.faults)
        faked = any(fault.name == "clock jumps" for fault, _ in planned)
        process = self.program.start(episode.results, episode.jobs, faked=faked, dask=episode.dask)
        chance = random.Random(f"{self.seed}/{start}/choices")
        clock = self.program.clock
        scene = Scene(process, self.engine, episode.results, clock, chance, episode.hosts)
        happened = []
        with scene.undo:
            for fault, after_s in planned:
                with contextlib.suppress(TooLateError):
                    time.sleep(after_s)
                    scene.require_running()
                    what = fault.happen(scene)
                    happened.append(_Fault(fault=fault, after_s=after_s, what=what, at=now()))
            return happened, self.program.end(process)

    def _complete(self, episode: Episode) -> None:
        """Run it to its end, and again: it has the table of a run that nothing happened to."""
        results = episode.results
        before = checks.finished(results)
        ended = self.program.run(results, episode.jobs, dask=episode.dask)
        problems = self._problems(episode, before, ended)
        after = checks.finished(results)
        launches = _of_newest(results, after)
        marks = checks.marked(launches, self._outcomes)
        if ended.exit == 0:
            problems += checks.other_table(_rows(results), self.undisturbed, marks)
            again = self.program.run(results, episode.jobs, dask=episode.dask)
            problems += self._problems(episode, after, again)
            if len(checks.made(checks.finished(results))) > len(checks.made(after)):
                problems.append("made twice: a complete run measured something again")
        self.record(
            Completed(
                seed=self.seed,
                episode=episode.number,
                launches=len(launches),
                marked=_words(marks),
                problems=problems,
            )
        )
        if problems:
            self._keep(f"episode-{episode.number}", episode, ended)

    # -- what is left ------------------------------------------------------------------------------

    def _problems(
        self,
        episode: Episode,
        before: checks.Finished,
        ended: Ended,
        faults: Sequence[Fault] = (),
    ) -> list[str]:
        """What does not hold after a start."""
        orphans = self._orphans(ended, faults, ROUND_S if episode.hosts else GONE_S)
        results = episode.results
        after = checks.finished(results)
        newest = (results / "latest").resolve() if (results / "latest").exists() else None
        problems = [
            *checks.lost(before, after),
            *checks.unstored(ended.said, newest),
            *checks.made_twice(checks.made(after)),
            *checks.damaged(results),
            *checks.dangling(results),
            *checks.tracebacks(ended.said),
        ]
        if ended.exit is None:
            problems.append(f"hangs: it did not end within {HANG_S:.0f} s")
        elif ended.exit not in (exits := _exits(faults, ended)):
            problems.append(f"exit: {ended.exit}, not one of {sorted(exits)}")
        if episode.hosts:
            problems += checks.tracebacks(episode.hosts.said)
            now_held = episode.hosts.held()
            problems += checks.dropped(episode.held, checks.made({**after, **now_held}))
            episode.held = now_held
        return problems + orphans

    def _orphans(self, ended: Ended, faults: Sequence[Fault], seconds: float) -> list[str]:
        """Containers of nobody, as soon as there are none, or after so many seconds."""
        if ended.exit == 0 or SWEPT in ended.said:
            self._left.clear()
        if any(fault.leaves for fault in faults):
            self._left.add(ended.pid)
        deadline = time.monotonic() + seconds
        while found := list(checks.orphans(self._containers(), self._left)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return found

    def _containers(self) -> list[checks.Container]:
        with contextlib.closing(self.engine.client(timeout=60)) as client:
            return [
                checks.Container(
                    name=str(one["Names"][0]).lstrip("/"),
                    owner_pid=int(one["Labels"].get(OWNER_LABEL, "0").partition(":")[0]),
                )
                for one in client.api.containers(all=True)
            ]

    def _keep(self, name: str, episode: Episode, ended: Ended) -> None:
        """Keep what a failed check was about."""
        kept = self.evidence / name
        kept.mkdir(parents=True, exist_ok=True)
        if episode.results.exists():
            shutil.copytree(episode.results, kept, symlinks=True, dirs_exist_ok=True)
        (kept / "said").write_text(ended.said)
        if episode.hosts:
            (kept / "worker").write_text(episode.hosts.said)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[Path]:
        """Results on a small file system of their own."""
        disk = self.directory / "disk"
        disk.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", disk], check=True)
        try:
            yield disk / "results"
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def _exits(faults: Sequence[Fault], ended: Ended) -> frozenset[int]:
    """How the program may end: without one of its containers it cannot begin to measure."""
    before = {ENGINE_FAILED} if faults and SWEPT not in ended.said else set()
    return frozenset({0}).union(before, *(fault.exits for fault in faults))


def _rows(results: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((results / "latest" / "table.json").read_text())["rows"]
    return rows


def _of_newest(results: Path, files: checks.Finished) -> list[LaunchRecord]:
    """The launches that the newest run has, also those that others made."""
    run = (results / "latest").resolve()
    return [
        LaunchRecord.model_validate_json(text)
        for path, text in files.items()
        if path.is_relative_to(run) or path.resolve().is_relative_to(run)
    ]


def _words(marks: dict[str, list[str]]) -> list[str]:
    return [f"{cell} {words}" for cell, several in marks.items() for words in several]
