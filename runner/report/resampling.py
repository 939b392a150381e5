"""What needs NumPy and SciPy: the bootstrap of a median, and exact tests.

A module of its own, imported when there are launches enough: most tables have too few, and should
not wait for two libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 9_999
#: Up to so many launches on both sides together, p is counted here (tens of milliseconds).
EXACT_UP_TO: Final = 100


def median_interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """The percentile-bootstrap interval of the median.

    Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; what
    `scipy.stats.bootstrap` does, without its millisecond a call (a table has thousands). The
    resampling is seeded: the same launches give the same interval.
    """
    ordered = np.sort(values)
    lower, upper = _middle_positions(len(values))
    tail = (1 - confidence) / 2
    low, high = np.quantile((ordered[lower] + ordered[upper]) / 2, (tail, 1 - tail))
    return float(low), float(high)


@cache
def _middle_positions(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each resample of so many sorted values: the positions of its two middle ones among them.

    Of an odd number of values the two are one. They depend on nothing but the number of values.
    """
    drawn = np.random.default_rng(0).integers(0, size, (RESAMPLES, size))
    drawn.sort(axis=1)
    return drawn[:, (size - 1) // 2].copy(), drawn[:, size // 2].copy()


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p that the launches of two cells come from one distribution.

    Exact up to `EXACT_UP_TO` launches, ties or not: the whole permutation distribution is counted.
    Beyond, SciPy's: exact without ties, and the tie-corrected normal approximation with them.
    """
    launches = len(first) + len(second)
    if launches <= EXACT_UP_TO:
        return _exact(first, second)
    from scipy import stats  # noqa: PLC0415 - it takes a second, and tables rarely need it

    if len({*first, *second}) == launches:
        return float(stats.mannwhitneyu(first, second, method="exact").pvalue)
    return float(stats.mannwhitneyu(first, second, method="asymptotic").pvalue)


def _exact(first: Sequence[float], second: Sequence[float]) -> float:
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
