"""The record of a diagnosis: what blocked the event loop in a launch that was not measured."""

from __future__ import annotations

from typing import Final

from runner.measurement.records import Record
from runner.outcome import Outcome

#: The newest layout of diagnosis.json that this program knows.
DIAGNOSIS_SCHEMA: Final = 1


class BlockRecord(Record):
    """The blocks of an event loop at one place: what it was in, and where the application called.

    `lock_kept`: other threads could not run either, for a call kept the interpreter's lock.
    """

    what: str
    where: str | None = None
    times: int
    total_s: float
    longest_s: float
    lock_kept: bool = False


class DiagnosisRecord(Record):
    """A launch of a cell beside the measured ones, with gevent's monitor thread.

    `left_out` says why there was none, or why nothing was watched in it. `outcome` and `reason` are
    the launch's. `loops` is how many processes had a loop that was watched, by a look every
    `period_s` seconds, for `watched_s` seconds from the load's beginning, and `blocks` has what
    blocked it, the longest in all first.
    `made_in` is the run that it was made in.
    """

    schema_version: int = DIAGNOSIS_SCHEMA
    cell: str
    made_in: str
    left_out: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    started_at: str | None = None
    requests: int | None = None
    concurrency: int | None = None
    rate: float | None = None
    gevent: str | None = None
    period_s: float | None = None
    loops: int = 0
    watched_s: float | None = None
    blocks: tuple[BlockRecord, ...] = ()

    @property
    def blocked_s(self) -> float:
        """For how long in all a loop was blocked, in seconds."""
        return sum(block.total_s for block in self.blocks)
