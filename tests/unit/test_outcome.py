"""The one list of outcomes."""

from __future__ import annotations

import pytest

from runner.outcome import Outcome, outcome_text, worst


def test_from_the_mildest_to_the_worst() -> None:
    assert sorted(Outcome, key=lambda outcome: outcome.severity) == [
        Outcome.ENGINE_ERROR,
        Outcome.OK,
        Outcome.LIMITED,
        Outcome.SERIALISED,
        Outcome.FAILED_REQUESTS,
        Outcome.WRONG_ANSWER,
        Outcome.HANG_UNDER_LOAD,
        Outcome.OOM_KILLED,
        Outcome.CRASHED,
        Outcome.HANG_AT_FIRST_REQUEST,
        Outcome.HANG_AT_STARTUP,
        Outcome.IMPORT_ERROR,
        Outcome.BEFORE_FAILED,
        Outcome.UNAVAILABLE,
        Outcome.BUILD_FAILED,
    ]


def test_no_two_outcomes_are_equally_severe() -> None:
    assert len({outcome.severity for outcome in Outcome}) == len(Outcome)


def test_the_worst_of_several_launches_and_any_before_the_engines_failure() -> None:
    assert worst({Outcome.OK, Outcome.CRASHED, Outcome.SERIALISED}) is Outcome.CRASHED
    assert worst({Outcome.ENGINE_ERROR, Outcome.OK}) is Outcome.OK


def test_what_has_figures_says_something_and_was_launched() -> None:
    assert [outcome for outcome in Outcome if outcome.has_figures] == [
        "ok",
        "limited",
        "serialised",
    ]
    silent = [outcome for outcome in Outcome if outcome.says_nothing]
    assert silent == ["unavailable", "build-failed", "engine-error"]
    never = [outcome for outcome in Outcome if not outcome.is_launched]
    assert never == ["unavailable", "build-failed"]


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_its_word(outcome: Outcome) -> None:
    assert outcome_text(outcome) == f"{outcome}" == outcome.value
    assert outcome_text(None) == "not measured"


def test_no_failure_has_the_sign_of_a_cell_with_figures() -> None:
    figures = {outcome.sign for outcome in Outcome if outcome.has_figures}
    assert figures.isdisjoint(outcome.sign for outcome in Outcome if not outcome.has_figures)
