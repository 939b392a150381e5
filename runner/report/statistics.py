"""What launches allow to be said. The launch, not the request, is the unit throughout.

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
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from runner.options import THRESHOLD

#: From this many launches on an interval is given; below it the values are shown, nothing claimed.
ENOUGH_FOR_INTERVAL: Final = 5
CONFIDENCE: Final = 0.95
ALPHA: Final = 1 - CONFIDENCE
RESAMPLES: Final = 9_999
#: Up to so many launches on both sides together, p is exact with ties too (tens of milliseconds).
EXACT_WITH_TIES: Final = 100


class Difference(StrEnum):
    """What the launches say of a cell against what it is compared with."""

    FASTER = "faster"
    SLOWER = "slower"
    NONE_SHOWN = "no difference shown"
    TOO_FEW = "too few launches"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A median over launches and its interval (None below `ENOUGH_FOR_INTERVAL` launches)."""

    median: float
    low: float | None = None
    high: float | None = None


def median_estimate(values: Sequence[float]) -> Estimate:
    """Median with its 95 % percentile-bootstrap interval.

    Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; what
    `scipy.stats.bootstrap` does, without its millisecond a call (a table has thousands). The
    resampling is seeded: the same launches give the same interval. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("no launch, no median")
    median = statistics.median(values)
    if len(values) < ENOUGH_FOR_INTERVAL:
        return Estimate(median=median)
    ordered = np.sort(values)
    lower, upper = _middle_positions(len(values))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile((ordered[lower] + ordered[upper]) / 2, (tail, 1 - tail))
    return Estimate(median=median, low=float(low), high=float(high))


@cache
def _middle_positions(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each resample of so many sorted values: where its two middle ones stand among them.

    Of an odd number of values the two are one. They depend on nothing but the number of values.
    """
    drawn = np.random.default_rng(0).integers(0, size, (RESAMPLES, size))
    drawn.sort(axis=1)
    return drawn[:, (size - 1) // 2].copy(), drawn[:, size // 2].copy()


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


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p that the launches of two cells come from one distribution.

    Exact (`scipy.stats.mannwhitneyu`). SciPy's exact tables know no ties; with ties the whole
    permutation distribution is counted here, and only beyond `EXACT_WITH_TIES` launches is it the
    tie-corrected normal approximation.
    """
    from scipy import stats  # noqa: PLC0415 - half a second, which only a table should pay

    launches = len(first) + len(second)
    if len({*first, *second}) == launches:
        return float(stats.mannwhitneyu(first, second, method="exact").pvalue)
    if launches <= EXACT_WITH_TIES:
        return _exact_with_ties(first, second)
    return float(stats.mannwhitneyu(first, second, method="asymptotic").pvalue)


def _exact_with_ties(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p by the permutation distribution of the rank sum, equal values sharing a mid-rank.

    What `scipy.stats.PermutationMethod` gives. That draws every permutation, 48,620 of them for
    nine launches against nine: half a second a comparison, and rates of whole milliseconds tie
    often. The distribution depends on the ranks alone, and there are few different sums of them.
    """
    ranks = _doubled_ranks((*first, *second))
    ways = _ways_by_sum(ranks, len(first))
    seen = sum(ranks[: len(first)])
    tail = min(ways[: seen + 1].sum(), ways[seen:].sum())
    return min(1.0, 2 * float(tail / ways.sum()))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice each value's rank: a mid-rank is a multiple of a half, and sums of integers are exact.

    The m equal values that end at rank e share the rank e - (m - 1) / 2.
    """
    _, places, equal = np.unique(values, return_inverse=True, return_counts=True)
    doubled = 2 * equal.cumsum() - equal + 1
    return [int(rank) for rank in doubled[places]]


def _ways_by_sum(ranks: Sequence[int], size: int) -> NDArray[np.float64]:
    """In how many ways `size` of the ranks have each sum, from 0 on.

    Rank by rank: those that leave it out, and those that take it, having one less before.
    """
    ways: NDArray[np.float64] = np.zeros((size + 1, sum(ranks) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, :-rank]
    of_size: NDArray[np.float64] = ways[size]
    return of_size


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
    """One comparison of a table: rates of a cell's launches against those it is held against."""

    values: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over median."""
        return statistics.median(self.values) / statistics.median(self.reference)


def differences(
    comparisons: Sequence[Comparison], *, threshold: float = THRESHOLD
) -> list[Difference]:
    """The verdict on each comparison, corrected over all of them together.

    "Differs" needs both: an adjusted p of at most 0.05, and medians further apart than `threshold`
    (a share, e.g. 0.02). Where the launches could not reach such a p whatever they showed, the
    verdict is `TOO_FEW`.
    """
    number = len(comparisons)
    if not any(can_differ(len(c.values), len(c.reference), number) for c in comparisons):
        return [Difference.TOO_FEW] * number  # without p, which takes SciPy's second to begin with
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
