from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from runner.report.statistics import (
    ROUNDING,
    Contrast,
    Verdict,
    contrast,
    median_interval,
    sample,
    verdict,
    weighted,
)

values = st.lists(st.integers(-1000, 1000), min_size=2, max_size=12, unique=True)


# -- the interval of a median ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "low", "high", "level"),
    [
        (3, 0, 2, 0.75),
        (5, 0, 4, 0.9375),
        (6, 0, 5, 0.96875),
        (7, 0, 6, 0.984375),
        (8, 0, 7, 0.9921875),
        (9, 1, 7, 0.9609375),
        (20, 5, 14, 0.958610534667968),
    ],
)
def test_a_median_is_between_order_statistics(
    number: int, low: int, high: int, level: float
) -> None:
    """The places and levels of the sign test's interval, from the tables of the binomial."""
    shuffled = random.Random(number).sample([float(n) for n in range(number)], number)
    found = median_interval(shuffled)
    assert found is not None
    assert (found.low, found.high) == (low, high)
    assert found.level == pytest.approx(level)


def test_two_launches_have_no_interval() -> None:
    assert median_interval([1.0, 2.0]) is None


@pytest.mark.parametrize("number", [3, 5, 7, 9, 12])
def test_the_level_is_how_often_the_interval_holds_the_median(number: int) -> None:
    draws = random.Random(7)
    tables = [[draws.expovariate(1) for _ in range(number)] for _ in range(4000)]
    intervals = [median_interval(table) for table in tables]
    held = sum(i is not None and i.low <= math.log(2) <= i.high for i in intervals) / len(tables)
    assert intervals[0] is not None
    assert held == pytest.approx(intervals[0].level, abs=0.02)


# -- means and their errors ------------------------------------------------------------------------


def test_a_single_value_has_no_known_error() -> None:
    assert sample([0.5]).error == math.inf
    assert weighted([(1, sample([0.5])), (-1, sample([0.1, 0.2]))]).error == math.inf


@given(values, values)
def test_the_difference_of_two_means_is_welchs(first: list[float], second: list[float]) -> None:
    found = weighted([(1, sample(first)), (-1, sample(second))])
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    half = stats.t.ppf(0.975, found.freedom) * found.error
    assert found.mean - half == pytest.approx(expected.low, abs=1e-6)
    assert found.mean + half == pytest.approx(expected.high, abs=1e-6)


def test_one_part_alone_is_itself() -> None:
    only = sample([0.1, 0.3])
    assert weighted([(1.0, only)]) is only


# -- what is said ----------------------------------------------------------------------------------


@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=9))
def test_the_interval_is_students(logarithms: list[float]) -> None:
    found = contrast(sample(logarithms), comparisons=1, delta=0.02, alpha=0.05)
    error = max(stats.sem(logarithms), ROUNDING)
    half = stats.t.ppf(0.975, len(logarithms) - 1) * error
    mean = statistics.fmean(logarithms)
    assert [found.low, found.high] == pytest.approx([math.exp(mean - half), math.exp(mean + half)])
    assert found.level == 0.95
    assert found.half_width == pytest.approx(half, abs=1e-9)


def test_intervals_of_a_larger_table_are_wider_and_say_their_level() -> None:
    logarithms = sample([0.01, 0.02, 0.03, 0.04])
    one, of_many = (
        contrast(logarithms, comparisons=number, delta=0.02, alpha=0.05) for number in (1, 25)
    )
    assert one.level == pytest.approx(0.95)
    assert of_many.level == pytest.approx(0.998)
    assert one.half_width is not None
    assert of_many.half_width is not None
    assert of_many.half_width > 2 * one.half_width


@pytest.mark.parametrize(
    ("ratio", "low", "high", "expected"),
    [
        (1.05, 1.03, 1.07, "higher"),
        (0.95, 0.93, 0.97, "lower"),
        (1.00, 0.99, 1.01, "same within δ"),
        # Shown, and too small to matter.
        (1.01, 1.005, 1.015, "same within δ"),
        # Shown, but not whether it matters.
        (1.015, 1.005, 1.025, "undecided"),
        # Beyond δ, and not shown.
        (1.05, 0.98, 1.12, "undecided"),
        # Shown and beyond δ, though it may be less.
        (1.03, 1.01, 1.05, "higher"),
        (1 / 1.03, 1 / 1.05, 1 / 1.01, "lower"),
    ],
)
def test_verdicts(ratio: float, low: float, high: float, expected: str) -> None:
    assert verdict(ratio, low, high, 0.02) == expected


ratios = st.tuples(*[st.floats(0.5, 2)] * 3).map(sorted)


@given(ratios, st.floats(0.001, 0.5))
def test_a_verdict_turned_round_is_its_opposite(three: list[float], delta: float) -> None:
    low, ratio, high = three
    opposite = {Verdict.HIGHER: Verdict.LOWER, Verdict.LOWER: Verdict.HIGHER}
    there = verdict(ratio, low, high, delta)
    back = verdict(1 / ratio, 1 / high, 1 / low, delta)
    on_a_bound = any(
        math.isclose(value, bound, rel_tol=1e-12)
        for value in three
        for bound in (1, 1 + delta, 1 / (1 + delta))
    )
    assert on_a_bound or back is opposite.get(there, there)


def test_a_difference_is_shown_where_the_interval_leaves_1_out() -> None:
    assert Contrast(ratio=1.01, low=1.005, high=1.015).is_shown
    assert not Contrast(ratio=1.01, low=0.999, high=1.021).is_shown
    assert not Contrast(ratio=1.5).is_shown
