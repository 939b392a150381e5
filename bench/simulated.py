"""Simulated runs, judged by the functions that judge a run: what holds, and what is said of it.

The true ratio of every simulated run is 1. Another one moves its log ratios and widens nothing, so
what would have been said of it follows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.residuals import Numbers, Residuals, as_if_normal, smoothed
from runner.report.baseline import Round, mean_over
from runner.report.statistics import (
    ALPHA,
    ENOUGH_FOR_INTERVAL,
    Contrast,
    Sample,
    Verdict,
    contrast,
    median_interval,
    sample,
    verdict,
)

SEED: Final = 20261127
TRUE_RATIOS: Final = (1.005, 1.01, 1.02, 1.05, 1.1, 1.2, 1.5)
MOST_ROUNDS: Final = 15
ROUND_KEYS: Final = tuple(Round(None, None, number) for number in range(1, MOST_ROUNDS + 1))
#: Sets of normal rounds, as few as a run has, and simulated runs of each.
NORMAL_SETS, OF_EACH = 100, 500
DIFFERS: Final = frozenset({Verdict.HIGHER, Verdict.LOWER})

#: How rounds are made of residuals: `drawn` or `smoothed`.
Make = Callable[[Residuals, np.random.Generator, tuple[int, int]], Numbers]
#: Numbers of one figure and simulated run, by cell and round.
Table = Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """So many rounds like those of a run; `source` has the residuals of one figure."""

    source: Residuals
    rounds: int

    def made(self, make: Make, generator: np.random.Generator, runs: int) -> Numbers:
        """The logarithms of so many simulated runs: runs × rounds × cells."""
        return np.asarray(make(self.source, generator, (runs, self.rounds))[0])


# -- the product's contrasts -----------------------------------------------------------------------


def mode_contrasts(of: Residuals, ratios: Table, delta: float, alpha: float) -> list[Contrast]:
    """The modes' contrasts as `runner.report.modes` makes them, of log ratios."""
    means = (
        mean_over([dict(zip(ROUND_KEYS, ratios[cell], strict=False)) for cell in cells])
        for cells in of.modes
    )
    return _contrasts([mean for mean in means if mean is not None], delta, alpha)


def cell_contrasts(of: Residuals, ratios: Table, delta: float, alpha: float) -> list[Contrast]:
    """The cells' contrasts as `runner.report.baseline` makes them, of log ratios."""
    return _contrasts([sample(ratios[cell]) for cell in of.compared], delta, alpha)


def _contrasts(means: Sequence[Sample], delta: float, alpha: float) -> list[Contrast]:
    return [contrast(mean, comparisons=len(means), delta=delta, alpha=alpha) for mean in means]


def all_hold(contrasts: Sequence[Contrast]) -> bool:
    """Whether all intervals hold 1, the truth."""
    return not any(one.is_shown for one in contrasts)


# -- after a number of rounds that is known beforehand ---------------------------------------------


@dataclass(kw_only=True)
class Family:
    """What the intervals of one kind were like, over many simulated runs.

    `hold` counts runs of which all intervals hold the truth, `false` those with a verdict that
    there is a difference, where there is none. Of `intervals`, `higher` counts those that lead to
    this verdict, and `above` those that leave 1 out, by the true ratio; `same` is where that is 1.
    """

    runs: int = 0
    hold: int = 0
    false: int = 0
    intervals: int = 0
    same: int = 0
    higher: Counter[float] = field(default_factory=Counter)
    above: Counter[float] = field(default_factory=Counter)

    def add(self, contrasts: Sequence[Contrast], delta: float) -> None:
        """Count a run."""
        self.runs += 1
        self.intervals += len(contrasts)
        self.hold += all_hold(contrasts)
        self.false += any(one.verdict in DIFFERS for one in contrasts)
        self.same += sum(one.verdict is Verdict.SAME for one in contrasts)
        for one, true in product(contrasts, TRUE_RATIOS):
            ratio, low, high = (true * (end or 1.0) for end in (one.ratio, one.low, one.high))
            self.higher[true] += verdict(ratio, low, high, delta) is Verdict.HIGHER
            self.above[true] += low > 1

    @property
    def coverage(self) -> float:
        """The share of runs of which all intervals hold the truth."""
        return self.hold / self.runs


@dataclass(kw_only=True)
class Found:
    """What became of a setting: the intervals of modes and cells, and of a cell's own median."""

    modes: Family = field(default_factory=Family)
    cells: Family = field(default_factory=Family)
    medians: int = 0
    medians_hold: int = 0


def judged(setting: Setting, runs: int) -> Found:
    """Simulate so many runs of so many rounds, and judge them as a run is."""
    source, generator = setting.source, np.random.default_rng(SEED)
    (delta,) = source.deltas
    own = setting.made(smoothed, generator, runs)
    many = smoothed(source, generator, (1, 20_000))[0, 0]
    true_medians = np.median(many, axis=0).tolist()
    found = Found()
    for values, ratios in zip(_tables(own), _tables(source.ratios(own)), strict=True):
        found.modes.add(mode_contrasts(source, ratios, delta, ALPHA), delta)
        found.cells.add(cell_contrasts(source, ratios, delta, ALPHA), delta)
        found.medians += len(values)
        found.medians_hold += sum(map(_median_holds, values, true_medians))
    return found


def _tables(made: Numbers) -> list[Table]:
    tables: list[Table] = made.transpose(0, 2, 1).tolist()
    return tables


def _median_holds(values: Sequence[float], true: float) -> bool:
    interval = median_interval(values)
    return interval is not None and interval.low <= true <= interval.high


# -- many more runs, at once -----------------------------------------------------------------------


def _hold(ratios: Numbers) -> npt.NDArray[np.bool_]:
    """Which intervals hold 1, of log ratios: runs × rounds × intervals."""
    _, rounds, comparisons = ratios.shape
    halves = ratios.std(axis=1, ddof=1) / math.sqrt(rounds) * in_errors(rounds, comparisons, ALPHA)
    return np.asarray(np.abs(ratios.mean(axis=1)) <= halves)


@cache
def in_errors(rounds: int, comparisons: int, alpha: float) -> float:
    """Half the width of the product's interval, in standard errors."""
    unit = Sample(mean=0.0, error=1.0, freedom=rounds - 1, number=rounds)
    half = contrast(unit, comparisons=comparisons, delta=0.0, alpha=alpha).half_width
    return math.inf if half is None else half


def mode_ratios(of: Residuals, made: Numbers) -> Numbers:
    """The modes' log ratios of simulated rounds of one figure: runs × rounds × modes."""
    ratios = of.ratios(made)
    return np.stack([ratios[..., list(cells)].mean(axis=-1) for cells in of.modes], axis=-1)


def cell_ratios(of: Residuals, made: Numbers) -> Numbers:
    """The same of cells that are not baselines."""
    return np.asarray(of.ratios(made)[..., list(of.compared)])


def simulated(setting: Setting, make: Make, *, runs: int, cells: bool = False) -> Numbers:
    """The log ratios of modes, or of cells, in so many simulated runs."""
    made = setting.made(make, np.random.default_rng(SEED), runs)
    return (cell_ratios if cells else mode_ratios)(setting.source, made)


def coverage_of(ratios: Numbers) -> float:
    """The share of runs of which all intervals hold."""
    return float(_hold(ratios).all(axis=1).mean())


def wrong_per_run(ratios: Numbers) -> float:
    """How many of a run's intervals do not hold; were they exact, `ALPHA`.

    Unlike the share of runs with any, this does not depend on how the intervals depend on each
    other, which sets of few rounds differ in.
    """
    return float((~_hold(ratios)).sum(axis=1).mean())


def normal_wrong(setting: Setting, make: Make, *, cells: bool = False) -> list[float]:
    """The same had the run's own rounds been normal, for many sets of as few of them.

    How far these are from `ALPHA` is what a simulation from so few rounds cannot tell.
    """
    generator = np.random.default_rng(SEED)
    settings = (
        Setting(source=as_if_normal(setting.source, generator), rounds=setting.rounds)
        for _ in range(NORMAL_SETS)
    )
    return sorted(
        wrong_per_run(simulated(one, make, runs=OF_EACH, cells=cells)) for one in settings
    )


# -- a run that ends once its intervals are narrow enough ------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A run that looked after each round: when it stopped, and which figures' intervals hold."""

    rounds: int
    modes_hold: Sequence[bool]
    cells_hold: Sequence[bool]


def until_enough(of: Residuals, figures: Sequence[Table], alpha: float) -> Stopped:
    """Add round by round until every mode's interval is within δ of its ratio, for each figure.

    `figures` has the log ratios of each figure by cell and round.
    """
    for rounds in range(ENOUGH_FOR_INTERVAL, MOST_ROUNDS):
        if all(
            is_narrow(one, delta)
            for ratios, delta in zip(figures, of.deltas, strict=True)
            for one in mode_contrasts(of, _first(ratios, rounds), delta, alpha)
        ):
            return _stopped(of, figures, rounds, alpha)
    return _stopped(of, figures, MOST_ROUNDS, alpha)


def is_narrow(of: Contrast, delta: float) -> bool:
    """Whether the interval is as narrow as a run is to have it."""
    return of.half_width is not None and of.half_width <= math.log1p(delta)


def _first(ratios: Table, rounds: int) -> Table:
    return [cell[:rounds] for cell in ratios]


def _stopped(of: Residuals, figures: Sequence[Table], rounds: int, alpha: float) -> Stopped:
    tables = [
        (_first(ratios, rounds), delta) for ratios, delta in zip(figures, of.deltas, strict=True)
    ]
    return Stopped(
        rounds=rounds,
        modes_hold=[all_hold(mode_contrasts(of, one, delta, alpha)) for one, delta in tables],
        cells_hold=[all_hold(cell_contrasts(of, one, delta, alpha)) for one, delta in tables],
    )


def sequential(of: Residuals, runs: int, alpha: float) -> list[Stopped]:
    """So many simulated runs that stop by themselves."""
    made = smoothed(of, np.random.default_rng(SEED), (runs, MOST_ROUNDS))
    by_figure = [_tables(of.ratios(one)) for one in made]
    return [until_enough(of, figures, alpha) for figures in zip(*by_figure, strict=True)]


def share_that_hold_when_stopped(values: Numbers, alpha: float) -> float:
    """The same of many runs at once, of one figure: of log ratios, runs × rounds × intervals.

    They are in units of log(1 + δ). The last round is the last that a run may have.
    """
    runs, most, comparisons = values.shape
    looks = np.arange(ENOUGH_FOR_INTERVAL, most + 1)
    rounds = looks[:, np.newaxis]
    means = values.cumsum(axis=1)[:, looks - 1] / rounds
    squares = (values**2).cumsum(axis=1)[:, looks - 1] - rounds * means**2
    in_error = np.array([[in_errors(number, comparisons, alpha)] for number in looks.tolist()])
    halves = np.sqrt(np.maximum(squares, 0) / (rounds - 1) / rounds) * in_error
    enough = (halves <= 1).all(axis=2)
    enough[:, -1] = True
    last = (np.arange(runs), enough.argmax(axis=1))
    return float((np.abs(means[last]) <= halves[last]).all(axis=1).mean())
