"""How often intervals hold the truth: simulated on normal data and on what published runs left."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench import coverage, simulated
from bench.common import Options
from bench.residuals import (
    NAMES,
    Residuals,
    as_if_normal,
    centred,
    drawn,
    mixed,
    read,
    residuals_of,
    smoothed,
)
from bench.simulated import (
    MOST_ROUNDS,
    SEED,
    Family,
    Found,
    Setting,
    all_hold,
    coverage_of,
    judged,
    normal_wrong,
    sequential,
    share_that_hold_when_stopped,
    until_enough,
    wrong_per_run,
)
from bench.simulated import (
    simulated as simulated_runs,
)
from runner.errors import UsageError
from runner.report.figures import FIGURES
from runner.report.run import collate
from runner.report.statistics import ALPHA, ALPHA_OF_LOOKS, Contrast, Verdict
from tests.support.samples import launches_of, run_record

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
#: What intervals of 95 % have to reach: of normal rounds, and in a simulation from few of a run.
ENOUGH, LEAST = 0.94, 0.92


@cache
def normal(rounds: int = 60, delta: float = 0.05) -> Residuals:
    """Two baselines and four patched cells in two modes, what a round does to all included."""
    generator = np.random.default_rng(SEED)
    cells = generator.standard_normal((1, rounds, 6)) + generator.standard_normal((1, rounds, 1))
    return Residuals(
        run="normal",
        values=centred(cells / 100),
        bases=[0, 1, 0, 1, 0, 1],
        compared=[2, 3, 4, 5],
        modes=[[2, 3], [4, 5]],
        deltas=[delta],
    )


@cache
def published(name: str = "sleep-2026-11-25") -> Residuals:
    return residuals_of(read(PUBLISHED / name), name)


def of_published(figure: str, rounds: int) -> Setting:
    return Setting(source=published().of_figure(NAMES.index(figure)), rounds=rounds)


# -- after a number of rounds ----------------------------------------------------------------------


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("rounds", [3, 7])
def test_all_intervals_of_normal_rounds_hold_together(rounds: int, cells: bool) -> None:
    setting = Setting(source=normal(), rounds=rounds)
    assert coverage_of(simulated_runs(setting, smoothed, runs=4000, cells=cells)) >= ENOUGH


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("figure", NAMES)
def test_those_of_a_published_run_do_as_often_as_its_few_rounds_can_show(
    figure: str, cells: bool
) -> None:
    # Not 94 % of each figure: a simulation from seven rounds shows less, also of normal ones.
    setting = of_published(figure, 7)
    ratios = simulated_runs(setting, smoothed, runs=2000, cells=cells)
    assert coverage_of(ratios) >= LEAST
    assert wrong_per_run(ratios) <= np.percentile(normal_wrong(setting, smoothed, cells=cells), 95)


@pytest.mark.parametrize("figure", ["cpu", "p99"])
def test_that_is_the_share_that_the_programs_own_functions_find(figure: str) -> None:
    setting = of_published(figure, 4)
    found = judged(setting, 40)
    for family, cells in ((found.modes, False), (found.cells, True)):
        assert coverage_of(simulated_runs(setting, smoothed, runs=40, cells=cells)) == (
            family.coverage
        )


@pytest.mark.parametrize(("rounds", "level"), [(3, 0.75), (5, 0.9375)])
def test_a_median_is_in_its_interval_as_often_as_stated(rounds: int, level: float) -> None:
    found = judged(Setting(source=normal(), rounds=rounds), 150)
    assert found.medians == 900
    assert found.medians_hold / found.medians == pytest.approx(level, abs=0.03)


def test_a_few_rounds_drawn_as_they_are_cannot_show_the_level_of_normal_ones() -> None:
    setting = Setting(source=normal(rounds=5), rounds=4)
    assert np.median(normal_wrong(setting, drawn)) > 0.1
    assert np.median(normal_wrong(setting, smoothed)) < 0.07


# -- until the intervals are narrow ----------------------------------------------------------------


def test_intervals_of_runs_that_stop_hold_with_the_correction_and_not_without() -> None:
    spread = 1.75  # of a round's log ratio, in δ: the one that is hardest
    values = spread * np.random.default_rng(SEED).standard_normal((8000, MOST_ROUNDS, 1))
    assert share_that_hold_when_stopped(values, ALPHA_OF_LOOKS) >= ENOUGH
    assert share_that_hold_when_stopped(values, ALPHA) < 0.92


def test_so_do_those_of_a_published_runs_rounds() -> None:
    stopped = sequential(published("in-step"), 100, ALPHA_OF_LOOKS)
    for held in zip(*(one.modes_hold for one in stopped), strict=True):
        assert sum(held) / len(held) >= ENOUGH
    needed = {one.rounds for one in stopped}
    assert min(needed) >= 3
    assert max(needed) <= MOST_ROUNDS
    assert len(needed) > 3


def test_the_fast_way_to_stop_is_no_other() -> None:
    delta = 0.05
    source = Residuals(
        run="one pair",
        values=np.zeros((1, 5, 2)),
        bases=[0, 0],
        compared=[1],
        modes=[[1]],
        deltas=[delta],
    )
    values = 1.2 * np.random.default_rng(SEED).standard_normal((60, MOST_ROUNDS, 1))
    slowly = [
        until_enough(
            source, [[[0.0] * MOST_ROUNDS, (math.log1p(delta) * of_run[:, 0]).tolist()]], 0.3
        )
        for of_run in values
    ]
    assert len({one.rounds for one in slowly}) > 3
    shares = sum(one.modes_hold[0] for one in slowly) / len(slowly)
    assert share_that_hold_when_stopped(values, 0.3) == pytest.approx(shares)
    assert 0 < shares < 1


# -- what they are made of -------------------------------------------------------------------------


def test_residuals_keep_rounds_whole_and_have_the_cells_variance() -> None:
    source = published()
    assert source.values.shape == (4, 7, 26)
    assert (len(source.compared), len({*source.bases})) == (23, 3)
    assert [len(cells) for cells in source.modes] == [5, 9, 9]
    assert source.deltas == [0.02, 0.10, 0.05, 0.05]
    assert abs(source.values.mean(axis=1)).max() < 1e-12
    # What n values spread about their own mean, put right for drawing from them.
    logarithms = np.random.default_rng(1).standard_normal((1, 7, 2))
    found = centred(logarithms)
    assert (found**2).mean(axis=1) == pytest.approx(logarithms.var(axis=1, ddof=1))
    rounds = {tuple(one) for one in source.values[1]}
    taken = drawn(source, np.random.default_rng(1), (2, 20))[1].reshape(-1, 26)
    assert {tuple(one) for one in taken} == rounds


def test_made_rounds_vary_like_the_runs_and_together_as_they_do() -> None:
    source = published("in-step").of_figure(1)
    expected = (source.values[0].T @ source.values[0]) / source.rounds
    for make in (drawn, mixed, smoothed):
        made = make(source, np.random.default_rng(1), (1, 40_000))[0, 0]
        assert np.cov(made.T) == pytest.approx(expected, abs=0.03 * expected.max())
    assert len(as_if_normal(source, np.random.default_rng(1)).values[0]) == source.rounds


def test_a_run_with_too_few_rounds_is_refused() -> None:
    run = run_record()
    with pytest.raises(UsageError, match="has 0 rounds"):
        residuals_of(collate(run, launches_of(run)), "empty")


# -- how it is counted -----------------------------------------------------------------------------


def test_what_intervals_would_have_said_of_other_true_ratios() -> None:
    family = Family()
    exact = Contrast(ratio=1.0, low=0.99, high=1.01, verdict=Verdict.SAME)
    beside = Contrast(ratio=1.1, low=1.05, high=1.15, verdict=Verdict.HIGHER)
    family.add([exact], 0.05)
    family.add([exact, beside], 0.05)
    assert (family.runs, family.hold, family.false) == (2, 1, 1)
    assert (family.intervals, family.same) == (3, 2)
    assert [family.higher[true] for true in (1.005, 1.05, 1.1)] == [1, 1, 3]
    assert [family.above[true] for true in (1.005, 1.02, 1.05)] == [1, 3, 3]
    assert all_hold([exact])
    assert not all_hold([exact, beside])


def test_the_tables_have_all_that_they_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "RUNS", ("in-step",))
    monkeypatch.setattr(coverage, "ROUNDS", (3,))
    monkeypatch.setattr(coverage, "NORMAL_SIMULATIONS", 50)
    monkeypatch.setattr(simulated, "NORMAL_SETS", 3)
    monkeypatch.setattr(simulated, "OF_EACH", 20)
    lines = list(coverage.run(Options(simulations=20)))
    assert sum("CPU per request  3" in line for line in lines) == 3
    assert any(re.search("in-step +5 % +cells", line) for line in lines)
    assert any(re.search(r"12 +15 +\d+\.\d \(", line) for line in lines)


def test_where_too_few_hold_normal_rounds_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "OF_EACH", 100)
    setting = Setting(source=published("in-step").of_figure(0), rounds=3)
    found = Found(
        modes=Family(runs=100, hold=50, intervals=300),
        cells=Family(runs=100, hold=95, intervals=300),
    )
    _, first, last = coverage.below_goal({(FIGURES[0], 3): {setting: found}}, 200)
    assert "in-step, requests/s, 3 rounds, modes" in first
    assert first.endswith("MISSED")
    assert re.search(r" 1 +goal 0  MISSED$", last)
