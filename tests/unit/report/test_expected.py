from __future__ import annotations

import pytest

from runner.outcome import Outcome
from runner.report.expected import LONGEST, MOST_TOLD, check, unmet_lines
from runner.report.run import collate
from runner.store.records import ExpectationRecord
from tests.support.samples import cell, launch, run_record

WHY = "grpc waits in C (poll → db:5432)"


def checked(*expect: ExpectationRecord) -> list[tuple[str, bool, str]]:
    one, two, three = cell("3.9", "none"), cell("3.9", "gevent"), cell("3.13", "none")
    run = run_record(one, two, three).model_copy(update={"expect": expect})
    hung = launch(two, outcome=Outcome.HANG_AT_STARTUP, reason="in connect")
    launches = {
        one.id: [launch(one)],
        two.id: [hung.model_copy(update={"why": WHY})],
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


@pytest.mark.parametrize(
    ("patch", "why", "met"),
    [
        ("gevent", "in C (poll", True),
        ("gevent", "/^grpc .* in C/", True),
        ("gevent", "/^in C/", False),
        ("gevent", "psycopg2", False),
        ("gevent", "none", False),
        ("none", "none", True),
        ("none", "grpc", False),
        ("none", "/.*/", False),
        ("gevent", "none or in C", True),
        ("none", "in C or none", True),
        ("gevent", "none or psycopg2", False),
    ],
)
def test_a_cause(patch: str, why: str, *, met: bool) -> None:
    seen = {"gevent": f"why: {WHY}", "none": "ok without a why"}[patch]
    expectation = ExpectationRecord(cells={"patch": patch}, whys=tuple(why.split(" or ")))
    assert [(is_met, told) for _, is_met, told in checked(expectation)] == [(met, seen)]


# -- what a page says of it ------------------------------------------------------------------------


def lines(reason: str, *, hung: int, met: int = 1) -> tuple[str, ...]:
    """What is said of a run of which `ok` was expected, and some cells hung."""
    cells = [cell("3.11", f"mode{n}") for n in range(hung + met)]
    expect = (ExpectationRecord(cells={}, outcomes=("ok",), place="matrix.yaml:7:9"),)
    ended = [Outcome.HANG_AT_STARTUP] * hung + [Outcome.OK] * met
    launches = {
        one.id: [launch(one, outcome=outcome, reason=reason)]
        for one, outcome in zip(cells, ended, strict=True)
    }
    return unmet_lines(collate(run_record(*cells).model_copy(update={"expect": expect}), launches))


def test_nothing_is_said_of_expectations_that_were_met() -> None:
    assert lines("", hung=0) == ()


def test_an_expectation_that_was_not_met_is_told() -> None:
    assert lines("in `connect`\n", hung=1) == (
        "1 of 2 expectations was not met:",
        "`py3.11-mode0`: expected ok, saw hang-at-startup: in 'connect' (matrix.yaml:7:9)",
    )


def test_many_are_counted_and_long_reasons_cut() -> None:
    total, *told = lines("word " * 100, hung=MOST_TOLD + 2)
    assert total == f"10 of 11 expectations were not met, the first {MOST_TOLD} of them:"
    assert len(told) == MOST_TOLD
    assert " […] (matrix.yaml:7:9)" in told[0]
    assert len(told[0]) < LONGEST + 80
