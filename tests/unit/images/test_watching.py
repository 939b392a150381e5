"""What gevent's monitor is made to write of its loop, and how the sidecar reads it."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from runner.measurement.blocks import BlocksReply, Watched
from tests.support.loadgen import program

MS = 1_000_000
GEVENT = SimpleNamespace(__version__="25.9.1")


class Tracer:
    """Says what it is told to of a loop; `active_greenlet` is none that is known here."""

    def __init__(self) -> None:
        self.active_greenlet: object = "a request"
        self.blocked = False

    def did_block_hub(self, hub: object) -> bool:
        return self.blocked


class Clock:
    """Moves by what is given."""

    def __init__(self) -> None:
        self.ns = 1000 * MS

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def watching(importable: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = importlib.import_module("monkey_matrix_server.watching")
    monkeypatch.setattr(found, "now", Clock())
    monkeypatch.setattr(found, "waited", lambda _: 0)
    monkeypatch.setitem(sys.modules, "gevent", cast("ModuleType", GEVENT))
    return found


def hub() -> Any:
    return SimpleNamespace(thread_ident=threading.get_ident(), main_hub=True)


def seen(watching: ModuleType, since_ns: int = 0) -> Watched:
    """What the sidecar reads of this one process."""
    config = {"blocks": watching.contract.BLOCKS, "since_ns": since_ns}
    reply = BlocksReply(**program("blocks").blocks(config))
    assert reply.asked_ns > 0
    (found,) = reply.watched
    return found


def looked(watching: ModuleType, *moments: tuple[int, bool], active: object = "it") -> Watched:
    """What is read after looks so many ms apart, at which the loop was blocked or not."""
    tracer, loop = Tracer(), hub()
    blocks = watching.Blocks(tracer)
    blocks(loop)
    tracer.active_greenlet = loop if active == "the loop" else active
    for after_ms, tracer.blocked in moments:
        watching.now.ns += after_ms * MS
        blocks(loop)
    return seen(watching)


def test_a_block_lasts_from_the_look_before_it_to_the_last_that_saw_it(
    watching: ModuleType,
) -> None:
    found = looked(watching, (20, False), (20, True), (20, True), (20, False), (20, True))
    assert (found.gevent, found.machine) == ("25.9.1", os.uname().machine)
    assert found.period_s == watching.PERIOD_S
    told = [
        ((one.began_ns - 1000 * MS) // MS, (one.until_ns - 1000 * MS) // MS, one.kept)
        for one in found.samples
    ]
    assert told == [(20, 40, False), (20, 60, False), (80, 100, False)]
    stack = found.stacks[found.samples[0].stack or 0]
    assert stack.main
    assert stack.frames[1].function == "looked", "the thread of the loop, which is this one"


def test_a_stack_is_written_once(watching: ModuleType) -> None:
    found = looked(watching, *[(20, True)] * 5)
    assert len(found.samples) == 5
    assert len(found.stacks) == 1


def test_a_call_that_keeps_the_lock_is_seen_by_the_time_that_is_missing(
    watching: ModuleType,
) -> None:
    (sample,) = looked(watching, (20, False), (900, False), (20, False)).samples
    assert (sample.kept, sample.until_ns - sample.began_ns) == (True, 900 * MS)
    assert sample.stack == 0, "it is still in the greenlet that called"


def test_what_waits_for_a_cpu_keeps_no_lock(
    watching: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = iter([0, 0, 800 * MS, 1600 * MS])
    monkeypatch.setattr(watching, "waited", lambda _: next(waited))
    (sample,) = looked(watching, (20, False), (900, False), (900, True)).samples
    assert (sample.kept, sample.until_ns - sample.began_ns) == (False, 900 * MS)


def test_where_nobody_counts_that_nothing_is_claimed(
    watching: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "waited", lambda _: None)
    assert not looked(watching, (900, False)).samples


def test_how_long_threads_waited_for_a_cpu_is_the_kernels_count(importable: Path) -> None:
    waited = importlib.import_module("monkey_matrix_server.watching").waited
    path = Path(f"/proc/self/task/{os.getpid()}/schedstat")
    before = int(path.read_text().split()[1])
    assert waited(os.getpid()) >= 2 * before, "the first thread is this one as well"
    assert waited(2**22 + 1) is None, "there is no such thread"


def test_where_it_was_is_not_known_once_the_loop_runs_again(watching: ModuleType) -> None:
    (sample,) = looked(watching, (900, False), active="the loop").samples
    assert (sample.kept, sample.stack) == (True, None)


def test_what_was_before_a_moment_is_left_out(watching: ModuleType) -> None:
    looked(watching, (20, True), (20, True))
    assert len(seen(watching, since_ns=1000 * MS + 21 * MS).samples) == 1


def test_only_the_monitor_of_the_main_loop_is_taken_over(watching: ModuleType) -> None:
    class PeriodicMonitorThreadStartedEvent:
        def __init__(self, loop: object) -> None:
            self.own = SimpleNamespace(function="gevent's")
            self.monitor = SimpleNamespace(
                hub=loop, _monitoring_functions=[self.own], _greenlet_tracer=Tracer()
            )

    main, other = hub(), hub()
    other.main_hub = False
    events = [PeriodicMonitorThreadStartedEvent(loop) for loop in (main, other, None)]
    for event in (*events, object()):
        watching.on_event(event)
    assert isinstance(events[0].own.function, watching.Blocks)
    assert [event.own.function for event in events[1:]] == ["gevent's"] * 2
    assert not list(Path(watching.contract.BLOCKS).parent.glob("*blocks*"))
    # Another monitor than those of gevent 22 to 26.
    events[0].monitor = SimpleNamespace(hub=main)
    watching.on_event(events[0])
    assert "gevent's monitor is another one than is known" in str(seen(watching).error)


def test_gevent_is_told_to_watch(watching: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert not watching.is_wanted()
    os.environ["MATRIX_DIAGNOSE"] = "1"
    assert watching.is_wanted()
    watching.set_up()
    assert os.environ["GEVENT_MONITOR_THREAD_ENABLE"] == "1"
    assert float(os.environ["GEVENT_MAX_BLOCKING_TIME"]) == watching.PERIOD_S
