"""When a server is looked at: never before its load has ended, and only where a reason is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.matrix.cell import Cell
from runner.matrix.servers import Server
from runner.measurement.launch import Launch
from runner.measurement.loaded import Loaded
from runner.outcome import Outcome
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

MEASURED = ["ready", "check", "calibrate", "load"]
COMPUTING = {"file": "/application/shop/views.py", "line": 7, "function": "price"}
SINGLE = replace(a_cell(), server=Server(name="werkzeug-single"))
LOOP = {"file": "/site/gevent/hub.py", "line": 1, "function": "run"}


def looks(frame: dict[str, Any], syscall: int | str, *others: dict[str, Any]) -> dict[str, Any]:
    """What is seen of a process whose main thread is at one place, and other threads elsewhere."""
    threads = [{"number": 1, "main": True, "frames": [frame], "syscall": syscall}]
    threads += [{"number": 1, "main": False, "frames": [one]} for one in others]
    look = {"taken_ns": 1, "pid": 7, "cpu_ns": 1, "threads": threads}
    return {"asked": 20, "looks": [look] * 20}


def ended(pods: SimulatedPods, *, of: Cell | None = None, stalled_s: float | None = None) -> Launch:
    launch = Launch(MemoryEngine(pods), a_job(of or a_cell()), VirtualClock())
    try:
        launch.start()
        launch.load()
        if stalled_s is not None:
            loaded = vars(launch.loaded) | {"standstills": (stalled_s,)}
            launch.loaded = Loaded(**loaded)
        launch.collect()
    finally:
        launch.close()
    return launch


def steps(pods: SimulatedPods) -> list[str]:
    return [name for name, _ in pods.events if name != "sockets"]


def test_one_that_just_works_is_never_looked_at() -> None:
    pods = SimulatedPods()
    assert ended(pods).why is None
    assert steps(pods) == MEASURED


def test_one_that_is_held_back_is_looked_at_after_its_load() -> None:
    pods = SimulatedPods(serial=True, stacks=lambda _: looks(COMPUTING, "running"))
    launch = ended(pods)
    assert launch.verdict
    assert launch.verdict[0] is Outcome.SERIALISED
    assert steps(pods) == [*MEASURED, "stacks"]
    assert "shop/views.py:7" in (launch.why or "")


def test_one_that_does_what_its_settings_say_needs_no_look() -> None:
    pods = SimulatedPods(serial=True)
    launch = ended(pods, of=SINGLE)
    assert launch.why == (
        "werkzeug-single takes 1 request at a time, by its settings; remedy: more threads or "
        "workers, or a server that takes more"
    )
    assert steps(pods) == MEASURED
    # Its loop stood still beside that.
    pods = SimulatedPods(serial=True, stacks=lambda _: looks(COMPUTING, 45, LOOP))
    launch = ended(pods, of=SINGLE, stalled_s=3.0)
    assert steps(pods) == [*MEASURED, "stacks"]


def test_one_that_answers_wrong_under_load_is_looked_at_at_rest() -> None:
    pods = SimulatedPods(load=lambda answer: {**answer, "ab": {**answer["ab"], "exit_code": 104}})
    launch = ended(pods)
    assert launch.verdict
    assert launch.verdict[0].is_failure
    assert steps(pods) == [*MEASURED, "stacks"]


@pytest.mark.parametrize("step", ["calibrate", "load"])
def test_one_with_an_rlock_of_before_the_patch_is_looked_at_at_work_too(step: str) -> None:
    guard = {"module": "app", "name": "guard", "kind": "RLock", "held": False, "importer": None}
    found = looks(COMPUTING, "running")
    seen = {**found, "looks": [one | {"scan": {"locks": [guard]}} for one in found["looks"]]}
    wrong: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "calibrate": lambda _: {"failed": "wrong-answer", "reason": "status 500"},
        "load": lambda answer: {**answer, "ab": {**answer["ab"], "exit_code": 104}},
    }
    pods = SimulatedPods(stacks=lambda _: seen)
    setattr(pods, step, wrong[step])
    ended(pods)
    assert steps(pods) == [*MEASURED[: MEASURED.index(step) + 1], "stacks", "stacks"]


def test_one_that_never_answered_right_is_looked_at_at_rest_alone() -> None:
    pods = SimulatedPods(check=lambda _: {"failed": "wrong-answer", "reason": "status 500"})
    ended(pods)
    assert steps(pods) == ["ready", "check", "stacks"]


@pytest.mark.parametrize(
    ("seen", "further"),
    [
        # A loop that waits for events shows nothing: what held it may come at its start only.
        (looks(LOOP, 232), ["ready", *["stacks"] * 7]),
        (looks(COMPUTING, 45, LOOP), []),
        # Threads without a loop do not hold each other up.
        (looks(COMPUTING, 45), []),
    ],
)
def test_a_loop_that_stood_still_is_started_again_unless_the_cause_is_seen(
    seen: dict[str, Any], further: list[str]
) -> None:
    pods = SimulatedPods(serial=True, stacks=lambda _: seen)
    ended(pods, stalled_s=3.0)
    assert steps(pods) == [*MEASURED, "stacks", *further]
