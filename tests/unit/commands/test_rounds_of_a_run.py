"""A whole run of as many rounds as needed, on the in-memory engine and a real results directory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from runner.build.prepare import Prepared
from runner.build.recipe import Image
from runner.commands import run as command
from runner.commands.cells import LockedCells
from runner.commands.run import Ready, finish, measure_all, open_directory
from runner.commands.underway import Underway
from runner.engine.docker_engine import DockerEngine
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Experiment, Limits
from runner.measurement.agent import AbFacts
from runner.measurement.records import LaunchRecord
from runner.measurement.schedule import Jobs
from runner.progress import PlainReporter
from runner.store.reuse import reusable
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell

GEVENT = replace(a_cell(), varied=("patch",))
NONE = replace(GEVENT, patch="none", requirements=())
EVERY = "no interval of a patch mode reaches further than δ from its ratio"
#: Seconds that the loads of one cell take, in turn: at least what its clients wait, so 100.
VARYING = (101.0, 111.0, 101.5, 106.0)


@dataclass
class Rounds:
    """Runs of two cells, whose results are stored in one directory."""

    results: Path
    least: int | None = 3
    most: int = 5
    cells: tuple[Cell, ...] = (NONE, GEVENT)
    said: io.StringIO = field(default_factory=io.StringIO)

    def run(self, pods: SimulatedPods, *, fresh: bool = False) -> Underway:
        """Do as `matrix run` once the images are there."""
        ready = self.ready(MemoryEngine(pods))
        underway = open_directory(ready, self.results)
        reporter = PlainReporter(Console(file=self.said, width=500))
        earlier = {} if fresh else reusable(underway.record, self.results)
        measure_all(ready, underway, earlier, reporter)
        return finish(underway)

    def ready(self, engine: MemoryEngine) -> Ready:
        """What `matrix run` has made by then."""
        image = Image(reference="image", image_id="sha256:image", key="image")
        prepared = Prepared(
            loadgen=image,
            bases={},
            environments={},
            companions={},
            cells=dict.fromkeys(self.cells, image),
            unavailable={},
            failed={},
        )
        experiment = Experiment(
            name="sample",
            axes=("python", "patch"),
            cells=self.cells,
            limits=Limits(),
            launches=self.most,
            least_launches=self.least,
        )
        return Ready(
            engine=cast("DockerEngine", engine),
            experiment=experiment,
            locked=LockedCells(cells=self.cells, locks={}, unavailable={}),
            prepared=prepared,
            ab=AbFacts(opening=AbOpening.FIRST_ALONE, version="2.4.71"),
            jobs=Jobs(limit=1),
            seed=7,
        )

    @property
    def messages(self) -> str:
        return self.said.getvalue()


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    monkeypatch.setattr(command, "SystemClock", VirtualClock)
    return Rounds(tmp_path / "results")


def varying(times: Sequence[float] = VARYING, *, fails_at: int | None = None) -> SimulatedPods:
    """Pods whose gevent cell takes these times in turn; all is interrupted in load `fails_at`."""
    pods = SimulatedPods()
    of_gevent = 0

    def load(answer: dict[str, Any]) -> dict[str, Any]:
        nonlocal of_gevent
        if pods.loads == fails_at:
            raise KeyboardInterrupt
        if pods.events[-1][1] == NONE.id:
            return answer
        seconds = times[of_gevent % len(times)]
        of_gevent += 1
        report = answer["ab"]["stdout"].replace("100.000 seconds", f"{seconds:.3f} seconds")
        return {**answer, "ab": {**answer["ab"], "stdout": report}}

    pods.load = load
    return pods


def made(launches: Sequence[LaunchRecord]) -> list[tuple[str, int]]:
    return sorted((one.cell, one.launch) for one in launches)


def grouped(launches: Sequence[LaunchRecord]) -> dict[str, list[LaunchRecord]]:
    return {
        cell: [one for one in launches if one.cell == cell] for cell in {x.cell for x in launches}
    }


def all_of(number: int) -> list[tuple[str, int]]:
    return sorted((cell.id, n) for cell in (NONE, GEVENT) for n in range(1, number + 1))


def test_it_ends_after_the_least_rounds_once_all_is_within_delta(rounds: Rounds) -> None:
    ended = rounds.run(SimulatedPods())
    assert made(ended.launches) == all_of(3)
    stored = ended.directory.read_run()
    assert stored.stopped == f"after 3 rounds: {EVERY}"
    assert stored.finished_at
    assert f"Stopped after 3 rounds: {EVERY}." in ended.result().table
    assert "each cell launched 3 times" in ended.result().table


def test_it_goes_on_to_the_most_while_an_interval_is_too_wide(rounds: Rounds) -> None:
    ended = rounds.run(varying())
    assert made(ended.launches) == all_of(5)
    stopped = ended.directory.read_run().stopped or ""
    assert stopped.startswith("after 5 rounds, the maximum: requests/s of gevent is still ± ")
    assert stopped.endswith(", wider than 2 %")


def test_a_fixed_number_of_launches_says_nothing_of_why(rounds: Rounds) -> None:
    ended = replace(rounds, least=None, most=2).run(SimulatedPods())
    assert made(ended.launches) == all_of(2)
    assert ended.directory.read_run().stopped is None
    assert "Stopped" not in ended.result().table


def test_a_second_run_measures_nothing_and_stops_at_the_same_round(rounds: Rounds) -> None:
    first = rounds.run(varying((120.0, 101.0, 110.0, 110.0)))
    pods = SimulatedPods()
    again = rounds.run(pods)
    assert pods.loads == 0
    assert made(again.launches) == made(first.launches) == all_of(5)
    assert again.record.stopped == first.record.stopped


def test_of_rounds_that_are_not_needed_nothing_is_used_again(rounds: Rounds) -> None:
    """A run of five rounds, then one of which three are enough, and the same again."""
    rounds.run(varying())
    rounds.run(SimulatedPods(), fresh=True)
    rounds.said.truncate(0)
    pods = SimulatedPods()
    ended = rounds.run(pods)
    assert pods.loads == 0
    assert made(ended.launches) == all_of(3)
    assert ended.record.stopped == f"after 3 rounds: {EVERY}"
    assert "used again: 6 launches (run " in rounds.messages


def test_a_new_cell_is_measured_in_as_many_rounds_as_the_others(rounds: Rounds) -> None:
    rounds.run(varying())
    other = replace(GEVENT, patch="gevent-time")
    pods = SimulatedPods()
    ended = replace(rounds, cells=(NONE, GEVENT, other)).run(pods)
    assert pods.loads == 5
    assert {len(found) for found in grouped(ended.launches).values()} == {5}


def test_an_interrupted_run_is_resumed_where_it_was(rounds: Rounds) -> None:
    """The eighth of its loads, in the fourth round, is interrupted."""
    with pytest.raises(KeyboardInterrupt):
        rounds.run(varying(fails_at=8))
    pods = varying()
    ended = rounds.run(pods)
    assert made(ended.launches) == all_of(5)
    assert pods.loads == 10 - 7


def test_an_interrupted_run_that_is_precise_by_now_is_only_ended(rounds: Rounds) -> None:
    with pytest.raises(KeyboardInterrupt):
        replace(rounds, least=4).run(varying([100.0], fails_at=7))
    pods = SimulatedPods()
    ended = rounds.run(pods)
    assert pods.loads == 0
    assert ended.record.stopped == f"after 3 rounds: {EVERY}"


def test_a_table_after_the_first_round_then_a_line_after_each(rounds: Rounds) -> None:
    rounds.run(varying())
    after = rounds.messages.partition("after round 1 of 3 to 5")
    assert "Against the baseline:" in after[0]
    assert "Against the baseline:" not in after[2]
    lines = [line for line in rounds.messages.splitlines() if line.startswith("after round ")]
    assert [line.partition(":")[0] for line in lines] == [
        f"after round {number} of 3 to 5" for number in range(1, 5)
    ]
    assert "too few rounds for intervals yet; next: 2 launches in about " in lines[1]
    assert "requests/s of gevent is still ± " in lines[2]


def test_how_many_launches_there_are_grows_by_rounds(rounds: Rounds) -> None:
    rounds.run(varying())
    begun = [line.split()[0] for line in rounds.messages.splitlines() if line.startswith("[")]
    assert begun == [
        *(f"[{number}/6]" for number in range(1, 7)),
        *("[7/8]", "[8/8]", "[9/10]", "[10/10]"),
    ]
    assert (
        "3 to 5 rounds, until no interval of a patch mode reaches further than δ from its ratio"
        in rounds.messages
    )


def test_one_launch_of_each_cell_says_nothing_between(rounds: Rounds) -> None:
    replace(rounds, least=None, most=1).run(SimulatedPods())
    assert "after round" not in rounds.messages
    assert "Against the baseline" not in rounds.messages


def test_why_a_cell_that_failed_is_launched_again_is_said(rounds: Rounds) -> None:
    pods = SimulatedPods()

    def load(answer: dict[str, Any]) -> dict[str, Any]:
        hangs = pods.events[-1][1] == GEVENT.id
        return {**answer, "ab": {**answer["ab"], "ending": "stalled"}} if hangs else answer

    pods.load = load
    replace(rounds, least=None, most=1).run(pods)
    said = rounds.messages.splitlines()
    begun = [n for n, line in enumerate(said) if line.startswith("[") and GEVENT.id in line]
    assert ["launched again" in said[n - 1] for n in begun] == [False, True, True]


def test_nothing_is_said_of_rounds_that_were_measured_before(rounds: Rounds) -> None:
    rounds.run(varying())
    rounds.said.truncate(0)
    rounds.run(SimulatedPods())
    assert "after round" not in rounds.messages
    assert "measuring" not in rounds.messages
