"""Which launches share the machine, and when each of them begins.

A cell that sleeps leaves the CPU idle: what disturbs its neighbour is a burst at the same moment.
A closed loop over a service time of `s` seconds sends its requests in bursts `s` apart, so `k`
launches whose loads begin `s / k` apart interleave their bursts and stay as far from each other as
they can. How many fit is a matter of CPU alone: what their calibrations say they will need.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from runner.measurement.launch import Launch
from runner.measurement.schedule import Group
from runner.options import LARGEST_WAVE

#: A launch that keeps more than this share of one CPU busy is measured alone. A burst that meets
#: another is late by up to its own length, and that share is its length over the service time: at
#: 0.25 (100 clients, 0.2 s) cells side by side showed rates up to 10 % below those of one alone.
ALONE_ABOVE = 0.1
#: Share of the machine's CPUs that the launches of one group may keep busy together, by what their
#: calibrations say. 26 sleeping cells that kept a quarter of two CPUs busy showed the figures of
#: one alone; on a machine a third as fast, where the same cells kept 78 % of them busy, `ab` waited
#: for a CPU in every launch, and rates were up to 2.4 % lower.
BUSY_SHARE = 0.4

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """How many launches may be measured side by side: `limit`, or as many as fit (None).

    `share` scales both down where launches disturbed each other.
    """

    limit: int | None = 1
    cpus: int = 1
    share: float = 1.0

    @property
    def wave(self) -> int:
        """How many pods are started together."""
        largest = LARGEST_WAVE if self.limit is None else self.limit
        return max(1, int(largest * self.share))

    @property
    def halved(self) -> Jobs:
        """Half as many side by side."""
        return replace(self, share=self.share / 2)

    @property
    def one_by_one(self) -> Jobs:
        """No launch beside another."""
        return replace(self, limit=1, share=1.0)

    def groups(self, shares: Mapping[T, float | None]) -> list[list[T]]:
        """Sort what is to be loaded into groups, by the share of a CPU that each keeps busy."""
        if self.limit is not None:
            return [list(shares)] if shares else []
        return packed(shares, BUSY_SHARE * self.share * self.cpus)

    def grouped(self, launches: Sequence[Launch]) -> list[Group]:
        """Sort started launches into groups to be loaded one after the other."""
        shares = {launch: launch.cpu_share for launch in launches}
        return [stagger(group) for group in self.groups(shares)]


def packed(shares: Mapping[T, float | None], budget: float) -> list[list[T]]:
    """As few groups as keep at most `budget` CPUs busy each, all of them about as busy.

    First fit says how many; then each item joins the idlest of them, in the order given, so that
    none is filled to its limit while another is nearly empty. What is not calibrated, or needs more
    than `ALONE_ABOVE` of a CPU, has a group of its own.
    """
    known = {item: share for item, share in shares.items() if share is not None}
    fitting = {item: share for item, share in known.items() if share <= ALONE_ABOVE}
    alone = [[item] for item in shares if item not in fitting]
    return _even(fitting, len(_first_fit(fitting, budget)), budget) + alone


def _first_fit(shares: Mapping[T, float], budget: float) -> list[list[T]]:
    groups: list[list[T]] = []
    for item, share in shares.items():
        for group in groups:
            if sum(shares[member] for member in group) + share <= budget:
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _even(shares: Mapping[T, float], number: int, budget: float) -> list[list[T]]:
    """Deal items into so many groups; first fit's own where that fills one beyond the budget."""
    groups: list[list[T]] = [[] for _ in range(number)]
    busy = [0.0] * number
    for item, share in shares.items():
        idlest = busy.index(min(busy))
        groups[idlest].append(item)
        busy[idlest] += share
    return groups if max(busy, default=0.0) <= budget else _first_fit(shares, budget)


def stagger(launches: Sequence[Launch]) -> Group:
    """Begin the loads evenly spread over the longest service time among them."""
    longest = max((launch.service_s for launch in launches), default=0.0)
    return [(launch, longest * i / len(launches)) for i, launch in enumerate(launches)]
