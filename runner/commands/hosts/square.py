"""Which host makes which round of which shard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from runner.options import FEWEST_TO_STOP

#: So many rounds of a shard are made on one host before the next one has it. A host is a block, and
#: says something of a cell from so many rounds on: fewer would be measured and left out.
PERIOD: Final = FEWEST_TO_STOP


class Task(NamedTuple):
    """One round of one shard, both counted from 1."""

    round: int
    shard: int

    def number(self, shards: int) -> int:
        """What the launches of this round are called: no other round of the run has that number."""
        return (self.round - 1) * shards + self.shard

    @classmethod
    def of(cls, number: int, shards: int) -> Task:
        """The round of that number."""
        return cls(round=(number - 1) // shards + 1, shard=(number - 1) % shards + 1)


def home(task: Task, *, hosts: int, rounds: int) -> int:
    """The place of the host that makes a round, in a run of at most so many rounds.

    A Latin square of shards and periods: in each period every host has at most one shard, and a
    shard meets one host after the other. Rounds beyond the last whole period are made where that
    was.
    """
    period = min((task.round - 1) // PERIOD, max(rounds // PERIOD, 1) - 1)
    return (task.shard - 1 + period) % hosts


class Stored(NamedTuple):
    """A round that was made before, by that engine; `key` is that of its `Prepared`.

    `run` is the id of the run that it is stored in, or that had it made afresh; else empty.
    """

    task: Task
    engine_key: str
    key: str
    run: str


@dataclass(kw_only=True)
class Homes:
    """Where rounds are made: by the engine that has them, else where the square says.

    `places` are the keys of the hosts' engines, in a fixed order.
    """

    places: Sequence[str] = ()
    rounds: int = 1
    _stored: defaultdict[Task, list[Stored]] = field(default_factory=lambda: defaultdict(list))

    def add(self, stored: Stored) -> None:
        """A round need not be made elsewhere, if its engine takes part."""
        if stored.engine_key in self.places:
            self._stored[stored.task].append(stored)

    def forget_other_keys(self, engine_key: str, shard: int, key: str) -> None:
        """Forget what an engine has of a shard under other keys: no run can use it now."""
        for task, of_task in self._stored.items():
            if task.shard == shard:
                of_task[:] = [s for s in of_task if s.engine_key != engine_key or s.key == key]

    def of(self, task: Task) -> str:
        """The key of the engine."""
        if stored := self._stored.get(task):
            return stored[0].engine_key
        return self.places[home(task, hosts=len(self.places), rounds=self.rounds)]
