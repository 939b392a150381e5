"""What can be found in the facts, each kind by one function: `None`, or the fields of its line.

A finding says what was seen. What it means, for which library, and what helps, is in `rules.yaml`.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from runner.measurement.why import places
from runner.measurement.why.before import unpatched_name
from runner.measurement.why.facts import Facts
from runner.measurement.why.seen import Called, Frame, Lock, Look, Stack
from runner.measurement.why.syscalls import ON_DESCRIPTORS, name_of
from runner.outcome import Kind
from runner.text import counted

#: The texts that a rule's line is made of, and what its conditions are about, by name.
Fields = Mapping[str, str]
Finding = Callable[[Facts], Fields | None]

PROCESS: Final = operator.attrgetter("pid")
#: Share of the looks from which a loop that is not waiting for events is blocked, or computes.
OFTEN: Final = 0.2
#: Of the requests seen at a time, so many at the same place wait for the same.
SEVERAL: Final = 3
#: Share of the looks from which a loop of a server that hangs never runs.
FOR_GOOD: Final = 0.95
#: And below which how long a loop stood still says more than how often it was seen to.
SELDOM: Final = 0.5
MOST: Final = 0.5
#: Share of the machine's CPU time that leaves too little for a server.
NEARLY_ALL: Final = 0.75
#: Locks of Python's and gevent's, by the end of their types' names.
LOCKS: Final = (".lock", ".RLock", "._RLock", "LockType", "Semaphore", ".Condition", "RLock")
#: Types whose wait in a thread is the kernel's: no greenlet runs meanwhile.
NATIVE: Final = ("_thread.lock", "_thread.RLock", "_queue.SimpleQueue")
#: Python's own locks for the end of a thread, which are held while it runs.
OF_A_THREAD: Final = ("_tstate_lock",)


# -- the thread of the event loop ------------------------------------------------------------------


def native_lock(facts: Facts) -> Fields | None:
    """The loop's thread waits for a lock that was made before the patch."""
    found = blocked_loop(facts)
    if found is None or not facts.is_patched:
        return None
    look, stack, share = found
    if stack.syscall == "running" or _call(look, stack) != "futex":
        return None
    called = next((one for one in stack.calls if _is_native(one)), None)
    held = _held(facts)
    lock = next((one for one in held if called and f"{one.module}.{one.name}" == called.name), None)
    queues = [one for one in facts.scan.locks if one.kind == "SimpleQueue"]
    if lock is None and _kind_of(None, called) == "queue" and len(queues) == 1:
        (lock,) = queues  # the line has another name for it
    if lock is None and called is None and len(held) == 1 and facts.forks(stack):
        (lock,) = held
    if lock is None and called is None:
        return None
    name = f"{lock.module}.{lock.name}" if lock else called.name if called else ""
    where, fields = stack.frames[0], _blocked_fields(facts, look, stack, share)
    return {
        **fields,
        "from": fields["from"] or f" at {fields['where']}",
        "lock": name,
        "holder": lock.module if lock else places.module_of(where),
        "kind": _kind_of(lock, called),
        "imported": facts.importer(lock) if lock else "",
        "module": places.module_of(where),
    }


def blocked_call(facts: Facts) -> Fields | None:
    """The loop's thread waits in the kernel, called by compiled code or an unpatched function."""
    found = blocked_loop(facts)
    if found is None or not isinstance(found[1].syscall, int):
        return None
    look, stack, share = found
    fields = _blocked_fields(facts, look, stack, share)
    return {
        **fields,
        "unpatched": unpatched_name(facts, stack),
        "patched": _patched(facts),
        "grpc": "patched" if facts.grpc_patched else "",
        "compiled": facts.compiled(stack) or "",
        "native": facts.native(stack),
        "left_out": facts.left_out(stack),
        "suspended": _suspended(facts, stack),
    }


def _patched(facts: Facts) -> str:
    if facts.has_eventlet:
        return "eventlet"
    return "something" if facts.is_patched else "nothing"


def computing(facts: Facts) -> Fields | None:
    """The main thread computes: nothing else of its process runs meanwhile."""
    found = blocked_loop(facts)
    if found is None or found[1].syscall != "running" or _delay(facts) > MOST:
        return None
    return _blocked_fields(facts, *found)


def without_cpu(facts: Facts) -> Fields | None:
    """The thread of the event loop would run, and waits for a CPU more than it has one."""
    share = _delay(facts)
    if not facts.has_loop or share <= MOST:
        return None
    return {"delayed": f"{100 * share:.0f} %"}


def busy_machine(facts: Facts) -> Fields | None:
    """Others used nearly all of the machine's CPUs."""
    if facts.elsewhere < NEARLY_ALL:
        return None
    return {"elsewhere": f"{100 * facts.elsewhere:.0f} %"}


def _delay(facts: Facts) -> float:
    """For which share of the time that the main thread would have run it waited for a CPU."""
    ran = delayed = 0
    for _, looks in itertools.groupby(sorted(facts.looks, key=PROCESS), key=PROCESS):
        known = [look for look in looks if look.main_ran_ns is not None]
        if known:
            ran += (known[-1].main_ran_ns or 0) - (known[0].main_ran_ns or 0)
            delayed += (known[-1].main_delayed_ns or 0) - (known[0].main_delayed_ns or 0)
    return delayed / (ran + delayed) if ran + delayed else 0.0


def blocked_loop(facts: Facts) -> tuple[Look, Stack, float] | None:
    """Where the loop's thread is most often when it does not wait for events, and how often."""
    if not facts.has_loop:
        return None
    seen = [(look, stack) for look, stack in facts.main_threads() if stack.frames]
    away = [(look, stack) for look, stack in seen if not places.is_loop(stack.frames[0])]
    waiting = [(look, stack) for look, stack in away if isinstance(stack.syscall, int)]
    chosen = waiting if len(waiting) * 2 >= len(away) or facts.is_stalled else away
    if not chosen or (len(chosen) < OFTEN * len(seen) and not facts.is_stalled):
        return None
    places_of = Counter(_told(facts, stack) for _, stack in chosen)
    most, times = places_of.most_common(1)[0]
    there = [(look, stack) for look, stack in chosen if _told(facts, stack) == most]
    inner = Counter(stack.frames[0] for _, stack in there).most_common(1)[0][0]
    look, stack = next((look, stack) for look, stack in there if stack.frames[0] == inner)
    return look, stack, times / len(seen)


def _told(facts: Facts, stack: Stack) -> tuple[object, ...]:
    """What a line says of a place: only what is the same there counts for it."""
    inner, caller = stack.frames[0], places.first(stack.frames, places.is_application)
    if stack.syscall == "running":  # it is at another line each time
        return stack.syscall, caller or (inner.file, inner.function)
    return stack.syscall, library_of(facts, stack) or inner, caller


def _blocked_fields(facts: Facts, look: Look, stack: Stack, share: float) -> dict[str, str]:
    library, caller = library_of(facts, stack), places.first(stack.frames, places.is_application)
    is_named = caller and (library or caller != stack.frames[0])
    below = f", called from {places.text(caller)}" if caller and is_named else ""
    if caller is None and (other := _other_library(facts, stack, library)):
        below = f", called by {other}"
    percent = f"for {100 * share:.0f} % of the burst"
    if facts.outcome.kind is Kind.HANG:
        percent = "for good" if share > FOR_GOOD else f"in {100 * share:.0f} % of the looks"
    if facts.is_stalled and share < SELDOM:
        percent = f"for up to {facts.stalled_s:.1f} s at a time"
    return {
        "library": library or places.text(stack.frames[0]),
        "distribution": (library or "").partition(" ")[0],
        "call": wait_of(facts, look, stack),
        "from": below,
        "where": places.text(caller or stack.frames[0]),
        "inner": places.text(stack.frames[0]),
        "modules": " ".join(called.module for called in stack.calls),
        "blocked": percent,
    }


def library_of(facts: Facts, stack: Stack) -> str | None:
    """The distribution that waits: of what the innermost line calls, or of that line itself."""
    if found := facts.compiled(stack):
        return found
    inner = places.first(stack.frames, lambda frame: not places.is_wrapper(frame))
    return facts.of_frame(inner) if inner else None


def _other_library(facts: Facts, stack: Stack, library: str | None) -> str | None:
    """The next distribution outwards, where nothing of the application is in the stack."""
    found = (facts.of_frame(frame) for frame in stack.frames)
    return next((one for one in found if one and one != library), None) if library else None


def _call(look: Look, stack: Stack) -> str:
    return name_of(stack.syscall, look.machine) if isinstance(stack.syscall, int) else ""


def wait_of(facts: Facts, look: Look, stack: Stack) -> str:
    """What a thread waits in, `recvfrom → db:5432`."""
    call = _call(look, stack)
    sockets = dict.fromkeys(stack.sockets) if call in ON_DESCRIPTORS else ()
    to = ", ".join(facts.peer(address) for address in sockets)
    return " → ".join(part for part in (call, to) if part)


def _is_native(called: Called) -> bool:
    return called.type in NATIVE or called.module in {"_thread", "_queue"}


def _held(facts: Facts) -> list[Lock]:
    locks = (lock for lock in facts.scan.locks if lock.held)
    return [lock for lock in locks if not lock.name.endswith(OF_A_THREAD)]


def _kind_of(lock: Lock | None, called: Called | None) -> str:
    if lock:
        return {"SimpleQueue": "queue"}.get(lock.kind, "lock")
    return "queue" if called and "queue" in f"{called.type}{called.module}".lower() else "lock"


def _suspended(facts: Facts, stack: Stack) -> str:
    """Where requests are that cannot go on, because the loop is blocked by another."""
    blocked = places.first(stack.frames, places.is_application)
    for look in reversed(facts.looks):
        for other in look.greenlets or ():
            if not places.is_request(other) or blocked is None:
                continue
            place = _same_function(other, blocked)
            if place and place.line != blocked.line:
                return f"; a request that is at {places.text(place)} cannot go on meanwhile"
    return ""


# -- requests that wait for each other -------------------------------------------------------------


def lock_wait(facts: Facts) -> Fields | None:
    """Requests wait for a lock, and maybe one of them is further on: it may hold that lock."""
    for look, stack, others in _waiting_together(facts):
        lock = " or ".join(one.name for one in stack.calls if one.type.endswith(LOCKS))
        if not lock:
            continue
        return {**_together_fields(facts, look, stack, others), "lock": lock}
    return None


def same_place(facts: Facts) -> Fields | None:
    """Most requests wait at the same place."""
    for look, stack, others in _waiting_together(facts):
        return _together_fields(facts, look, stack, others)
    return None


def _waiting_together(facts: Facts) -> list[tuple[Look, Stack, Sequence[Stack]]]:
    """Each look in which several requests are at one place, a stack of it, and all.

    First where most wait over all looks: clients that come together are at any place once. Of the
    looks there, first the one that saw most of them, with a request that is further on.
    """
    found = []
    over_all: Counter[Frame] = Counter()
    for look in facts.looks:
        if look.greenlets is None and facts.has_loop:
            continue
        requests = list(facts.requests(look))
        number: Counter[Frame] = Counter()
        for stack in requests:
            if (place := _place(stack)) is not None:
                number[place] += stack.number
        if not number:
            continue
        (most, waiting), total = number.most_common(1)[0], sum(number.values())
        if waiting >= SEVERAL and waiting >= MOST * total:
            stack = next(stack for stack in requests if _place(stack) == most)
            further_on = bool(_holder(stack, requests))
            over_all[most] += waiting
            found.append((most, waiting + further_on, not further_on, look, stack, requests))
    found.sort(key=lambda one: (-over_all[one[0]], -one[1], one[2]))
    return [(look, stack, requests) for *_, look, stack, requests in found]


def _place(stack: Stack) -> Frame | None:
    """Where a request waits: its innermost frame that does not merely pass on what others do."""
    return places.first(tuple(places.inside(stack)), lambda frame: not places.is_wrapper(frame))


def _together_fields(
    facts: Facts, look: Look, stack: Stack, requests: Sequence[Stack]
) -> dict[str, str]:
    place = _place(stack)
    total = sum(one.number for one in requests)
    waiting = sum(one.number for one in requests if _place(one) == place)
    caller = places.first(stack.frames, places.is_application)
    library = (place and facts.of_frame(place)) or library_of(facts, stack)
    wait, holder = wait_of(facts, look, stack), _holder(stack, requests)
    return {
        "waiting": str(waiting),
        "total": str(total),
        "requests": counted(total, "request"),
        "library": library or "",
        "distribution": (library or "").partition(" ")[0],
        "where": places.text(caller or place or stack.frames[0]),
        "file": place.file.removeprefix(places.SITE) if place else "",
        "function": place.function if place else "",
        "whose": "application" if place and places.is_application(place) else "library",
        "call": wait,
        "in": f" ({wait})" if wait else "",
        "holder": f" and waits at {holder}" if holder else "",
        "for_holder": f", while one is further on, at {holder}" if holder else "",
        "worker": "greenlet" if facts.has_loop else "thread",
    }


def _holder(waiting: Stack, requests: Sequence[Stack]) -> str:
    """Where one is that went on where the others wait: further on in the same function."""
    at = places.first(waiting.frames, places.is_application)
    if at is None:
        return ""
    for other in requests:
        place = _same_function(other, at)
        if place and (place.line or 0) > (at.line or 0):
            return places.text(place)
    return ""


def _same_function(stack: Stack, place: Frame) -> Frame | None:
    """A frame of the same function of the application."""
    is_it = lambda frame: (frame.file, frame.function) == (place.file, place.function)  # noqa: E731
    return places.first(stack.frames, is_it)


# -- whether it moves at all -----------------------------------------------------------------------


def stalled(facts: Facts) -> Fields | None:
    """The event loop stood still for a while."""
    if not facts.is_stalled:
        return None
    return {"seconds": f"{facts.stalled_s:.1f}"}


def as_set_up(facts: Facts) -> Fields | None:
    """As many requests progressed at a time as the server lets in, and nothing stood still."""
    if facts.lets_in is None or facts.is_stalled:
        return None
    return {"server": facts.server, "requests": counted(facts.lets_in, "request")}


def seen_most(facts: Facts) -> str | None:
    """What was seen most often, for a launch that no rule explains."""
    number: Counter[str] = Counter()
    for look in facts.looks:
        stacks = [one for one in look.threads if one.main or places.is_request(one)]
        for text in {_seen(facts, look, stack) for stack in stacks if stack.frames}:
            number[text] += 1
    if not number:
        return None
    most, times = number.most_common(1)[0]
    return f"not explained; seen in {times} of {counted(len(facts.looks), 'look')}: {most}"


def _seen(facts: Facts, look: Look, stack: Stack) -> str:
    caller = places.first(stack.frames, places.is_application)
    wait = "computing" if stack.syscall == "running" else wait_of(facts, look, stack)
    whose = "the main thread" if stack.main else "a request"
    below = f", called from {places.text(caller)}" if caller and caller != stack.frames[0] else ""
    return f"{whose} at {places.text(stack.frames[0])}{f' ({wait})' if wait else ''}{below}"
