"""When a server is looked at: never before its load has ended, and only where a reason is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.matrix.cell import Cell
from runner.matrix.servers import Server
from runner.measurement.cpu_time import Used
from runner.measurement.explanation import FILE, UNTIL_HELD, facts_of, of_launch
from runner.measurement.launch import Launch
from runner.measurement.loaded import Loaded
from runner.measurement.why.seen import Seen
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
    launch = ended(pods)
    assert launch.why is None
    assert steps(pods) == MEASURED
    assert FILE not in launch.files


def test_one_that_is_held_back_is_looked_at_after_its_load() -> None:
    pods = SimulatedPods(serial=True, stacks=lambda _: looks(COMPUTING, "running"))
    launch = ended(pods)
    assert launch.verdict
    assert launch.verdict[0] is Outcome.SERIALISED
    assert steps(pods) == [*MEASURED, "stacks"]
    assert "shop/views.py:7" in (launch.why or "")
    assert b"shop/views.py:7" in launch.files[FILE]


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


@pytest.mark.parametrize(("others_s", "says"), [(0.8, True), (0.4, False), (None, False)])
def test_what_others_use_of_the_cpus_is_known_from_the_pods_own_use(
    others_s: float | None, *, says: bool
) -> None:
    """What the server's own programs use is its pod's."""
    pods = SimulatedPods(stacks=lambda _: looks(LOOP, 232))
    launch = Launch(MemoryEngine(pods), a_job(a_cell()), VirtualClock())
    try:
        launch.start()
        launch.load()
        assert launch.loaded
        cpus = launch.loaded.reply.machine.cpus
        if others_s is not None:
            busy_s, pods_s = cpus * 0.9, cpus * (0.9 - others_s)
            launch.cpu_used = Used(
                wall_s=1.0, busy_s=busy_s, pods_s=pods_s, engine_s=0.0, runner_s=0.0
            )
        line = of_launch(launch, launch.pod, Outcome.LIMITED, "")
    finally:
        launch.close()
    assert ("others used 80 %" in (line or "")) is says


def test_one_that_answers_wrong_under_load_is_looked_at_at_rest() -> None:
    pods = SimulatedPods(load=lambda answer: {**answer, "ab": {**answer["ab"], "exit_code": 104}})
    launch = ended(pods)
    assert launch.verdict
    assert launch.verdict[0].is_failure
    assert steps(pods) == [*MEASURED, "stacks"]


@pytest.mark.parametrize("step", ["calibrate", "load"])
@pytest.mark.parametrize("held_from", [2, 4, 99])
def test_one_with_an_rlock_of_before_the_patch_is_looked_at_at_work_until_it_is_held(
    step: str, held_from: int
) -> None:
    """By several: between two batches of requests it is free."""
    found = looks(COMPUTING, "running")

    def seen(_: dict[str, Any]) -> dict[str, Any]:
        times = 5 * (steps(pods).count("stacks") >= held_from)
        guard = {"module": "app", "name": "guard", "kind": "RLock", "importer": None}
        scan = {"locks": [guard | {"held": bool(times), "times": times}]}
        return {**found, "looks": [one | {"scan": scan} for one in found["looks"]]}

    wrong: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "calibrate": lambda _: {"failed": "wrong-answer", "reason": "status 500"},
        "load": lambda answer: {**answer, "ab": {**answer["ab"], "exit_code": 104}},
    }
    pods = SimulatedPods(stacks=seen)
    setattr(pods, step, wrong[step])
    launch = ended(pods)
    before = MEASURED[: MEASURED.index(step) + 1]
    assert steps(pods) == [*before, *["stacks"] * min(held_from, 2 + UNTIL_HELD)]
    assert ("held 5 times over" in (launch.why or "")) is (held_from <= 2 + UNTIL_HELD)


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


ALL = frozenset({
    "os", "queue", "select", "signal", "socket", "ssl", "subprocess", "threading", "time",
})  # fmt: skip


@pytest.mark.parametrize(
    ("patch", "placement", "server", "modules"),
    [
        ("none", None, "pywsgi", frozenset()),
        ("grpc", "first", "pywsgi", frozenset()),
        ("gevent-socket", "first", "werkzeug", frozenset({"socket"})),
        ("gevent", "first", "werkzeug", ALL),
        ("gevent(queue=False,thread=False)", "first", "werkzeug", ALL - {"threading", "queue"}),
        ("gevent+grpc", "late", "werkzeug", ALL),
        ("none", None, "gunicorn-gevent", ALL),
        ("gevent", "after-app", "werkzeug", ALL),
        # Only the application knows.
        ("none", "by-app", "werkzeug", frozenset()),
    ],
)
def test_where_no_answer_was_right_what_is_patched_is_what_was_to_be(
    patch: str, placement: str | None, server: str, modules: frozenset[str]
) -> None:
    cell = replace(a_cell(), patch=patch, placement=placement, server=Server(name=server))
    launch = Launch(MemoryEngine(SimulatedPods()), a_job(cell), VirtualClock())
    facts = facts_of(launch, Outcome.HANG_AT_FIRST_REQUEST, Seen(), "")
    assert facts.gevent_modules == modules


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.IMPORT_ERROR, Outcome.HANG_AT_STARTUP])
def test_a_patch_after_the_application_may_not_have_been_reached(
    outcome: Outcome, *, preload: bool
) -> None:
    settings = (("workers", 1), ("preload", 1)) if preload else ()
    server = Server(name="gunicorn-gevent" if preload else "werkzeug", settings=settings)
    placement = "worker" if preload else "after-app"
    cell = replace(a_cell(), patch="gevent", placement=placement, server=server)
    launch = Launch(MemoryEngine(SimulatedPods()), a_job(cell), VirtualClock())
    assert not facts_of(launch, outcome, Seen(), "").gevent_modules
    first = replace(cell, placement="first", server=Server(name="werkzeug"))
    launch = Launch(MemoryEngine(SimulatedPods()), a_job(first), VirtualClock())
    assert facts_of(launch, outcome, Seen(), "").gevent_modules == ALL


@pytest.mark.parametrize(
    ("exception", "looked"),
    [
        ("greenlet.error: Cannot switch to a different thread", 1),
        # It says nothing of a hang: that may be a pause, which is over by now and comes again.
        ("OSError: no space", 4),
    ],
)
def test_a_hang_is_looked_at_until_a_cause_is_known(exception: str, looked: int) -> None:
    pods = SimulatedPods(stacks=lambda _: looks(LOOP, 232))
    cell = replace(a_cell(), patch="gevent(thread=False)", placement="first")
    launch = Launch(MemoryEngine(pods), a_job(cell), VirtualClock())
    log = f'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n{exception}\n'
    try:
        launch.start()
        of_launch(launch, launch.pod, Outcome.HANG_UNDER_LOAD, log)
    finally:
        launch.close()
    assert steps(pods).count("stacks") == looked


@pytest.mark.parametrize(
    ("dump", "says"),
    [
        (b"!!! uWSGI process 15 got Segmentation Fault !!!\n", None),
        (b"Thread 0x1 (most recent call first):\n", "no Python could run"),
    ],
)
def test_a_process_that_a_dump_ended_is_not_said_to_be_held(dump: bytes, says: str | None) -> None:
    pods = SimulatedPods(stacks=lambda _: {"asked": 3, "looks": [], "silent": [15]})
    launch = Launch(MemoryEngine(pods), a_job(a_cell()), VirtualClock())
    try:
        launch.start()
        launch.files["stacks.txt"] = dump
        line = of_launch(launch, launch.pod, Outcome.HANG_AT_FIRST_REQUEST, "")
    finally:
        launch.close()
    assert line is None if says is None else (line or "").startswith(says)


@pytest.mark.parametrize(
    ("log", "looked"),
    [("[CRITICAL] WORKER TIMEOUT (pid:9)\n", 2), ("[ERROR] Worker failed\n", 1)],
)
def test_what_a_worker_was_at_that_did_not_report_is_looked_for_at_work(
    log: str, looked: int
) -> None:
    pods = SimulatedPods()
    launch = Launch(MemoryEngine(pods), a_job(a_cell()), VirtualClock())
    try:
        launch.start()
        launch.checked = None  # none was answered right
        of_launch(launch, launch.pod, Outcome.FAILED_REQUESTS, log)
    finally:
        launch.close()
    assert steps(pods).count("stacks") == looked


def test_that_grpc_is_patched_is_known_from_the_patch_mode_where_nothing_was_answered() -> None:
    for patch, is_patched in (("gevent+grpc", True), ("gevent", False)):
        cell = replace(a_cell(), patch=patch)
        pods = SimulatedPods(check=lambda _: {"failed": "wrong-answer", "reason": "status 500"})
        launch = ended(pods, of=cell)
        facts = facts_of(launch, Outcome.HANG_AT_FIRST_REQUEST, Seen(), "")
        assert facts.grpc_patched is is_patched


def test_one_that_answers_no_look_is_not_asked_again_and_again() -> None:
    silent = {"asked": 20, "looks": [], "silent": [7]}
    pods = SimulatedPods(serial=True, stacks=lambda _: silent)
    ended(pods, stalled_s=3.0)
    # It is started again once: what makes it stand still may come at its beginning only.
    assert steps(pods) == [*MEASURED, "stacks", "ready", "stacks"]


@pytest.mark.parametrize(("patch", "looked"), [("none", 1), ("gevent", 4)])
def test_a_hang_is_no_pause_where_there_is_no_event_loop(patch: str, looked: int) -> None:
    elsewhere = {"file": "/application/shop/views.py", "line": 9, "function": "wait"}
    pods = SimulatedPods(stacks=lambda _: looks(elsewhere if patch == "none" else LOOP, 232))
    launch = Launch(MemoryEngine(pods), a_job(replace(a_cell(), patch=patch)), VirtualClock())
    try:
        launch.start()
        of_launch(launch, launch.pod, Outcome.HANG_UNDER_LOAD, "")
    finally:
        launch.close()
    assert steps(pods).count("stacks") == looked
