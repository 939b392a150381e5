"""From how many requests on a launch has a 99th percentile."""

from __future__ import annotations

from typing import Final

from runner.measurement.records import LaunchRecord

#: Ten requests are beyond the 99th percentile of so many.
ENOUGH: Final = 1000
#: Requests per client. Of fewer, it is the worst moments of one turn in which all send together.
TURNS: Final = 20


def has_p99(launch: LaunchRecord) -> bool:
    """Whether a launch has enough requests for a 99th percentile."""
    complete = launch.ab.complete if launch.ab else 0
    return complete >= max(ENOUGH, TURNS * (launch.concurrency or 0))
