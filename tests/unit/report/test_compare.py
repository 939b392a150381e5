from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runner.measurement.outcome import Outcome
from runner.measurement.records import LaunchRecord
from runner.report.compare import Change, RunComparison, compare
from runner.report.compare_text import text
from runner.report.statistics import Difference
from runner.store.records import CellRecord, RunRecord
from tests.unit.store.run_samples import cell, launch, run_record, unavailable

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")
SLOW = [40.0 + n for n in range(8)]
FAST = [50.0 + n for n in range(8)]


def launches_of(
    of: CellRecord, rates: Sequence[float] = (), outcome: Outcome = Outcome.OK
) -> list[LaunchRecord]:
    if not outcome.has_figures:
        return [launch(of, outcome=outcome, reason="as told")]
    return [launch(of, n, rate=rate, outcome=outcome) for n, rate in enumerate(rates, start=1)]


def one_cell(old: list[LaunchRecord], new: list[LaunchRecord]) -> RunComparison:
    run = run_record(GEVENT)
    return compare((run, {GEVENT.id: old}), (run, {GEVENT.id: new}))


def change_of(comparison: RunComparison) -> Change | Difference:
    [only] = comparison.cells
    return only.change


@pytest.mark.parametrize(
    ("old", "new", "change", "regression"),
    [
        (FAST, FAST, Difference.NONE_SHOWN, False),
        (FAST, SLOW, Difference.SLOWER, True),
        (SLOW, FAST, Difference.FASTER, False),
        (SLOW[:2], FAST[:2], Difference.TOO_FEW, False),
    ],
)
def test_rates(old: list[float], new: list[float], change: Difference, regression: bool) -> None:
    comparison = one_cell(launches_of(GEVENT, old), launches_of(GEVENT, new))
    assert change_of(comparison) is change
    assert comparison.has_regression is regression


OK, SERIAL, HANG = Outcome.OK, Outcome.SERIALISED, Outcome.HANG_AT_STARTUP


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (OK, HANG, Change.WORSE),
        (HANG, OK, Change.BETTER),
        (OK, SERIAL, Change.WORSE),
        (SERIAL, OK, Change.BETTER),
        (HANG, SERIAL, Change.BETTER),
        (HANG, Outcome.CRASHED, Change.OTHER),
        (OK, Outcome.ENGINE_ERROR, Change.OTHER),
        (Outcome.ENGINE_ERROR, HANG, Change.OTHER),
        (HANG, HANG, Difference.NONE_SHOWN),
    ],
)
def test_outcomes(old: Outcome, new: Outcome, change: Change) -> None:
    comparison = one_cell(launches_of(GEVENT, SLOW, old), launches_of(GEVENT, SLOW, new))
    assert change_of(comparison) is change
    assert comparison.has_regression is (change is Change.WORSE)


def test_new_vanished_and_unavailable_cells() -> None:
    old = run_record(NONE, GEVENT)
    new = run_record(NONE, cell("3.13", "none"), missing=(unavailable(GEVENT, "no wheels"),))
    comparison = compare((old, {NONE.id: launches_of(NONE, SLOW)}), (new, {}))
    changes = {c.cell: c.change for c in comparison.cells}
    assert changes[cell("3.13", "none").id] is Change.NEW
    assert changes[GEVENT.id] is Change.OTHER
    assert changes[NONE.id] is Change.OTHER
    back = compare((new, {}), (old, {}))
    assert {c.cell: c.change for c in back.cells}[cell("3.13", "none").id] is Change.VANISHED


def test_equal_runs_leave_no_doubt() -> None:
    run = run_record(GEVENT)
    assert compare((run, {}), (run, {})).doubts == ()


def test_whatever_was_not_equal_is_named_first() -> None:
    old = run_record(GEVENT)
    new = changed(old)
    comparison = compare((old, {}), (new, {}))
    named = {doubt.partition(":")[0] for doubt in comparison.doubts}
    assert named == {
        "method version",
        "host",
        "kernel",
        "engine",
        "ab",
        "cells side by side",
        "base images",
        f"load of {GEVENT.id}",
        f"packages of {GEVENT.id} differ beyond those named in the matrix file",
    }
    said = text(comparison)
    assert said.index("Not measured alike") < said.index("verdict")


def changed(run: RunRecord) -> RunRecord:
    """The run as another machine with another method would have made it."""
    environment = run.environments["py3.11"]
    base = environment.base.model_copy(update={"digest": "sha256:cc"})
    return run.model_copy(
        update={
            "host": run.host.model_copy(update={"hostname": "other", "kernel": "6.13.0"}),
            "engine": replace(run.engine, version="27.0"),
            "method": run.method.model_copy(update={"version": 2, "ab_version": "2.4.71"}),
            "jobs": 1,
            "cells": (GEVENT.model_copy(update={"requests": 100}),),
            "environments": {
                "py3.11": environment.model_copy(update={"base": base, "lock_digest": "x"})
            },
        }
    )


def test_the_text_ends_with_the_sum() -> None:
    comparison = one_cell(launches_of(GEVENT, FAST), launches_of(GEVENT, SLOW))
    said = text(comparison)
    assert said.endswith("regression: 1 slower")
    assert "0.813" in said
    hang = one_cell(launches_of(GEVENT, FAST), launches_of(GEVENT, outcome=HANG))
    assert f"{GEVENT.id}: as told" in text(hang)
