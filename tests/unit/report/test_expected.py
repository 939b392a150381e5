from __future__ import annotations

import pytest

from runner.outcome import Outcome
from runner.report.expected import check
from runner.report.run import collate
from runner.store.records import ExpectationRecord
from tests.support.samples import cell, launch, run_record


def checked(*expect: ExpectationRecord) -> list[tuple[str, bool, str]]:
    one, two, three = cell("3.9", "none"), cell("3.9", "gevent"), cell("3.13", "none")
    run = run_record(one, two, three).model_copy(update={"expect": expect})
    launches = {
        one.id: [launch(one)],
        two.id: [launch(two, outcome=Outcome.HANG_AT_STARTUP, reason="in connect")],
    }
    return [(c.cell, c.met, c.seen) for c in check(collate(run, launches))]


def test_an_outcome_is_expected_of_the_cells_that_match() -> None:
    found = checked(ExpectationRecord(cells={"patch": "g*"}, outcomes=("ok", "serialised")))
    assert [(met, seen) for _, met, seen in found] == [(False, "hang-at-startup: in connect")]


def test_a_cell_that_was_not_measured_is_neither_met_nor_unmet() -> None:
    found = checked(ExpectationRecord(cells={"patch": "none"}, outcomes=("ok",)))
    assert [met for _, met, _ in found] == [True]


@pytest.mark.parametrize(
    ("sign", "bound", "met"),
    [(">=", 1, True), ("<", 1, False), (">", 1e9, False), ("<=", 1e9, True)],
)
def test_a_bound_on_a_figure(sign: str, bound: float, met: bool) -> None:
    bounds = (("requests_per_second", sign, bound),)
    found = checked(ExpectationRecord(cells={"patch": "none"}, bounds=bounds))
    assert [met for _, met, _ in found] == [met]


def test_an_outcome_without_figures_that_is_expected_has_no_bounds() -> None:
    expectation = ExpectationRecord(
        cells={"patch": "gevent"},
        outcomes=("ok", "hang-at-startup"),
        bounds=(("efficiency", ">=", 0.9),),
    )
    assert [met for _, met, _ in checked(expectation)] == [True]


def test_a_bound_on_a_figure_that_there_is_not_is_unmet() -> None:
    bounds = (("efficiency", ">=", 0.0),)
    found = checked(ExpectationRecord(cells={"patch": "gevent"}, bounds=bounds))
    assert [(met, seen) for _, met, seen in found] == [(False, "none (hang-at-startup)")]
