"""What the launches of a run allow to claim. The unit is the launch, not the request.

Requests of one launch share a process, a memory layout and a moment of the machine, so five
thousand of them are one observation, not five thousand.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runner.options import THRESHOLD

#: From this many launches on an interval is given; below it the values are shown, nothing claimed.
ENOUGH_FOR_INTERVAL: Final = 5
CONFIDENCE: Final = 0.95
ALPHA: Final = 1 - CONFIDENCE


class Difference(StrEnum):
    """The verdict on a cell and what it is compared with."""

    FASTER = "faster"
    SLOWER = "slower"
    NONE_SHOWN = "no difference shown"
    TOO_FEW = "too few launches"
    TOO_SHORT = "load too short"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A median over launches and its interval (None below `ENOUGH_FOR_INTERVAL` launches)."""

    median: float
    low: float | None = None
    high: float | None = None


def median_estimate(values: Sequence[float]) -> Estimate:
    """Median with its 95 % interval; `ValueError` for no values."""
    if not values:
        raise ValueError("no launch, no median")
    median = statistics.median(values)
    if len(values) < ENOUGH_FOR_INTERVAL:
        return Estimate(median=median)
    from runner.report.resampling import median_interval  # noqa: PLC0415 - it imports NumPy

    low, high = median_interval(values, CONFIDENCE)
    return Estimate(median=median, low=low, high=high)


def smallest_p(first: int, second: int) -> float:
    """The smallest two-sided p that Mann-Whitney can reach with so many launches on either side.

    2 / C(n + m, n): of all orderings, only the two that separate the sides wholly are as extreme.
    Source: H. B. Mann, D. R. Whitney, Ann. Math. Statist. 18 (1947) 50-60.
    """
    return min(1.0, 2 / math.comb(first + second, first))


def can_differ(first: int, second: int, comparisons: int) -> bool:
    """Whether so many launches could show a difference that outlives Holm's correction.

    Never below `ENOUGH_FOR_INTERVAL` on either side: four against four could (p = 0.029), but what
    has too few launches for an interval has too few for a claim.
    """
    if min(first, second) < ENOUGH_FOR_INTERVAL:
        return False
    return smallest_p(first, second) * max(1, comparisons) <= ALPHA


def launches_needed(comparisons: int) -> int:
    """Launches per cell from which a verdict is possible in a table of so many comparisons."""
    numbers = itertools.count(ENOUGH_FOR_INTERVAL)
    return next(n for n in numbers if can_differ(n, n, comparisons))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given.

    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6
    (1979) 65-70: the k-th smallest of m is multiplied by m - k + 1, and none falls below the one
    before it.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One comparison of a table: rates of a cell's launches and of those it is compared with.

    `long_enough`: whether the loads of both last so long that their rates mean something.
    """

    values: tuple[float, ...]
    reference: tuple[float, ...]
    long_enough: bool = True

    @property
    def ratio(self) -> float:
        """Median over median."""
        return statistics.median(self.values) / statistics.median(self.reference)


def differences(
    comparisons: Sequence[Comparison], *, threshold: float = THRESHOLD
) -> list[Difference]:
    """The verdict on each comparison, corrected over all of them together.

    "Differs" needs both: an adjusted p of at most 0.05, and medians further apart than `threshold`
    (a share, e.g. 0.02). The verdict is `TOO_FEW` where so few launches can never reach such a p,
    and `TOO_SHORT` where the loads are too short; neither counts among the comparisons.
    """
    judged = [comparison for comparison in comparisons if comparison.long_enough]
    verdicts = iter(_judged(judged, threshold))
    return [next(verdicts) if c.long_enough else Difference.TOO_SHORT for c in comparisons]


def _judged(comparisons: Sequence[Comparison], threshold: float) -> list[Difference]:
    number = len(comparisons)
    if not any(can_differ(len(c.values), len(c.reference), number) for c in comparisons):
        return [Difference.TOO_FEW] * number
    from runner.report.resampling import mann_whitney  # noqa: PLC0415 - it imports SciPy

    adjusted = holm([mann_whitney(c.values, c.reference) for c in comparisons])
    return [
        _difference(comparison, p, number, threshold)
        for comparison, p in zip(comparisons, adjusted, strict=True)
    ]


def _difference(
    comparison: Comparison, adjusted_p: float, comparisons: int, threshold: float
) -> Difference:
    if not can_differ(len(comparison.values), len(comparison.reference), comparisons):
        return Difference.TOO_FEW
    ratio = comparison.ratio
    if adjusted_p > ALPHA or 1 / (1 + threshold) <= ratio <= 1 + threshold:
        return Difference.NONE_SHOWN
    return Difference.FASTER if ratio > 1 else Difference.SLOWER
