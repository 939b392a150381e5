from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.baseline import TOO_FEW_ROUNDS, TOO_SHORT
from runner.report.figures import FIGURES, RATE
from runner.report.modes import Mode, modes
from runner.report.run import Run, collate
from runner.report.statistics import Contrast, Verdict
from runner.report.summary import figure_text, outcomes_text, summary, verdict_text
from runner.store.records import CellRecord
from tests.support.samples import AXES, cell, launch, run_record, traffic

BASES = {python: cell(python, "none") for python in ("3.9", "3.11")}
PATCHED = {python: cell(python, "gevent", gevent="25.9.1") for python in ("3.9", "3.11")}
CELLS = [*BASES.values(), *PATCHED.values()]


def run_of(rates: Mapping[str, Sequence[float]], *cells: CellRecord) -> Run:
    """A run of these rates, round by round, by the cell's id."""
    launches = {
        one.id: [launch(one, n, rate=rate) for n, rate in enumerate(rates[one.id], start=1)]
        for one in cells or CELLS
        if one.id in rates
    }
    return collate(run_record(*(cells or CELLS), launches=5), launches)


def mode_of(run: Run, patch: str = "gevent") -> Mode:
    [found] = [mode for mode in modes(run) if mode.values["patch"] == patch]
    return found


def drifting(*factors: float) -> dict[str, list[float]]:
    """Rounds that double, the patched cells `factors` of their baselines, one per Python."""
    rounds = [10.0, 20.0, 40.0, 80.0]
    rates = {base.id: rounds for base in BASES.values()}
    return rates | {
        one.id: [factor * rate for rate in rounds]
        for one, factor in zip(PATCHED.values(), factors, strict=True)
    }


def test_a_mode_is_the_mean_over_its_environments_within_rounds() -> None:
    mode = mode_of(run_of(drifting(1.1, 1.2)))
    found = mode.contrasts["rate"]
    assert found.ratio == pytest.approx(math.sqrt(1.1 * 1.2))
    assert [found.low, found.high] == pytest.approx([found.ratio] * 2, rel=1e-3)
    assert (found.rounds, found.verdict) == (4, "higher")
    assert mode.compared["rate"] == [one.id for one in PATCHED.values()]
    assert not mode.is_baseline
    assert mode_of(run_of(drifting(1.1, 1.2)), "none").is_baseline


def test_what_a_round_does_to_all_environments_is_one_observation() -> None:
    """Two environments that move together are no more than one: the interval is not narrower."""
    wobble = [1.00, 1.02, 0.98, 1.01]
    rates = {base.id: [10.0] * 4 for base in BASES.values()}
    rates |= {one.id: [10 * w for w in wobble] for one in PATCHED.values()}
    both = mode_of(run_of(rates)).contrasts["rate"]
    alone = mode_of(run_of(rates, BASES["3.11"], PATCHED["3.11"])).contrasts["rate"]
    assert both.half_width == pytest.approx(alone.half_width)


def test_only_rounds_that_all_environments_have_count() -> None:
    rates = drifting(1.1, 1.2)
    rates[PATCHED["3.9"].id] = rates[PATCHED["3.9"].id][:3]
    assert mode_of(run_of(rates)).contrasts["rate"].rounds == 3
    rates[PATCHED["3.9"].id] = rates[PATCHED["3.9"].id][:2]
    found = mode_of(run_of(rates)).contrasts["rate"]
    assert (found.low, found.verdict, found.reason) == (None, "undecided", TOO_FEW_ROUNDS)
    assert found.ratio is not None


def on(machine: str, launches: Sequence[LaunchRecord]) -> list[LaunchRecord]:
    return [one.model_copy(update={"block": machine}) for one in launches]


def test_environments_measured_on_different_machines_are_independent_parts() -> None:
    """Each machine has one environment; the mean is over both, and so is the uncertainty."""
    plain = run_of(drifting(1.1, 1.2))
    wobbling = {
        one.id: [rate * (1 + 0.01 * (n % 2)) for n, rate in enumerate(drifting(1.1, 1.2)[one.id])]
        for one in PATCHED.values()
    }
    rates = drifting(1.1, 1.2) | wobbling
    launches = {
        one.id: on(
            "a" if one.python == "3.9" else "b",
            [launch(one, n, rate=rate) for n, rate in enumerate(rates[one.id], start=1)],
        )
        for one in CELLS
    }
    found = mode_of(collate(plain.record, launches)).contrasts["rate"]
    assert found.rounds == 4
    assert found.ratio == pytest.approx(math.sqrt(1.1 * 1.2) * math.sqrt(1.01), rel=1e-4)
    # The halves wobble in step: were they taken to share their rounds, it would be wider.
    together = mode_of(run_of(rates)).contrasts["rate"]
    assert found.half_width is not None
    assert together.half_width is not None
    assert 0 < found.half_width < together.half_width


def test_loads_are_not_averaged_over() -> None:
    run = traffic()
    found = modes(collate(run, {one.id: [launch(one)] for one in run.cells}))
    assert [(mode.values["patch"], mode.values["rate"]) for mode in found] == [
        ("none", 45.0),
        ("none", "closed"),
        ("gevent", 45.0),
        ("gevent", "closed"),
    ]


def served(outcomes: Mapping[str, Outcome]) -> Run:
    launches = {
        one.id: [launch(one, n, outcome=outcomes.get(one.id, Outcome.OK)) for n in range(1, 5)]
        for one in CELLS
    }
    return collate(run_record(*CELLS, launches=4), launches)


def test_serialised_cells_are_not_averaged_with_others() -> None:
    mixed = mode_of(served({PATCHED["3.9"].id: Outcome.SERIALISED}))
    assert mixed.compared["rate"] == [PATCHED["3.11"].id]
    assert outcomes_text(mixed) == "ok 4/8, serialised 4/8"
    every = mode_of(served({one.id: Outcome.SERIALISED for one in PATCHED.values()}))
    assert every.compared["rate"] == [one.id for one in PATCHED.values()]


def test_a_hang_has_an_outcome_and_no_contrast() -> None:
    hung = mode_of(served({one.id: Outcome.HANG_UNDER_LOAD for one in PATCHED.values()}))
    assert hung.contrasts == {}
    assert outcomes_text(hung) == "hang-under-load 8/8"


def test_outcomes_are_those_of_launches_not_of_their_cells() -> None:
    """A cell that hangs once is a cell that hangs, but its other launches were ok."""
    hangs = PATCHED["3.9"]
    run = served({})
    _, *others = run.launches[hangs.id]
    hung = launch(hangs, 1, outcome=Outcome.HANG_UNDER_LOAD)
    mode = mode_of(collate(run.record, {**run.launches, hangs.id: [hung, *others]}))
    assert outcomes_text(mode) == "ok 7/8, hang-under-load 1/8"


def test_a_mode_that_only_hangs_still_has_a_line() -> None:
    table = summary(served({one.id: Outcome.HANG_UNDER_LOAD for one in PATCHED.values()}))
    assert table is not None
    assert table.lines[1][:2] == ("gevent", "hang-under-load 8/8")


def test_short_loads_say_that_they_are_short() -> None:
    launches = {
        one.id: [
            launch(one, n).model_copy(update={"lone_request_ms": 60_000.0}) for n in range(1, 5)
        ]
        for one in CELLS
    }
    found = mode_of(collate(run_record(*CELLS, launches=4), launches))
    assert found.contrasts["rate"].reason == TOO_SHORT
    assert found.contrasts["rss"].verdict == "same within δ"


# -- in words --------------------------------------------------------------------------------------


def test_the_summary_has_the_baselines_figures_and_the_others_ratios() -> None:
    run = run_of(drifting(1.1, 1.2))
    table = summary(run)
    assert table is not None
    assert table.headings == (
        "patch", "outcome", "requests/s", "CPU ms/request", "p99 ms", "peak RSS MiB", "threads",
        "cells",
    )  # fmt: skip
    assert [line[0] for line in table.lines] == ["none", "gevent"]
    assert table.lines[0][2] == "30.00"
    assert table.lines[1][2] == figure_text(run, mode_of(run), RATE)
    assert table.lines[1][2].startswith("× 1.1489 [")
    assert table.lines[1][2].endswith("] higher; cells 1.10–1.20")
    reading = " ".join(table.notes[0].items)
    assert "each at the level 95 %" in reading
    assert "Four of five such runs would show a difference of " in reading
    assert "`cells`: the range of the cells' own ratios" in reading


def test_cells_disagree_where_one_is_further_from_the_interval_than_delta() -> None:
    apart, near = mode_of(run_of(drifting(1.1, 1.2))), mode_of(run_of(drifting(1.1, 1.101)))
    assert apart.disagreement(RATE, 0.02) == pytest.approx((1.1, 1.2))
    assert apart.disagreement(RATE, 0.05) is None  # the mean is 1.149
    assert near.ratios(RATE) == pytest.approx((1.1, 1.101))
    assert near.disagreement(RATE, 0.02) is None
    table = summary(run_of(drifting(1.1, 1.101)))
    assert table is not None
    assert "cells" not in table.lines[1][2]
    assert "`cells`" not in " ".join(table.notes[0].items)


@pytest.mark.parametrize(("odd", "ends"), [(0.5, (0.5, 1.0)), (2.0, (1.0, 2.0))])
def test_one_cell_alone_disagrees_above_or_below(odd: float, ends: tuple[float, float]) -> None:
    """The other two are within δ of the mean: 0.79 and 1.26."""
    bases = [cell(python, "none") for python in ("3.9", "3.11", "3.13")]
    patched = [cell(python, "gevent", gevent="25.9.1") for python in ("3.9", "3.11", "3.13")]
    rates = {one.id: [10.0, 20.0, 40.0] for one in (*bases, *patched)}
    rates[patched[0].id] = [odd * rate for rate in (10.0, 20.0, 40.0)]
    mode = mode_of(run_of(rates, *bases, *patched))
    assert mode.disagreement(RATE, 0.3) == pytest.approx(ends)
    assert mode.disagreement(RATE, 0.6) is None


def test_without_an_interval_cells_disagree_with_the_ratio() -> None:
    rates = {one: of_cell[:1] for one, of_cell in drifting(0.5, 2.0).items()}
    mode = mode_of(run_of(rates))
    assert mode.contrasts["rate"].low is None
    assert mode.disagreement(RATE, 0.02) == pytest.approx((0.5, 2.0))


def test_a_baseline_has_no_range() -> None:
    base = mode_of(run_of(drifting(1.1, 1.2)), "none")
    assert base.ratios(RATE) is None
    assert base.disagreement(RATE, 0.0) is None


def test_without_a_baseline_there_is_no_summary() -> None:
    one = cell("3.11", "none")
    assert summary(collate(run_record(one, baseline={}), {one.id: [launch(one)]})) is None


@pytest.mark.parametrize(
    ("contrast", "text"),
    [
        (Contrast(ratio=1.0, low=0.99, high=1.01, verdict=Verdict.SAME), "same within 2 %"),
        (
            Contrast(ratio=1.01, low=1.005, high=1.015, verdict=Verdict.SAME),
            "higher, by less than 2 %",
        ),
        (
            Contrast(ratio=0.985, low=0.975, high=0.995, verdict=Verdict.UNDECIDED),
            "lower, undecided whether by 2 %",
        ),
        (Contrast(ratio=1.1, low=0.9, high=1.3, verdict=Verdict.UNDECIDED), "undecided"),
        (Contrast(ratio=1.1, low=1.05, high=1.15, verdict=Verdict.HIGHER), "higher"),
    ],
)
def test_a_difference_that_is_shown_and_small_says_so(contrast: Contrast, text: str) -> None:
    assert verdict_text(contrast, 0.02) == text


def test_every_figure_has_its_keys_in_every_row() -> None:
    row = run_of(drifting(1.1, 1.2)).rows[0].values()
    for figure in FIGURES:
        keys = [f"verdict_{figure.name}", f"{figure.name}_ratio", f"{figure.name}_ratio_low"]
        assert {*keys} <= {*row}
    assert {*AXES} <= {*row}
