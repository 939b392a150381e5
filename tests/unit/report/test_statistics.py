from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from runner.report.resampling import _middle_positions, mann_whitney
from runner.report.statistics import (
    Comparison,
    Difference,
    can_differ,
    differences,
    holm,
    launches_needed,
    median_estimate,
    smallest_p,
)

SLOW = tuple(float(n) for n in range(40, 48))
FAST = tuple(float(n) for n in range(50, 58))
rates = st.lists(st.floats(1, 1000), min_size=1, max_size=6)


def test_the_smallest_p_that_so_few_launches_can_reach() -> None:
    assert smallest_p(5, 5) == pytest.approx(0.0079, abs=5e-5)
    assert smallest_p(1, 1) == 1
    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(smallest_p(5, 5))


def test_how_many_launches_a_verdict_needs() -> None:
    assert [launches_needed(m) for m in (0, 1, 6, 23, 26)] == [5, 5, 5, 6, 7]
    assert not can_differ(5, 5, 26)
    assert can_differ(7, 7, 26)


@pytest.mark.parametrize(("values", "reference"), [(4, 4), (4, 30), (30, 4)])
def test_fewer_than_five_launches_on_either_side_claim_nothing(values: int, reference: int) -> None:
    assert smallest_p(values, reference) < 0.05
    assert not can_differ(values, reference, 1)
    pair = Comparison(
        values=tuple(100.0 + n for n in range(values)),
        reference=tuple(10.0 + n for n in range(reference)),
    )
    assert differences([pair]) == [Difference.TOO_FEW]


def test_ties_are_exact() -> None:
    assert mann_whitney([1, 1, 2, 2, 2], [3, 3, 4, 4, 5]) == pytest.approx(2 / 252)
    assert mann_whitney([1.0] * 5, [1.0] * 5) == 1
    # 9 against 9, apart but for ties within: 2 / C(18, 9), which no approximation gives.
    assert mann_whitney([1.0] * 9, [2.0] * 9) == pytest.approx(2 / 48_620)


few = st.lists(st.integers(1, 4).map(float), min_size=2, max_size=5)


@settings(deadline=None)
@given(few, few)
def test_the_permutations_are_those_of_scipy(first: list[float], second: list[float]) -> None:
    every = stats.PermutationMethod(n_resamples=1_000)
    expected = stats.mannwhitneyu(first, second, method=every).pvalue
    assert mann_whitney(first, second) == pytest.approx(expected)


def test_beyond_a_hundred_launches_ties_are_approximated() -> None:
    first, second = [1.0, 2.0] * 30, [1.0, 2.0, 2.0] * 20
    expected = stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert mann_whitney(first, second) == expected


different = st.lists(st.floats(1, 1000), min_size=4, max_size=12, unique=True)


@settings(deadline=None)
@given(different, st.integers(1, 3))
def test_without_ties_it_is_the_exact_test_of_scipy(values: list[float], size: int) -> None:
    first, second = values[:size], values[size:]
    expected = stats.mannwhitneyu(first, second, method="exact").pvalue
    assert mann_whitney(first, second) == pytest.approx(expected)


@pytest.mark.parametrize("others", [[1.0], [1.0, 2.0], [2.0, 2.0, 1.0]])
def test_a_single_launch_is_compared_too(others: list[float]) -> None:
    assert mann_whitney([1.0], others) > 0.05
    assert mann_whitney(others, [1.0]) > 0.05


def test_holm_against_a_worked_example() -> None:
    # 0.01 × 4, 0.02 × 3, then neither below the one before: 0.03 × 2, 0.04 × 1.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in ranked] == sorted(a for _, a in ranked)


def test_below_five_launches_nothing_is_claimed() -> None:
    estimate = median_estimate([3.0, 1.0, 2.0, 9.0])
    assert (estimate.median, estimate.low, estimate.high) == (2.5, None, None)
    with pytest.raises(ValueError, match="no launch"):
        median_estimate([])


def test_from_five_launches_on_there_is_an_interval_and_always_the_same() -> None:
    first = median_estimate([48.1, 48.3, 48.2, 48.6, 48.4])
    assert first.low
    assert first.high
    assert 48.1 <= first.low <= first.median == 48.3 <= first.high <= 48.6
    equal = median_estimate([2.0] * 5)
    assert (equal.low, equal.high) == (2.0, 2.0)


def test_the_interval_is_that_of_scipy_and_the_same_in_every_process() -> None:
    # So many unlike values that another seed gives other bounds.
    values = [math.sin(n) for n in range(400)]
    first = median_estimate(values)
    _middle_positions.cache_clear()
    assert median_estimate(values) == first
    scipy = stats.bootstrap(
        (values,), np.median, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (first.low, first.high) == pytest.approx((scipy.low, scipy.high), abs=0.02)


def test_verdicts() -> None:
    pairs = [
        Comparison(values=FAST, reference=SLOW),
        Comparison(values=SLOW, reference=FAST),
        Comparison(values=SLOW, reference=tuple(v * 1.0001 for v in SLOW)),
        Comparison(values=FAST[:2], reference=SLOW[:2]),
    ]
    assert differences(pairs) == [
        Difference.FASTER,
        Difference.SLOWER,
        Difference.NONE_SHOWN,
        Difference.TOO_FEW,
    ]


def test_a_sure_difference_of_no_consequence_is_none() -> None:
    near = tuple(value + 0.001 for value in SLOW)
    pair = Comparison(values=tuple(v + 50 for v in near), reference=tuple(v + 42 for v in SLOW))
    assert differences([pair], threshold=0.02) == [Difference.FASTER]
    assert differences([pair], threshold=0.5) == [Difference.NONE_SHOWN]


def test_the_correction_is_over_the_whole_table() -> None:
    pair = Comparison(values=FAST[:5], reference=SLOW[:5])
    assert differences([pair]) == [Difference.FASTER]
    assert differences([pair] * 26) == [Difference.TOO_FEW] * 26


# A ratio of 1.0201 one way is 0.9803 the other: beyond 1.02 and 1 / 1.02, though not beyond 0.98.
@example([1 + n / 1e5 for n in range(5)], [1.0201 + n / 1e5 for n in range(5)])
@given(rates, rates)
def test_a_verdict_turned_round_is_its_opposite(first: list[float], second: list[float]) -> None:
    opposite = {
        Difference.FASTER: Difference.SLOWER,
        Difference.SLOWER: Difference.FASTER,
    }
    [there] = differences([Comparison(values=tuple(first), reference=tuple(second))])
    [back] = differences([Comparison(values=tuple(second), reference=tuple(first))])
    assert back == opposite.get(there, there)
