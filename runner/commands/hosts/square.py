"""Which host makes which round of which shard."""

from __future__ import annotations

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
