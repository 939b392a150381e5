"""What the launches of a run allow to claim. The unit is the launch, not the request.

Requests of one launch share a process, a memory layout and a moment of the machine, so five
thousand of them are one observation, not five thousand.

All figures are treated alike. What is compared is compared as the logarithm of a ratio, so that a
half and a double are equally far from 1; its interval is Student's, over rounds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple

from runner.options import FEWEST_TO_STOP

#: From so many launches, or rounds, on an interval is given; fewer are shown and claim nothing.
ENOUGH_FOR_INTERVAL: Final = FEWEST_TO_STOP
#: The level of all intervals of a table together, and of the interval of a median where reached.
CONFIDENCE: Final = 0.95
ALPHA: Final = 1 - CONFIDENCE
#: The share of wrong intervals to compute with where a run looked at its intervals after each round
#: and stopped once they were narrow enough. Such a run stops too early where the spread looks
#: smaller than it is: intervals computed with 5 % are wrong in up to 10 % of runs. With 2 % it is
#: 4.7 % at most, whatever the spread, for 3 to 60 rounds (simulated: `python -m bench coverage`).
ALPHA_OF_LOOKS: Final = 0.02

#: What is rounded, a load's time to a millisecond or memory to pages, is not known better: values
#: that do not differ at all have an error of this share.
ROUNDING: Final = 1e-5
#: How often a difference that a run is said to be able to show would be shown.
POWER: Final = 0.8


class Verdict(StrEnum):
    """What is known of a figure against what it is compared with."""

    HIGHER = "higher"
    LOWER = "lower"
    SAME = "same within δ"
    UNDECIDED = "undecided"


def median_of_known(values: Iterable[float | None]) -> float | None:
    """The median of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


# -- a figure's own interval -----------------------------------------------------------------------


class MedianInterval(NamedTuple):
    """An interval of a median, and its level: how often such an interval holds the true one."""

    low: float
    high: float
    level: float


def median_interval(values: Sequence[float]) -> MedianInterval | None:
    """The narrowest pair of order statistics with a level of at least 95 %, else the extremes.

    Between the k-th smallest and the k-th largest of n values is the true median with probability
    1 - 2 × P(B < k), B binomial (n, 1/2), whatever the distribution: 75 % for the extremes of three
    values, 93.75 % of five, 98.4 % of seven. None below `ENOUGH_FOR_INTERVAL` values.
    Source: T. P. Hettmansperger, S. J. Sheather, Statist. Probab. Lett. 4 (1986) 75-79.
    """
    number = len(values)
    if number < ENOUGH_FOR_INTERVAL:
        return None
    place, level = _places_of_median(number)
    ordered = sorted(values)
    return MedianInterval(ordered[place], ordered[-1 - place], level)


@cache
def _places_of_median(number: int) -> tuple[int, float]:
    """How many values are left out at either end, and the level that this leaves."""
    place, level = 0, 1 - 2 * 0.5**number
    for further in range(1, (number + 1) // 2):
        beyond = sum(math.comb(number, k) for k in range(further + 1)) * 0.5**number
        if 1 - 2 * beyond < CONFIDENCE:
            break
        place, level = further, 1 - 2 * beyond
    return place, level


# -- comparisons -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The mean of independent values, its standard error, and the error's degrees of freedom."""

    mean: float
    error: float
    freedom: float
    number: int


def sample(values: Sequence[float]) -> Sample:
    """The mean of at least one value; of one alone the error is not known (infinite)."""
    number = len(values)
    mean = statistics.fmean(values)
    if number < 2:
        return Sample(mean=mean, error=math.inf, freedom=0, number=number)
    error = statistics.stdev(values, mean) / math.sqrt(number)
    return Sample(mean=mean, error=error, freedom=number - 1, number=number)


def weighted(parts: Iterable[tuple[float, Sample]]) -> Sample:
    """The weighted sum of independent means; `number` is the least of theirs.

    Degrees of freedom by Satterthwaite: (Σ v)² / Σ (v² / f), v a part's share of the variance and f
    its degrees of freedom. Source: B. L. Welch, Biometrika 34 (1947) 28-35.
    """
    parts = [*parts]
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    variances = [(weight * part.error) ** 2 for weight, part in parts]
    whole = sum(variances)
    spread = sum(
        variance**2 / part.freedom if part.freedom else math.inf
        for variance, (_, part) in zip(variances, parts, strict=True)
    )
    unknown = not math.isfinite(whole)
    return Sample(
        mean=sum(weight * part.mean for weight, part in parts),
        error=math.inf if unknown else math.sqrt(whole),
        freedom=0 if unknown else _freedom(whole, spread, parts),
        number=min(part.number for _, part in parts),
    )


def _freedom(whole: float, spread: float, parts: Sequence[tuple[float, Sample]]) -> float:
    if not spread:  # none of the values differ from each other
        return min(part.freedom for _, part in parts)
    return whole**2 / spread


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A figure over that which it is compared with, and what that allows to say.

    `low` and `high` bound the ratio, at a `level` of its own that makes all intervals of its table
    hold together; `rounds` is how many it rests on. `reason` says why there is no interval.
    `detectable` is the difference, a share, that four of five such runs would show.
    """

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    rounds: int = 0
    verdict: Verdict | None = None
    reason: str | None = None
    detectable: float | None = None

    @property
    def half_width(self) -> float | None:
        """Half the interval's width on the scale of logarithms: 0.02 is about 2 %."""
        if self.low is None or self.high is None:
            return None
        return math.log(self.high / self.low) / 2

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves 1 out: there is a difference, be it ever so small."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


#: Of a figure that nothing is compared with.
NOT_COMPARED: Final = Contrast()


def contrast(logarithms: Sample, *, comparisons: int, delta: float, alpha: float) -> Contrast:
    """What a mean logarithm of enough ratios says, as one of so many comparisons of a table.

    Student's interval, Bonferroni: all of a table's hold together with a probability of at least
    95 %, however they depend on each other. `alpha` is what they are computed with: 5 %, or
    `ALPHA_OF_LOOKS`, which leaves 5 % to a run that looked. `delta` is the share below which a
    difference does not matter.
    """
    ratio = math.exp(logarithms.mean)
    error = max(logarithms.error, ROUNDING)
    half = _student(logarithms.freedom, 1 - alpha / max(1, comparisons)) * error
    low, high = math.exp(logarithms.mean - half), math.exp(logarithms.mean + half)
    return Contrast(
        ratio=ratio,
        low=low,
        high=high,
        level=1 - ALPHA / max(1, comparisons),
        rounds=logarithms.number,
        verdict=verdict(ratio, low, high, delta),
        detectable=math.expm1(half + _student(logarithms.freedom, 2 * POWER - 1) * error),
    )


def verdict(ratio: float, low: float, high: float, delta: float) -> Verdict:
    """What an interval of a ratio says; `delta` is the share that matters, 0.02 for 2 %.

    `SAME` where the whole interval is within δ of 1 (two one-sided tests: D. J. Schuirmann,
    J. Pharmacokinet. Biopharm. 15 (1987) 657-680). `HIGHER` and `LOWER` where it leaves 1 out and
    the ratio itself differs by more than δ. Everything else is undecided.
    """
    if 1 / (1 + delta) <= low and high <= 1 + delta:
        return Verdict.SAME
    if low > 1 and ratio > 1 + delta:
        return Verdict.HIGHER
    if high < 1 and ratio < 1 / (1 + delta):
        return Verdict.LOWER
    return Verdict.UNDECIDED


@cache
def _student(freedom: float, level: float) -> float:
    """The quantile of Student's t that leaves 1 - level outside, half on either side."""
    from scipy.special import stdtrit  # noqa: PLC0415 - most commands need no interval

    return float(stdtrit(freedom, (1 + level) / 2))
