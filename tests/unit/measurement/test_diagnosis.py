"""A launch beside the measured ones, that finds out what blocks the event loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.engine.protocol import ContainerSpec
from runner.matrix.application import Header, Request
from runner.measurement.asked import WORKLOAD
from runner.measurement.diagnosis import LOAD_S, NO_LOOP, DiagnosticLaunch, shortened, told
from runner.measurement.diagnosis_record import BlockRecord, DiagnosisRecord
from runner.measurement.forecast import Forecast
from runner.measurement.job import Job
from runner.measurement.why.facts import Facts
from runner.measurement.why.seen import Frame, Seen, Stack
from runner.outcome import Outcome
from runner.report.diagnosis_text import blocked_text
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

SITE = "/site/psycopg2/extensions.py"
SENT = Frame(file=SITE, line=7, function="execute")
ORDERS = Frame(file="/application/shop/orders.py", line=12, function="orders")
FLASK = Frame(file="/site/flask/app.py", line=3, function="wsgi_app")
POLL = 7


def watched(*samples: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """What the monitor of a loop wrote: it was in psycopg2, from and until so many ns."""
    stack = Stack(number=1, main=True, frames=(SENT, ORDERS, FLASK), syscall=POLL)
    seen = [{"began_ns": b, "until_ns": u, "kept": False, "stack": 0} for b, u in samples]
    found = {
        "gevent": "25.9.1",
        "machine": "x86_64",
        "period_s": 0.02,
        "stacks": [stack.model_dump()],
    }
    return {**found, "samples": seen, **changes}


def looks(_answer: dict[str, Any]) -> dict[str, Any]:
    """The process knows whose the files are that it has seen."""
    scan = {"distributions": {SITE: ("psycopg2-binary", "2.9.10")}}
    return {"asked": 1, "looks": [{"taken_ns": 1, "pid": 1, "cpu_ns": 1, "scan": scan}]}


def diagnosed(pods: SimulatedPods, job: Job | None = None) -> tuple[DiagnosisRecord, MemoryEngine]:
    """The diagnosis of one launch, whose pod is there still."""
    engine = MemoryEngine(pods)
    launch = DiagnosticLaunch(engine, job or a_job(a_cell()), VirtualClock())
    launch.start()
    if launch.verdict is None:
        launch.load()
    return launch.diagnosis(launch.collect()), engine


def server(engine: MemoryEngine) -> ContainerSpec:
    return next(c.spec for c in engine.containers.values() if c.spec.name.endswith("-server"))


def test_it_names_library_and_caller_of_what_blocked_the_loop_under_the_load() -> None:
    asked: list[int] = []

    def blocks(answer: dict[str, Any]) -> dict[str, Any]:
        asked.append(answer["asked_ns"])
        if len(asked) == 1:
            return {"asked_ns": 5_000_000_000, "watched": []}
        of_it = watched((6_000_000_000, 7_000_000_000), (6_000_000_000, 8_000_000_000))
        return {"asked_ns": 15_000_000_000, "watched": [of_it]}

    pods = SimulatedPods(blocks=blocks, stacks=looks)
    found, engine = diagnosed(pods)
    assert asked[1] == 1 + 5_000_000_000, "only what came after the first question"
    assert (found.gevent, found.loops, found.watched_s, found.left_out) == ("25.9.1", 1, 10, None)
    (block,) = found.blocks
    assert block.what == "psycopg2-binary 2.9.10 waits in C (poll)"
    assert (block.where, block.times) == ("shop/orders.py:12", 1)
    assert block.total_s == pytest.approx(2.02)
    assert server(engine).environment == {"MATRIX_DIAGNOSE": "1"}
    assert found.outcome is Outcome.OK


def test_a_measured_launch_is_not_watched() -> None:
    assert a_job(a_cell()).diagnosed is False


def test_the_load_is_cut_to_some_seconds() -> None:
    found, _ = diagnosed(SimulatedPods())
    assert (found.requests, found.concurrency) == (100 * LOAD_S / 2, 100)
    short = Forecast(job=a_job(a_cell(requests=200)))
    assert shortened(short) == short.load()
    slow = SimulatedPods(serial=True)
    found, _ = diagnosed(slow)
    assert (found.requests, found.concurrency) == (5, 5)


def test_no_loop_is_no_finding() -> None:
    found, _ = diagnosed(SimulatedPods())
    assert (found.left_out, found.loops, found.watched_s) == (NO_LOOP, 0, None)
    unknown = SimulatedPods(blocks=lambda a: {**a, "watched": [watched(error="another monitor")]})
    assert diagnosed(unknown)[0].left_out == "another monitor"


def test_a_server_that_never_answers_is_watched_from_its_start() -> None:
    refused = {"failed": "first-not-answered", "reason": "not answered"}
    of_it = watched((1_000_000_000, 9_000_000_000))
    pods = SimulatedPods(
        check=lambda _: refused, blocks=lambda a: {**a, "watched": [of_it]}, stacks=looks
    )
    found, _ = diagnosed(pods)
    assert found.outcome is Outcome.HANG_AT_FIRST_REQUEST
    assert (found.watched_s, found.blocks[0].times) == (None, 1)


def test_what_the_launch_alone_knew_is_masked() -> None:
    secret = Request(headers=(Header(name="X-Key", value="psycopg2-binary"),))
    job = replace(a_job(a_cell()), asked=replace(WORKLOAD, request=secret))
    of_it = watched((1_000_000_000, 9_000_000_000))
    pods = SimulatedPods(blocks=lambda a: {**a, "watched": [of_it]}, stacks=looks)
    assert diagnosed(pods, job)[0].blocks[0].what == "*** 2.9.10 waits in C (poll)"


def test_what_is_said_of_a_stack() -> None:
    facts = Facts(outcome=Outcome.OK, seen=Seen(**looks({})))
    alone = Stack(number=1, frames=(ORDERS, FLASK), syscall="running")
    one = told(facts, alone, "x86_64")
    assert (one.what, one.where) == ("shop/orders.py:12 computes", None)
    other = replace_line(alone, 13)
    assert told(facts, other, "x86_64").place == one.place, "of the same function"
    in_library = Stack(number=1, frames=(SENT, ORDERS), syscall=None)
    assert told(facts, in_library, "x86_64").what == "psycopg2-binary 2.9.10"
    nobody = Stack(number=1, frames=(SENT, FLASK), syscall=None)
    assert told(facts, nobody, "x86_64").where is None


def replace_line(stack: Stack, line: int) -> Stack:
    first, *others = stack.frames
    return stack.model_copy(update={"frames": (first.model_copy(update={"line": line}), *others)})


def test_several_loops_are_watched_for_several_times_as_long() -> None:
    found = DiagnosisRecord(
        cell="cell",
        made_in="run",
        outcome=Outcome.OK,
        period_s=0.02,
        loops=2,
        watched_s=5.0,
    )
    assert blocked_text(found) == "2 event loops were never blocked for 0.04 s or more"
    block = BlockRecord(what="it computes", times=2, total_s=8.0, longest_s=5.0, lock_kept=True)
    assert blocked_text(found.model_copy(update={"blocks": (block,) * 5})) == (
        "2 event loops were blocked for 40.0 s of 2 × 5.0 s: "
        + 3
        * "it computes, which kept the interpreter's lock (2 times, 8.0 s in all, 5.00 s at "
        "most); " + "and 2 places more"
    )
