"""How often intervals and verdicts are right, simulated on the residuals of our own runs.

What a run says is judged by the functions that say it (`bench.simulated`), on rounds whose truth is
known because they are made of what is left of published runs once the means are gone
(`bench.residuals`).

A simulation from five or seven rounds has limits of its own: were the true rounds normal, for which
the intervals are exact, it would not show the nominal level either. What it would show stands
beside what it does: the median and the middle 90 % over sets of as few normal rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

import numpy as np
from tabulate import tabulate

from bench.common import REPOSITORY, Options, figure
from bench.residuals import Residuals, drawn, read, residuals_of, smoothed
from bench.simulated import (
    MOST_ROUNDS,
    SEED,
    TRUE_RATIOS,
    Family,
    Found,
    Make,
    Setting,
    Stopped,
    coverage_of,
    judged,
    normal_wrong,
    sequential,
    share_that_hold_when_stopped,
    simulated,
    wrong_per_run,
)
from runner.report.figures import FIGURES, Figure
from runner.report.statistics import (
    ALPHA,
    ALPHA_OF_LOOKS,
    CONFIDENCE,
    median_interval,
)

RUNS: Final = ("sleep-2026-11-25", "traffic-gevent25.9.1", "in-step")
ROUNDS: Final = (3, 4, 5, 7, 10, 15)
SIMULATIONS, NORMAL_SIMULATIONS = 2000, 20_000
GOAL: Final = CONFIDENCE - 0.01
#: The spread of a round's log ratio, in δ: from narrow after three rounds to never narrow.
SPREADS: Final = (*np.arange(0.1, 1.0, 0.1), *np.arange(1.0, 5.0, 0.25))
#: How many intervals have to be narrow, and after how many rounds a run ends anyhow.
ENDINGS: Final = ((1, 15), (1, 60), (3, 15), (12, 15))

#: What was found of each figure and number of rounds, of each run.
Results = Mapping[tuple[Figure, int], Mapping[Setting, Found]]


def run(options: Options) -> Iterator[str]:
    """Coverage, false verdicts and power after a number of rounds; then of runs that stop."""
    simulations = options.simulations or SIMULATIONS
    sources = [residuals_of(read(REPOSITORY / "results/published" / name), name) for name in RUNS]
    results = {
        (of, rounds): {
            setting: judged(setting, simulations)
            for source in sources
            for setting in [Setting(source=source.of_figure(place), rounds=rounds)]
        }
        for (place, of), rounds in product(enumerate(FIGURES), ROUNDS)
    }
    yield from coverage_table(results)
    yield from below_goal(results, simulations)
    yield from unsmoothed_table(results, simulations)
    yield from power_tables(results)
    yield from sequential_table(sources, simulations)
    yield from normal_table(NORMAL_SIMULATIONS)


# -- after a number of rounds ----------------------------------------------------------------------


def coverage_table(results: Results) -> Iterator[str]:
    """Means over the runs, in per cent."""
    yield "  Simulated runs in which all intervals hold the truth, and with a false verdict; %,"
    yield f"  mean of {', '.join(RUNS)} (and the least of them)"
    lines = []
    for (of, rounds), found in results.items():
        medians = sum(one.medians_hold for one in found.values())
        stated = median_interval([float(place) for place in range(rounds)])
        lines.append(
            (
                of.label,
                rounds,
                _mean_and_least([one.modes.coverage for one in found.values()]),
                _mean_and_least([one.cells.coverage for one in found.values()]),
                _per_cent(statistics.fmean(f.modes.false / f.modes.runs for f in found.values())),
                _per_cent(statistics.fmean(f.cells.false / f.cells.runs for f in found.values())),
                _per_cent(medians / sum(one.medians for one in found.values())),
                _per_cent(stated.level) if stated else "",
            )
        )
    yield from _table(
        ("figure", "rounds", "modes", "cells", "false: modes", "cells", "medians", "stated"), lines
    )


def below_goal(results: Results, simulations: int) -> Iterator[str]:
    """Where intervals hold together too seldom, and whether normal rounds explain it."""
    yield f"  Less than {100 * GOAL:g} %, with the wrong intervals a run, and of normal rounds; %"
    unexplained = 0
    for (of, rounds), found in results.items():
        for setting, one in found.items():
            for what, family in (("modes", one.modes), ("cells", one.cells)):
                if family.coverage < GOAL:
                    own, normal = _wrong(setting, smoothed, simulations, cells=what == "cells")
                    low, middle, high = _middle(normal)
                    unexplained += own > high
                    yield figure(
                        f"{setting.source.run}, {of.label}, {rounds} rounds, {what}",
                        f"hold {_per_cent(family.coverage)}, wrong {_per_cent(own)}",
                        f"{_per_cent(middle)}: {_per_cent(low)}–{_per_cent(high)}",
                        met=own <= high,
                    )
    yield figure("more than normal rounds explain", str(unexplained), "0", met=not unexplained)


def _wrong(
    setting: Setting, make: Make, simulations: int, *, cells: bool = False
) -> tuple[float, list[float]]:
    own = wrong_per_run(simulated(setting, make, runs=simulations, cells=cells))
    return own, normal_wrong(setting, make, cells=cells)


def unsmoothed_table(results: Results, simulations: int) -> Iterator[str]:
    """What a simulation shows that draws whole rounds unchanged, of our rounds and of normal ones.

    It says more of drawing from a handful of values than of the intervals.
    """
    yield "  Whole rounds drawn as they are: runs in which all modes' intervals hold, wrong"
    yield "  intervals a run, and those of as few normal rounds (median: middle 90 %); %"
    lines = []
    for of, name in product(FIGURES, RUNS):
        line = [of.label, name]
        for rounds in ROUNDS:
            (setting,) = (one for one in results[of, rounds] if one.source.run == name)
            hold = coverage_of(simulated(setting, drawn, runs=simulations))
            own, normal = _wrong(setting, drawn, simulations)
            low, middle, high = (f"{100 * share:.0f}" for share in _middle(normal))
            line.append(f"{100 * hold:.0f}, {100 * own:.0f} ({middle}: {low}–{high})")
        lines.append(line)
    yield from _table(("figure", "run", *map(str, ROUNDS)), lines)


def power_tables(results: Results) -> Iterator[str]:
    """How many of the intervals lead to which verdict, by the true ratio."""
    for what in ("modes", "cells"):
        yield f"  Verdicts on {what}: `same within δ` where the true ratio is 1; `higher` where"
        yield "  it is another (and intervals that leave 1 out); % of intervals, mean of the runs"
        lines = []
        for (of, rounds), found in results.items():
            families: list[Family] = [getattr(one, what) for one in found.values()]
            lines.append((of.label, rounds, *_power(families)))
        yield from _table(("figure", "rounds", "1", *map(str, TRUE_RATIOS)), lines)


def _power(families: Sequence[Family]) -> Iterator[str]:
    def mean(counts: Iterable[int]) -> str:
        shares = (n / of.intervals for n, of in zip(counts, families, strict=True))
        return f"{100 * statistics.fmean(shares):.0f}"

    yield mean(of.same for of in families)
    for true in TRUE_RATIOS:
        higher = mean(of.higher[true] for of in families)
        yield f"{higher} ({mean(of.above[true] for of in families)})"


# -- until the intervals are narrow enough ---------------------------------------------------------


def sequential_table(sources: Sequence[Residuals], simulations: int) -> Iterator[str]:
    """Rounds needed, and whether the intervals hold at the stop, by the share of wrong ones."""
    yield f"  Runs that stop once all modes' intervals are within δ, {MOST_ROUNDS} rounds at most:"
    yield "  intervals of a figure that hold together at the stop, %"
    lines = []
    for source, alpha in product(sources, (ALPHA_OF_LOOKS, ALPHA)):
        stopped = sequential(source, simulations, alpha)
        needed = _rounds_needed(stopped)
        for what, held in (
            ("modes", [one.modes_hold for one in stopped]),
            ("cells", [one.cells_hold for one in stopped]),
        ):
            lines.append((source.run, f"{100 * alpha:g} %", what, *_held(held), needed))
    labels = (of.label for of in FIGURES)
    headings = ("run", "computed with", "", *labels, "rounds: median, 95 %, at most")
    yield from _table(headings, lines)


def _held(held: Sequence[Sequence[bool]]) -> Iterator[str]:
    for of_figure in zip(*held, strict=True):
        yield _per_cent(statistics.fmean(of_figure))


def _rounds_needed(stopped: Sequence[Stopped]) -> str:
    needed = sorted(one.rounds for one in stopped)
    at_most = sum(rounds == MOST_ROUNDS for rounds in needed) / len(needed)
    return f"{needed[len(needed) // 2]}, {needed[int(0.95 * len(needed))]}, {_per_cent(at_most)} %"


def normal_table(simulations: int) -> Iterator[str]:
    """The spread of normal rounds that such a stop is worst for."""
    yield "  The same of normal rounds, at the spread (in δ) at which fewest intervals hold"
    lines = []
    for comparisons, most in ENDINGS:
        normal = np.random.default_rng(SEED).standard_normal((simulations, most, comparisons))
        line = [str(comparisons), str(most)]
        for alpha in (ALPHA_OF_LOOKS, ALPHA):
            shares = {s: share_that_hold_when_stopped(s * normal, alpha) for s in SPREADS}
            worst = min(shares, key=shares.__getitem__)
            line.append(f"{_per_cent(shares[worst])} ({worst:.2g})")
        lines.append(line)
    computed = (f"computed with {100 * alpha:g} %" for alpha in (ALPHA_OF_LOOKS, ALPHA))
    yield from _table(("intervals", "rounds at most", *computed), lines)


# -- how it is printed -----------------------------------------------------------------------------


def _table(headings: Sequence[str], lines: Sequence[Sequence[object]]) -> Iterator[str]:
    text = tabulate(lines, headings, tablefmt="plain", disable_numparse=True)
    yield from (f"    {line}" for line in text.splitlines())


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"


def _mean_and_least(shares: Sequence[float]) -> str:
    return f"{_per_cent(statistics.fmean(shares))} ({_per_cent(min(shares))})"


def _middle(shares: Sequence[float]) -> tuple[float, float, float]:
    """The 5th, 50th and 95th percentile."""
    low, middle, high = np.percentile(shares, (5, 50, 95))
    return float(low), float(middle), float(high)
