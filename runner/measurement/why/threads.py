"""Threads that a fork left behind, and those that the end of a process waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from runner.measurement.why import places
from runner.measurement.why.facts import Facts
from runner.measurement.why.places import OURS, SITE, WORKLOADS
from runner.measurement.why.seen import Frame, Look, Stack

#: A server's own threads are none of its application's.
SERVERS: Final = (f"{SITE}gunicorn/", f"{SITE}waitress/", f"{SITE}werkzeug/")
#: Where Python waits for a condition, which another thread is to bring about.
THREADING: Final = "/threading.py"


def early_thread(facts: Facts) -> Mapping[str, str] | None:
    """Requests wait for another thread, and one is in the master alone."""
    waiting = [stack for look in facts.looks for stack in _waiting_requests(facts, look)]
    serving = {_key(frame) for look in facts.looks for frame in _origins(look, started=False)}
    left = [
        frame
        for frame in dict.fromkeys(one for look in facts.seen.looks for one in _origins(look))
        if _key(frame) not in serving
    ]
    if not waiting or not left:
        return None
    stack = waiting[-1]
    same = [frame for frame in left if _library(facts, frame) in _libraries(facts, stack)]
    caller = places.first(stack.frames, places.is_application)
    most = max(sum(one.number for one in _waiting_requests(facts, look)) for look in facts.looks)
    return {
        "waiting": "a request waits" if most == 1 else f"{most} requests wait",
        "where": places.text(caller or stack.frames[0]),
        "same": "yes" if same else "",
        **_named(facts, same or left),
    }


def ending(facts: Facts) -> Mapping[str, str] | None:
    """The main thread is where Python ends, and waits for the threads that are no daemons."""
    for look, stack in facts.main_threads():
        inner = [one for one in stack.frames if one.file.endswith(THREADING)]
        if not any(one.function == "_shutdown" for one in inner) or stack.syscall == "running":
            continue
        others = list(dict.fromkeys(_origins(look)))
        if not others:
            return {"thread": "a thread", "at": ""}
        return {"at": "", **_named(facts, others)}
    return None


def _waiting_requests(facts: Facts, look: Look) -> Iterator[Stack]:
    """Requests that wait for what another thread of theirs is to do, and for no lock."""
    for stack in facts.requests(look):
        inner = places.first(stack.frames, lambda frame: not places.is_carrier(frame))
        if inner and inner.file.endswith(THREADING) and inner.function == "wait":
            yield stack


def _origins(look: Look, *, started: bool = True) -> Iterator[Frame]:
    """Where each thread that is no request has its first function; greenlets too, if all count."""
    stacks: Iterable[Stack] = look.threads
    if not started:
        stacks = (*look.threads, *(look.greenlets or ()))
    for stack in stacks:
        if stack.main or places.is_request(stack):
            continue
        frame = places.first(stack.frames[::-1], lambda frame: not places.is_wrapper(frame))
        if frame and not frame.file.startswith(SERVERS) and not _is_ours(frame):
            yield frame


def _is_ours(frame: Frame) -> bool:
    return frame.file.startswith(OURS) and not frame.file.startswith(WORKLOADS)


def _key(frame: Frame) -> tuple[str, str]:
    return frame.file, frame.function


def _library(facts: Facts, frame: Frame) -> str | None:
    """What a thread belongs to; None for the application, whose requests are all in it."""
    if places.is_application(frame):
        return None
    return facts.of_frame(frame) or places.module_of(frame)


def _libraries(facts: Facts, stack: Stack) -> set[str]:
    inside = (one for one in places.inside(stack) if not places.is_application(one))
    return {facts.of_frame(one) or places.module_of(one) for one in inside}


def _named(facts: Facts, frames: Iterable[Frame]) -> Mapping[str, str]:
    """`a thread of apscheduler 3.11.0`, or `the thread at app.py:12`."""
    names = dict.fromkeys(
        f"that of {of}" if (of := _library(facts, frame)) else f"the one at {places.text(frame)}"
        for frame in frames
    )
    return {"thread": " and ".join(names), "is": "is" if len(names) == 1 else "are"}
