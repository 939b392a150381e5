"""What blocked an event loop: gathered by place, from what gevent's monitor saw a moment at a time.

A block was seen once or several times while it lasted, and is as long as its parts: from one look
to the next the loop was at the place that the second saw. It began up to a period before the
monitor looked first, and ended up to a period after it did last: a period is added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, TypeAlias

from pydantic import ConfigDict

from runner.measurement.bounded import Bounded
from runner.measurement.diagnosis_record import BlockRecord
from runner.measurement.why.seen import Stack

#: Of the places so many are told, those that blocked for longest.
PLACES: Final = 20


@dataclass(frozen=True, kw_only=True)
class Told:
    """A stack in words: what the thread was in, and where the application called that.

    What has the same `place` is told together; `where` is None where it says nothing more.
    """

    place: Hashable
    what: str
    where: str | None = None


#: Tells of a stack, by the machine that it was seen on.
Tell: TypeAlias = Callable[[Stack, str], Told]
UNKNOWN: Final = Told(place=None, what="not seen where")


class _Part(Bounded):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(_Part):
    """The monitor found that its loop had not moved from `began_ns` to `until_ns`.

    `stack` is the number of what it was in, None where that was not seen. `kept`: meanwhile the
    monitor could not run either, because a call kept the interpreter's lock.
    """

    began_ns: int
    until_ns: int
    kept: bool
    stack: int | None = None


class Watched(_Part):
    """What the monitor of one process's loop wrote, which looked every `period_s` seconds.

    `error` says why it could not watch it.
    """

    error: str | None = None
    gevent: str | None = None
    machine: str | None = None
    period_s: float = 0.0
    stacks: tuple[Stack, ...] = ()
    samples: tuple[Sample, ...] = ()


class BlocksReply(_Part):
    """What the monitors wrote until `asked_ns`."""

    asked_ns: int
    watched: tuple[Watched, ...] = ()


@dataclass
class _Place:
    """All that was seen at one place: seconds by what was told of it, and each time's."""

    told_s: dict[tuple[str, str | None], float] = field(default_factory=dict)
    times_s: list[float] = field(default_factory=list)
    kept: bool = False

    def record(self) -> BlockRecord:
        """All of it, in the words for what was seen for longest."""
        what, where = max(self.told_s, key=lambda told: self.told_s[told])
        return BlockRecord(
            what=what,
            where=where,
            times=len(self.times_s),
            total_s=sum(self.times_s),
            longest_s=max(self.times_s),
            lock_kept=self.kept,
        )


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A part of a block, seen at one moment."""

    told: Told
    seconds: float
    kept: bool


def blocks_of(reply: BlocksReply, since_ns: int, tell: Tell) -> tuple[BlockRecord, ...]:
    """The blocks since a moment by place, those first that lasted longest in all."""
    places: dict[Hashable, _Place] = {}
    for watched in reply.watched:
        for parts in _blocks(watched, since_ns, tell):
            for key, together in groupby(parts, key=lambda part: part.told.place):
                place, seconds = places.setdefault(key, _Place()), 0.0
                for part in together:
                    seconds += part.seconds
                    words = (part.told.what, part.told.where)
                    place.told_s[words] = place.told_s.get(words, 0.0) + part.seconds
                    place.kept = place.kept or part.kept
                place.times_s.append(seconds)
    found = sorted(places.values(), key=lambda place: -sum(place.times_s))
    return tuple(place.record() for place in found[:PLACES])


def _blocks(watched: Watched, since_ns: int, tell: Tell) -> Iterator[list[_Piece]]:
    """Each block of a loop, in its parts."""
    told = [tell(stack, watched.machine or "") for stack in watched.stacks]
    for began_ns, samples in groupby(watched.samples, key=lambda sample: sample.began_ns):
        parts, before_ns = [], max(began_ns, since_ns)
        for number, sample in enumerate(samples):
            seconds = (sample.until_ns - before_ns) / 1e9 + (0 if number else watched.period_s)
            at = UNKNOWN if sample.stack is None else told[sample.stack]
            parts.append(_Piece(told=at, seconds=seconds, kept=sample.kept))
            before_ns = sample.until_ns
        yield parts
