"""The looks at a server as a file for reading: where its threads were, the most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from runner.measurement.why import places
from runner.measurement.why.facts import Facts
from runner.measurement.why.findings import wait_of
from runner.measurement.why.seen import Look, Stack

#: Of a stack so many frames are printed; so many stacks are.
FRAMES, STACKS = 12, 20
INDENT = "    "


def text_of(facts: Facts) -> str:
    """What all looks saw, and what was bound before the patch."""
    return "\n".join([*_threads(facts), *_greenlets(facts), *_bound(facts), ""])


def _threads(facts: Facts) -> Iterator[str]:
    seen = facts.seen
    yield f"{len(seen.looks)} of {seen.asked} looks were taken"
    number: Counter[tuple[str, ...]] = Counter()
    for look in seen.looks:
        if look.error:
            number[f"not whole: {look.error}",] += 1
        for stack in look.threads:
            number[tuple(_thread(facts, look, stack))] += stack.number
    for lines, times in number.most_common(STACKS):
        yield f"\n{times} times: {lines[0]}"
        yield from lines[1:]


def _thread(facts: Facts, look: Look, stack: Stack) -> Iterator[str]:
    whose = "the main thread" if stack.main else "a thread"
    wait = "computing" if stack.syscall == "running" else wait_of(facts, look, stack)
    yield f"{whose} of process {look.pid}{f', {wait}' if wait else ''}"
    yield from _frames(stack)


def _frames(stack: Stack) -> Iterator[str]:
    yield from (
        f"{INDENT}{places.text(frame)} in {frame.function}" for frame in stack.frames[:FRAMES]
    )
    if len(stack.frames) > FRAMES:
        yield f"{INDENT}…"


def _greenlets(facts: Facts) -> Iterator[str]:
    """Those of the look that saw most of them."""
    most = max(facts.looks, key=lambda look: sum(g.number for g in look.greenlets or ()))
    for stack in most.greenlets or ():
        yield f"\n{stack.number} suspended greenlets, as seen once"
        yield from _frames(stack)


def _bound(facts: Facts) -> Iterator[str]:
    if facts.scan.locks:
        yield "\nlocks made before the patch:"
    for lock in facts.scan.locks:
        state = {True: "held", False: "free", None: "?"}[lock.held]
        by = f", imported by {lock.importer}" if lock.importer else ""
        yield f"{INDENT}{lock.module}.{lock.name}: {lock.kind}, {state}{by}"
    if facts.scan.names:
        yield "\nnames bound before the patch:"
    yield from (f"{INDENT}{n.module}.{n.name} is {n.original}" for n in facts.scan.names)
