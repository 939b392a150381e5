from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runner.matrix import plugins
from runner.measurement.records import Canary, LaunchRecord
from runner.outcome import Outcome
from runner.report.baseline import TOO_SHORT
from runner.report.compare import (
    TOO_FEW_RUNS,
    CellComparison,
    Change,
    RunComparison,
    compare,
    ratio_of,
)
from runner.report.comparison_text import WIDEST, comparison_text
from runner.report.notes import workload_text
from runner.report.pairing import paired
from runner.report.run import Run, collate
from runner.report.side import Side
from runner.report.statistics import ALPHA, Contrast, Verdict, contrast
from runner.store.application_record import ApplicationRecord
from runner.store.records import CellRecord, CompanionRecord, Host, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.command_line import Matrix, assert_error, command_line
from tests.support.samples import (
    RESOURCES,
    ab_figures,
    cell,
    cell_with_workload,
    launch,
    run_record,
    unavailable,
)

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")
RATES = [50.0 + n / 100 for n in range(5)]
HIGHER, LOWER = Verdict.HIGHER, Verdict.LOWER
SAME, UNDECIDED = Verdict.SAME, Verdict.UNDECIDED


def times(factor: float, rates: Sequence[float] = RATES) -> list[float]:
    return [factor * rate for rate in rates]


def launches_of(
    of: CellRecord, rates: Sequence[float] = (), outcome: Outcome = Outcome.OK
) -> list[LaunchRecord]:
    if not outcome.has_figures:
        return [launch(of, outcome=outcome, reason="as told")]
    return [launch(of, n, rate=rate, outcome=outcome) for n, rate in enumerate(rates, start=1)]


def run_of(
    patched: Sequence[float | LaunchRecord],
    base: Sequence[float] = RATES,
    *,
    run_id: str = "20261101T120000Z",
) -> Run:
    """A run of a baseline and a patched cell, whose launches or rates these are."""
    own = [
        one if isinstance(one, LaunchRecord) else launch(GEVENT, n, rate=one)
        for n, one in enumerate(patched, start=1)
    ]
    record = run_record(NONE, GEVENT, launches=5).model_copy(update={"run_id": run_id})
    return collate(record, {NONE.id: launches_of(NONE, base), GEVENT.id: own})


def days(*factors: float, patched: float = 1.0) -> list[Run]:
    """A run per day: each day has its speed, which is that of all cells."""
    return [
        run_of(times(factor * patched), times(factor), run_id=f"run-{next(RUN_NUMBERS)}")
        for factor in factors
    ]


RUN_NUMBERS = count(1)


def of(comparison: RunComparison, cell: CellRecord = GEVENT) -> CellComparison:
    [found] = (one for one in comparison.cells if one.cell == cell.id)
    return found


def rate_of(comparison: RunComparison, cell: CellRecord = GEVENT) -> Contrast:
    return of(comparison, cell).contrasts["rate"]


def between(old: Run, new: Run) -> RunComparison:
    return compare([old], [new])


def one_cell(old: list[LaunchRecord], new: list[LaunchRecord]) -> RunComparison:
    return between(run_of(old), run_of(new, run_id="later"))


# -- fewer than three runs a side: the ratio to the own baseline -----------------------------------


@pytest.mark.parametrize(
    ("was", "now", "verdict", "regression"),
    [(1.0, 1.0, SAME, False), (1.0, 0.8, LOWER, True), (0.8, 1.0, HIGHER, False)],
)
def test_a_cells_ratio_to_its_own_runs_baseline_is_compared(
    was: float, now: float, verdict: Verdict, regression: bool
) -> None:
    # The second day is half as fast, which is the same for both cells.
    comparison = between(run_of(times(was)), run_of(times(now / 2), times(0.5), run_id="later"))
    found = rate_of(comparison)
    assert found.verdict is verdict
    assert found.ratio == pytest.approx(now / was)
    assert comparison.has_regression is regression


def test_a_baseline_says_nothing_between_two_runs() -> None:
    comparison = between(run_of(RATES), run_of(times(0.5), times(0.5), run_id="later"))
    found = rate_of(comparison, NONE)
    assert (found.verdict, found.reason, found.low) == (UNDECIDED, TOO_FEW_RUNS, None)
    assert found.ratio == pytest.approx(0.5)
    assert not comparison.has_regression


def test_nor_does_a_cell_without_a_baseline() -> None:
    record = run_record(GEVENT, baseline={})
    old, new = (
        collate(record, {GEVENT.id: launches_of(GEVENT, times(factor))}) for factor in (1, 0.5)
    )
    assert rate_of(between(old, new)).reason == TOO_FEW_RUNS


def test_a_baseline_that_failed_leaves_nothing_to_compare_with() -> None:
    new = run_of(RATES, run_id="later")
    hung = collate(new.record, {**new.launches, NONE.id: launches_of(NONE, (), HANG)})
    found = rate_of(between(run_of(RATES), hung))
    assert (found.ratio, found.verdict) == (None, UNDECIDED)
    assert found.reason
    assert found.reason.startswith("5 → 0 rounds have figures of the cell and its baseline;")


def test_two_rounds_have_no_interval() -> None:
    found = rate_of(between(run_of(RATES[:2]), run_of(times(0.5), run_id="later")))
    assert (found.verdict, found.low) == (UNDECIDED, None)
    assert found.reason
    assert found.ratio == pytest.approx(0.5, rel=1e-2)
    assert found.reason.startswith("2 → 5 rounds have figures of the cell and its baseline;")
    assert found.reason.endswith("an interval needs 3 on each side")


def test_rounds_beside_other_neighbours_are_no_rounds_of_cpu() -> None:
    def run(run_id: str, *attempts: int) -> Run:
        own = [
            launch(GEVENT, n, rate=rate).model_copy(
                update={"attempt": attempt, "resources": RESOURCES}
            )
            for n, (rate, attempt) in enumerate(zip(RATES, attempts, strict=False), start=1)
        ]
        base = [one.model_copy(update={"resources": RESOURCES}) for one in launches_of(NONE, RATES)]
        return collate(
            run_record(NONE, GEVENT, launches=5).model_copy(update={"run_id": run_id}),
            {NONE.id: base, GEVENT.id: own},
        )

    repeated = between(run("old", 1, 1, 1, 1, 1), run("new", 2, 1, 2, 1, 3))
    found = of(repeated).contrasts
    assert found["rate"].reason is None
    assert found["cpu"].reason == (
        "5 → 2 rounds have figures of the cell and its baseline after as many attempts, so beside "
        "as many others; an interval needs 3 on each side"
    )
    assert found["cpu"].ratio == pytest.approx(1.0)
    every = of(between(run("old", 1, 1, 1, 1, 1), run("new", 2, 2, 2, 2, 2))).contrasts["cpu"]
    assert (every.ratio, every.verdict) == (None, UNDECIDED)
    assert "5 → 0 rounds" in str(every.reason)


def test_rounds_of_a_run_that_stopped_early_have_wider_intervals() -> None:
    fixed, stopped = run_of(RATES), run_of(RATES, run_id="later")
    record = stopped.record.model_copy(update={"least_launches": 3})
    stopped = replace(stopped, record=record)
    usual = rate_of(between(fixed, fixed)).half_width
    assert usual
    for old, new in ((fixed, stopped), (stopped, fixed)):
        wider = rate_of(between(old, new)).half_width
        assert wider
        assert wider > 1.2 * usual


def test_short_loads_claim_nothing() -> None:
    short = [
        record.model_copy(update={"ab": ab_figures(rate, 300)})
        for record, rate in zip(launches_of(GEVENT, RATES), RATES, strict=True)
    ]
    found = of(one_cell(launches_of(GEVENT, RATES), short)).contrasts
    assert found["rate"].reason == TOO_SHORT
    assert found["rss"].verdict is SAME


def test_the_rounds_of_two_runs_are_taken_together_each_once() -> None:
    first, second = days(1.0, 1.1)
    again = {
        id_: [x.model_copy(update={"reused_from": first.record.run_id}) for x in of_cell]
        for id_, of_cell in first.launches.items()
    }
    copied = collate(second.record, again)
    new = days(1.0)
    assert rate_of(compare([first, second], new)).rounds == 5
    both, once = (rate_of(compare(old, new)) for old in ([first, copied], [first]))
    # A run that goes on from another has looked: its interval is wider.
    assert (both.ratio, both.rounds, both.verdict) == (once.ratio, once.rounds, once.verdict)


# -- three runs a side: the run is the unit --------------------------------------------------------


def test_what_a_day_does_to_all_launches_of_a_run_is_no_difference() -> None:
    comparison = compare(days(1.0, 1.05, 1.02), days(0.95, 1.0, 0.98))
    assert comparison.absolute
    assert (rate_of(comparison, NONE).verdict, rate_of(comparison).verdict) == (UNDECIDED,) * 2


def test_with_three_runs_a_side_a_baseline_is_compared_too() -> None:
    comparison = compare(days(1.0, 1.001, 0.999), days(0.8, 0.801, 0.799, 0.8))
    found = rate_of(comparison, NONE)
    assert (found.verdict, found.rounds) == (LOWER, 3)
    assert found.ratio == pytest.approx(0.8, rel=1e-3)
    assert comparison.has_regression


def test_two_cells_share_five_per_cent() -> None:
    found = rate_of(compare(days(1.0, 1.1, 0.9), days(1.0, 1.1, 0.9)))
    assert found.level == pytest.approx(0.975)


def test_a_run_that_only_repeats_launches_of_another_is_no_run() -> None:
    first, second = days(1.0, 1.001)
    again = {
        id_: [x.model_copy(update={"reused_from": first.record.run_id}) for x in of_cell]
        for id_, of_cell in first.launches.items()
    }
    copied = collate(second.record.model_copy(update={"run_id": "copy"}), again)
    found = rate_of(compare([first, second, copied], days(0.5, 0.501, 0.499)))
    assert found.reason == TOO_FEW_RUNS


def test_runs_of_two_machines_may_have_one_name() -> None:
    named = [
        replace(run, record=run.record.model_copy(update={"run_id": "same", "host": host(n)}))
        for n, run in enumerate(days(1.0, 1.001, 0.999))
    ]
    assert rate_of(compare(named, days(1.0, 1.001, 0.999))).rounds == 3


def host(number: int) -> Host:
    found = run_record(NONE).host
    assert found
    return found.model_copy(update={"hostname": f"machine-{number}"})


def test_a_cell_that_too_few_runs_have_is_undecided() -> None:
    old = days(1.0, 1.001, 0.999)
    without = [
        collate(run.record, {NONE.id: run.launches[NONE.id]}) if n == 0 else run
        for n, run in enumerate(old)
    ]
    comparison = compare(without, days(0.5, 0.501, 0.499))
    assert rate_of(comparison).reason == TOO_FEW_RUNS
    assert rate_of(comparison, NONE).verdict is LOWER


def test_the_worst_outcome_of_a_sides_launches_is_the_sides() -> None:
    old, new = days(1.0, 1.001, 0.999), days(1.0, 1.001, 0.999)
    serial = launches_of(GEVENT, RATES[:1], SERIAL)
    new[1] = collate(new[1].record, {**new[1].launches, GEVENT.id: serial})
    comparison = compare(old, new)
    assert of(comparison).change is Change.WORSE
    assert "rate" not in of(comparison).contrasts
    assert "serialised 1/11: worse" in comparison_text(comparison)


# -- all figures -----------------------------------------------------------------------------------


def scaled(cpu: float = 1.0, p99: float = 1.0, rss: float = 1.0) -> list[LaunchRecord]:
    """Launches with so many times the usual figures, which differ a little from round to round."""
    made = []
    for number, record in enumerate(launches_of(GEVENT, RATES)):
        wobble = 1 + number / 1000
        used = {
            "cpu_ms_per_request": cpu * wobble * RESOURCES.cpu_ms_per_request,
            "peak_rss_mib": rss * wobble * RESOURCES.peak_rss_mib,
        }
        assert record.ab
        assert record.ab.p99_ms
        ab = record.ab.model_copy(update={"p99_ms": p99 * wobble * record.ab.p99_ms})
        update = {"resources": RESOURCES.model_copy(update=used), "ab": ab}
        made.append(record.model_copy(update=update))
    return made


@pytest.mark.parametrize("figure", ["cpu", "p99", "rss"])
@pytest.mark.parametrize(("factor", "verdict"), [(1.3, HIGHER), (0.7, LOWER), (1.0, SAME)])
def test_more_cpu_latency_or_memory_is_a_regression_and_less_is_none(
    figure: str, factor: float, verdict: Verdict
) -> None:
    comparison = one_cell(scaled(), scaled(**{figure: factor}))
    verdicts = {name: found.verdict for name, found in of(comparison).contrasts.items()}
    assert verdicts == dict.fromkeys(("rate", "cpu", "p99", "rss"), SAME) | {figure: verdict}
    assert comparison.has_regression is (verdict is HIGHER and figure == "rss")
    counted = replace(of(comparison), absolute=True)
    assert counted.is_regression is (verdict is HIGHER)


def test_what_matters_is_said_figure_by_figure() -> None:
    old, new = run_of(scaled()), run_of(scaled(cpu=1.3), run_id="later")
    lenient = replace(new, deltas={**new.deltas, "cpu": 0.5})
    found = [of(between(old, one)).contrasts["cpu"].verdict for one in (new, lenient)]
    assert found == [HIGHER, SAME]


# -- a simulation ----------------------------------------------------------------------------------

CELLS, ROUNDS, TABLES = 8, 5, 250
DAY_SD, LAUNCH_SD = 0.02, 0.003
#: Of so many tables, so many are wrong with a probability of 0.001 where 5 % is the true share.
MOST_WRONG = 24

Side_ = list[list[list[float]]]


def simulated(random_: random.Random, runs: int, *, shared: bool) -> Side_:
    """Log rates by run, cell and round; a day is `shared` by a run's cells, or each has its own."""
    found = []
    for _ in range(runs):
        of_cells = [random_.gauss(0, DAY_SD) for _ in range(CELLS)]
        found.append(
            [
                [day + random_.gauss(0, LAUNCH_SD) for _ in range(ROUNDS)]
                for day in (of_cells[:1] * CELLS if shared else of_cells)
            ]
        )
    return found


def means(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def run_as_unit(side: Side_, cell: int) -> list[float]:
    return [means(run[cell]) for run in side]


def launch_as_unit(side: Side_, cell: int) -> list[float]:
    return [value for run in side for value in run[cell]]


def ratio_to_the_baseline(side: Side_, cell: int) -> list[float]:
    return [own - base for run in side for own, base in zip(run[cell], run[0], strict=True)]


def wrong_tables(
    runs: int,
    values: Callable[[Side_, int], list[float]],
    *,
    first: int = 0,
    shared: bool = True,
) -> int:
    """In how many tables of one truth some cell is `higher` or `lower`."""
    random_ = random.Random(20261127)
    wrong = 0
    for _ in range(TABLES):
        old, new = (simulated(random_, runs, shared=shared) for _ in range(2))
        verdicts = {
            contrast(
                ratio_of(values(old, cell), values(new, cell)),
                comparisons=CELLS - first,
                delta=0.02,
                alpha=ALPHA,
            ).verdict
            for cell in range(first, CELLS)
        }
        wrong += bool(verdicts & {HIGHER, LOWER})
    return wrong


def test_equal_runs_of_different_days_are_rarely_told_apart() -> None:
    assert wrong_tables(3, run_as_unit) <= MOST_WRONG
    assert wrong_tables(3, run_as_unit, shared=False) <= MOST_WRONG
    assert wrong_tables(1, ratio_to_the_baseline, first=1) <= MOST_WRONG
    # What was done before: each launch counted as if it had a day of its own.
    assert wrong_tables(1, launch_as_unit) > TABLES / 3


# -- outcomes --------------------------------------------------------------------------------------


def test_ok_and_limited_are_compared_by_their_figures() -> None:
    """Earlier releases did not know `limited`; near its bound a cell may be either."""
    fast = launches_of(GEVENT, RATES)
    same = one_cell(fast, launches_of(GEVENT, RATES, Outcome.LIMITED))
    assert (of(same).change, rate_of(same).verdict) == (Change.OTHER, SAME)
    assert not same.has_regression
    slow = one_cell(fast, launches_of(GEVENT, times(0.8), Outcome.LIMITED))
    assert rate_of(slow).verdict is LOWER


def test_a_cell_that_serialises_now_is_a_regression_whatever_its_rate() -> None:
    serial = launches_of(GEVENT, RATES[:1], Outcome.SERIALISED)
    assert one_cell(launches_of(GEVENT, RATES[:1]), serial).has_regression


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
        (HANG, HANG, Change.NONE),
    ],
)
def test_outcomes(old: Outcome, new: Outcome, change: Change) -> None:
    comparison = one_cell(launches_of(GEVENT, RATES, old), launches_of(GEVENT, RATES, new))
    assert of(comparison).change is change
    assert comparison.has_regression is (change is Change.WORSE)


def test_new_vanished_and_unavailable_cells() -> None:
    record = run_record(NONE, GEVENT)
    new_record = run_record(NONE, cell("3.13", "none"), missing=(unavailable(GEVENT, "no wheels"),))
    old = collate(record, {NONE.id: launches_of(NONE, RATES)})
    changes = {c.cell: c.change for c in between(old, collate(new_record, {})).cells}
    assert changes == {
        cell("3.13", "none").id: Change.NEW,
        GEVENT.id: Change.OTHER,
        NONE.id: Change.OTHER,
    }
    back = between(collate(new_record, {}), collate(record, {}))
    assert of(back, cell("3.13", "none")).change is Change.VANISHED


# -- doubts ----------------------------------------------------------------------------------------

UNKNOWN_SPEED = "the machine: how fast it was is not known: there is no canary of any run"


def test_equal_runs_leave_no_other_doubt() -> None:
    run = run_record(GEVENT)
    later = run.model_copy(update={"run_id": "20261102T120000Z", "seed": 8, "launches": 9})
    launches = {GEVENT.id: launches_of(GEVENT, RATES)}
    found = between(collate(run, launches), collate(later, launches)).setup_differences
    assert found == (UNKNOWN_SPEED,)


def with_canaries(*milliseconds: float) -> Run:
    made = [
        record.model_copy(
            update={
                "canary_before": Canary(wall_ms=ms, cpu_ms=1),
                "canary_after": Canary(wall_ms=ms + 2, cpu_ms=1),
            }
        )
        for record, ms in zip(launches_of(GEVENT, RATES), milliseconds, strict=False)
    ]
    return collate(run_record(GEVENT), {GEVENT.id: made})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            (49, 49, 52),
            (66, 66, 72),
            "51 ms (49–54) before and 68 ms (66–74) now: 1.33 times as long",
        ),
        (
            (66, 66, 72),
            (49, 49, 52),
            "68 ms (66–74) before and 51 ms (49–54) now: 0.75 times as long",
        ),
        (
            (49, 49, 52),
            (49, 49.1, 52),
            "51 ms (49–54) before and 51 ms (49–54) now: 1.00 times as long",
        ),
    ],
)
def test_the_canary_says_how_fast_the_machine_was(
    old: Sequence[float], new: Sequence[float], said: str
) -> None:
    first, *_ = between(with_canaries(*old), with_canaries(*new)).setup_differences
    assert first == f"the machine: the canary took {said}"


def test_a_side_without_a_canary_is_named() -> None:
    known, unknown = with_canaries(50, 51), collate(run_record(GEVENT), {})
    for old, new, which in ((known, unknown, "new"), (unknown, known, "old")):
        first, *_ = between(old, new).setup_differences
        assert first.endswith(f"is not known: there is no canary of the {which} runs")


def booted(*boots: str | None) -> list[Run]:
    found = []
    for boot in boots:
        run = run_record(GEVENT)
        assert run.host
        update = {"host": run.host.model_copy(update={"boot_id": boot}), "run_id": f"of-{boot}"}
        found.append(collate(run.model_copy(update=update), {}))
    return found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            ["a" * 36],
            ["b" * 36],
            [": aaaaaaaa → bbbbbbbb: the machine was started again in between"],
        ),
        (["a", "b"], ["b"], [": a, b → b: the machine was started again in between"]),
        ([None], ["b"], [": not known → b"]),
        (["a"], ["a"], []),
        ([None], [None], []),
    ],
)
def test_another_boot_is_a_doubt(
    old: list[str | None], new: list[str | None], said: list[str]
) -> None:
    found = compare(booted(*old), booted(*new)).setup_differences
    assert [one.removeprefix("boot") for one in found[1:]] == said


def test_runs_of_one_side_that_differ_are_a_doubt() -> None:
    old, other, new = booted("a", "a", "a")
    odd = replace(other, record=changed(other.record))
    found = compare([old, odd], [new]).setup_differences
    assert "kernel: 6.12.0, 6.13.0 → 6.12.0" in found
    assert (
        f"{GEVENT.id}: werkzeug, {LOAD} 5000, werkzeug-single, {LOAD} 100 → werkzeug, {LOAD} 5000"
    ) in found


BASE, LOAD = "matrix-base:3.11", "sleep 2 s, ab -c 100 -n"


def test_whatever_was_not_equal_is_named_first() -> None:
    old = run_record(GEVENT)
    comparison = between(collate(old, {}), collate(changed(old), {}))
    assert list(comparison.setup_differences) == [
        UNKNOWN_SPEED,
        "method version: 1 → 2",
        "host: bench → other",
        "kernel: 6.12.0 → 6.13.0",
        "engine: 20.10.24 → 27.0",
        "storage driver: overlay2 → vfs",
        "ab: 2.3 → 2.4.71",
        "ab sends its first request alone: True → False",
        "cells side by side: 20 → 1",
        "limit load_s: 300.0 → 60.0",
        f"base image of Python 3.11: {BASE} from debian (no digest) → {BASE} from registry (cc)",
        f"{GEVENT.id}: werkzeug, {LOAD} 5000 → werkzeug-single, {LOAD} 100",
        f"{GEVENT.id}: locked to different packages",
    ]
    said = comparison_text(comparison)
    assert said.index("method version") < said.index("outcome")


def test_what_holds_for_all_cells_is_said_once() -> None:
    old = run_record(NONE, GEVENT)
    fewer = tuple(c.model_copy(update={"requests": 100}) for c in old.cells)
    [_, difference] = between(
        collate(old, {}), collate(old.model_copy(update={"cells": fewer}), {})
    ).setup_differences
    assert difference.startswith("all 2 cells: werkzeug, sleep 2 s, ab -c 100 -n 5000 → ")


def test_a_python_that_only_one_run_has_is_no_doubt() -> None:
    old = run_record(GEVENT)
    more = old.environments["py3.11"].model_copy(update={"python": "3.13"})
    new = old.model_copy(update={"environments": {**old.environments, "py3.13": more}})
    assert differences_between(old, new) == []
    assert differences_between(new, old) == []


def test_launches_taken_over_are_not_a_second_measurement() -> None:
    old = run_record(GEVENT)
    new = old.model_copy(update={"run_id": "20261102T120000Z"})
    made = launches_of(GEVENT, RATES)
    again = [x.model_copy(update={"reused_from": old.run_id}) for x in made[:3]] + made[3:]
    [_, difference] = between(
        collate(old, {GEVENT.id: made}), collate(new, {GEVENT.id: again})
    ).setup_differences
    assert difference.startswith("launches that are the same on both sides: 3 of 5")


def imported(*cells: CellRecord) -> RunRecord:
    """A run of reports made elsewhere, in which nothing but these cells' settings is known."""
    run = run_record(*cells, axes=("patch",), baseline={})
    method = run.method.model_copy(update={"version": None})
    unknown = dict.fromkeys(("host", "engine", "limits", "jobs", "seed"))
    facts = {"run_id": "elsewhere", "method": method, "environments": {}}
    return run.model_copy(update=facts | unknown)


def told(name: str, **said: str) -> CellRecord:
    """An imported cell of which this is said."""
    known = {"python": None, "patch": None, "server": None, "workload": None} | said
    update = {"id": name, "packages": {}, "axes": said, "environment": None, **known}
    return NONE.model_copy(update=update)


def labels_of(old: RunRecord, new: RunRecord) -> set[str]:
    """What the pairs of cells of two runs are called."""
    sides = (Side(runs=(collate(run, {}),)) for run in (old, new))
    return {pair.label for pair in paired(*sides)}


OTHER = cell("3.13", "gevent", gevent="25.9.1")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ([told("a", patch="gevent", python="3.13")], {f"a → {OTHER.id}"}),
        ([told("a", patch="gevent")], set()),  # two agree
        ([told("a", patch="grpc")], set()),  # none does
        ([told("a")], set()),  # nothing is said, so any would
        ([told("a", patch="none"), told("b", patch="none", python="3.11")], set()),  # both want one
        ([told(NONE.id, patch="gevent")], {NONE.id}),  # an equal id comes first
    ],
)
def test_an_imported_cell_is_held_against_the_one_that_it_partly_matches(
    cells: list[CellRecord], labels: set[str]
) -> None:
    old, new = imported(*cells), run_record(NONE, GEVENT, OTHER)
    assert labels_of(old, new) == labels
    back = {" → ".join(reversed(label.split(" → "))) for label in labels}
    assert labels_of(new, old) == back


def test_a_concurrency_that_the_other_run_varies_decides() -> None:
    clients = [
        cell("3.11", "none", concurrency=n, further={"concurrency": str(n)}, suffix=f"-c{n}")
        for n in (50, 100)
    ]
    new = run_record(*clients, axes=("python", "patch", "concurrency"))
    assert labels_of(imported(told("a", patch="none")), new) == {"a → py3.11-none-c100"}


def test_runs_of_this_program_are_paired_by_id_alone() -> None:
    assert labels_of(run_record(told("a", patch="none")), run_record(NONE)) == set()


@pytest.mark.parametrize("name", plugins.workloads())
def test_every_workload_can_be_compared(name: str) -> None:
    one = cell_with_workload(name)
    other = one.model_copy(update={"requests": 100})
    old, new = (run_record(c) for c in (one, other))
    comparison = between(
        collate(old, {one.id: [launch(one)]}), collate(new, {one.id: [launch(one)]})
    )
    doing = f"werkzeug, {workload_text(one)}, ab -c 100 -n"
    assert f"{one.id}: {doing} 5000 → {doing} 100" in comparison.setup_differences
    assert one.id in comparison_text(comparison)


def differences_between(old: RunRecord, new: RunRecord) -> list[str]:
    """All doubts but the canary's."""
    return list(between(collate(old, {}), collate(new, {})).setup_differences)[1:]


def test_another_companion_is_a_doubt() -> None:
    def talking_to(image: str, version: str) -> RunRecord:
        record = CompanionRecord(image_id=f"sha256:{image * 64}", versions={"grpcio": version})
        return run_record(GEVENT).model_copy(update={"companions": {"grpc": record}})

    old = talking_to("a", "1.76.0")
    assert differences_between(old, talking_to("b", "1.77.0")) == [
        "companion grpc: grpcio 1.76.0, image aaaaaaaaaaaa → grpcio 1.77.0, image bbbbbbbbbbbb"
    ]
    assert differences_between(old, old) == []
    assert differences_between(old, run_record(GEVENT)) == []


def test_another_source_or_secret_of_an_application_is_a_doubt() -> None:
    def serving(**changes: Any) -> RunRecord:
        application = ApplicationRecord(app="shop", **changes)
        return run_record(GEVENT).model_copy(update={"application": application})

    source = {"rule": "git", "files": 3, "bytes": 9}
    olds, news = (serving(source={"digest": digit * 64, **source}) for digit in "ab")
    assert differences_between(olds, news) == [
        "application: source digest: aaaaaaaaaaaa → bbbbbbbbbbbb"
    ]
    assert differences_between(serving(secret_digest="a"), serving(secret_digest="b")) == [
        "application: secrets: other values, or of another machine, whose digests do not compare"
    ]
    assert differences_between(serving(), run_record(GEVENT)) == [
        "application: served: shop → a workload of this program"
    ]
    assert differences_between(olds, olds) == []


def test_other_parameters_of_the_workload_are_a_doubt() -> None:
    unary = cell_with_workload("grpc")
    stream = {**unary.workload_parameters, "call": "stream"}
    other = unary.model_copy(update={"workload_parameters": stream})
    [difference] = differences_between(run_record(unary), run_record(other))
    assert "call unary" in difference.partition(" → ")[0]
    assert "call stream" in difference.partition(" → ")[2]


def test_another_placement_of_the_patch_is_a_doubt() -> None:
    first, late, untold = (
        run_record(GEVENT.model_copy(update={"placement": where}))
        for where in ("first", "late", None)
    )
    [difference] = differences_between(first, late)
    assert difference == f"{GEVENT.id}: placement of the patch: first → late"
    assert differences_between(first, first) == []
    assert differences_between(untold, late) == []


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 0), (2, 2)])
def test_disturbed_attempts_are_counted_on_either_side(old: int, new: int) -> None:
    """Those that are in the figures, and those before the second launch, which took two more."""

    def with_disturbed(number: int) -> list[LaunchRecord]:
        made = launches_of(GEVENT, RATES)
        if number == 2:
            return [made[0], made[1].model_copy(update={"attempt": 3}), *made[2:]]
        waited = [x.model_copy(update={"disturbed": "ab waited"}) for x in made[:number]]
        return waited + made[number:]

    before, after = run_record(GEVENT), run_record(GEVENT).model_copy(update={"run_id": "later"})
    made_of = {0: 5, 1: 5, 2: 7}
    comparison = between(
        collate(before, {GEVENT.id: with_disturbed(old)}),
        collate(after, {GEVENT.id: with_disturbed(new)}),
    )
    assert comparison.setup_differences[1:] == (
        f"disturbed attempts: {old} of {made_of[old]} → {new} of {made_of[new]}",
    )


def test_the_attempts_of_reports_made_elsewhere_are_not_known() -> None:
    now = run_record(GEVENT)
    method = now.method.model_copy(update={"version": None})
    imported = now.model_copy(update={"method": method, "run_id": "earlier"})
    waited = launch(GEVENT).model_copy(update={"attempt": 3})
    differences = between(
        collate(imported, {GEVENT.id: [launch(GEVENT)]}), collate(now, {GEVENT.id: [waited]})
    ).setup_differences
    assert "disturbed attempts: not known → 2 of 3" in differences


def changed(run: RunRecord) -> RunRecord:
    """The run as another machine with another method would have made it."""
    environment = run.environments["py3.11"]
    method = {"version": 2, "ab_version": "2.4.71", "ab_first_request_alone": False}
    base = environment.base.model_copy(update={"digest": "sha256:cc", "origin": "registry"})
    return run.model_copy(
        update={
            "host": run.host
            and run.host.model_copy(update={"hostname": "other", "kernel": "6.13.0"}),
            "engine": run.engine and replace(run.engine, version="27.0", storage_driver="vfs"),
            "method": run.method.model_copy(update=method),
            "limits": run.limits and replace(run.limits, load_s=60.0),
            "jobs": 1,
            "cells": (GEVENT.model_copy(update={"requests": 100, "server": "werkzeug-single"}),),
            "environments": {
                "py3.11": environment.model_copy(update={"base": base, "lock_digest": "x"})
            },
        }
    )


# -- for people ------------------------------------------------------------------------------------


def line_of(text: str, start: str) -> str:
    [line] = (line for line in text.splitlines() if line.startswith(start))
    return line


def test_the_text_ends_with_the_sum() -> None:
    said = comparison_text(one_cell(launches_of(GEVENT, RATES), launches_of(GEVENT, times(0.8))))
    assert said.endswith(
        "outcomes: 2 same outcome\n"
        "requests/s: 1 undecided, 1 lower\n"
        "CPU per request: 1 undecided, 1 same within 10 %\n"
        "p99: 1 undecided, 1 same within 5 %\n"
        "memory: 1 undecided, 1 same within 5 %\n"
        "regression: requests/s lower in 1 cell"
    )
    assert line_of(said, GEVENT.id).split() == [
        GEVENT.id, "ok", "50.02", "40.02", "0.800", "[0.800–0.800]", "lower",
    ]  # fmt: skip
    assert (
        f"undecided: requests/s, CPU per request, p99, memory of {NONE.id}: {TOO_FEW_RUNS}" in said
    )


def test_only_figures_that_differ_have_a_column() -> None:
    said = comparison_text(one_cell(scaled(), scaled(cpu=1.3)))
    assert "A regression by CPU per request or p99 takes three runs a side." in said
    assert said.endswith("no regression")
    assert "CPU per request, new / old" in said
    assert "p99, new / old" not in said
    same = comparison_text(one_cell(scaled(), scaled()))
    assert "new / old" not in same
    assert "p99: 1 undecided, 1 same within 5 %" in same


def test_a_comparison_fits_a_screen() -> None:
    long = GEVENT.model_copy(update={"id": "py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc"})

    def run(factor: float) -> Run:
        patched = [
            one.model_copy(update={"cell": long.id})
            for one in scaled(cpu=factor, p99=factor, rss=factor)
        ]
        for number, one in enumerate(patched):
            assert one.ab
            seconds = factor * one.ab.time_taken_s
            patched[number] = one.model_copy(
                update={"ab": one.ab.model_copy(update={"time_taken_s": seconds})}
            )
        launches = {NONE.id: launches_of(NONE, RATES), long.id: patched}
        return collate(run_record(NONE, long, launches=5), launches)

    said = comparison_text(between(run(1.0), run(1.3))).splitlines()
    table = said[said.index("", 4) + 1 :]
    below = table[next(n for n, line in enumerate(table) if line.startswith(long.id)) + 1]
    assert max(map(len, table[: table.index("")])) <= WIDEST
    assert below.split() == ["[0.769–0.769]", *["[1.297–1.303]"] * 3]


def test_why_a_cell_ended_otherwise_is_told() -> None:
    hang = one_cell(launches_of(GEVENT, RATES), launches_of(GEVENT, outcome=HANG))
    said = comparison_text(hang)
    assert f"{GEVENT.id}: as told" in said
    assert "ok → hang-at-startup: worse" in said
    assert said.endswith("regression: outcome worse in 1 cell")


def test_a_log_cannot_steer_the_terminal() -> None:
    hang = [launch(GEVENT, outcome=HANG, reason="\x1b[31mno\nanswer")]
    assert f"{GEVENT.id}: [31mno answer\n" in comparison_text(
        one_cell(launches_of(GEVENT, RATES), hang)
    )


def test_why_a_cell_cannot_be_measured_any_more_is_told() -> None:
    new = run_record(missing=(unavailable(GEVENT, "no wheels"),))
    old = collate(run_record(GEVENT), {GEVENT.id: launches_of(GEVENT, RATES)})
    assert comparison_text(between(old, collate(new, {}))).endswith(
        f"{GEVENT.id}: no wheels\noutcomes: 1 outcome changed\nno regression"
    )


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Matrix:
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


def stored(run_id: str, run: Run) -> str:
    """Path of the run, stored under this name."""
    results = Path("results")
    directory = RunDirectory(results=results, path=results / "sleep" / run_id)
    directory.path.mkdir(parents=True)
    directory.write_run(run.record.model_copy(update={"run_id": run_id}))
    for of_cell in run.launches.values():
        for record in of_cell:
            directory.write_launch(record, {})
    return str(directory.path)


@pytest.mark.parametrize(
    ("old", "new", "options", "code", "ending"),
    [
        (1.0, 0.8, (), 1, "regression: requests/s lower in 1 cell\n"),
        (0.8, 1.0, (), 0, "no regression\n"),
        (1.0, 0.8, ("--delta", "rate=0.5"), 0, "no regression\n"),
    ],
)
def test_one_run_a_side(
    old: float, new: float, options: tuple[str, ...], code: int, ending: str, *, matrix: Matrix
) -> None:
    before = stored("20261101T120000Z", run_of(times(old)))
    after = stored("20261102T120000Z", run_of(times(new)))
    said = matrix("compare", before, "latest", *options)
    assert (said.code, said.err) == (code, "")
    assert said.out.endswith(ending)
    assert matrix("compare", before, *options) == said
    assert matrix("compare", before, "--with", after, *options) == said


def test_several_runs_a_side(matrix: Matrix) -> None:
    old = [stored(f"old-{n}", run) for n, run in enumerate(days(1.0, 1.001, 0.999))]
    new = [stored(f"new-{n}", run) for n, run in enumerate(days(0.8, 0.801, 0.799))]
    said = matrix("compare", *old, "--with", *new)
    assert (said.code, said.err) == (1, "")
    assert "old: sleep, runs old-0, old-1, old-2\n" in said.out
    assert "new: sleep, runs new-0, new-1, new-2\n" in said.out
    assert said.out.endswith("regression: requests/s lower in 2 cells\n")
    again = matrix(
        "compare", "--delta", "rate=0.5", *old, "--with", new[0], "--delta=cpu=0.9", *new[1:]
    )
    assert again.code == 0
    assert "new: sleep, runs new-0, new-1, new-2\n" in again.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a", "b", "c"), "compare: 3 runs, and none of them after --with"),
        (("a", "b", "--with", "b"), "results/sleep/b: given twice"),
        (("a", "a", "--with", "b"), "results/sleep/a: given twice"),
        (("--with", "b"), "OLD"),
        (("a", "--with"), "--with"),
        (("a", "--with", "nowhere"), "nowhere: no such run"),
    ],
)
def test_bad_command_lines(arguments: tuple[str, ...], words: str, *, matrix: Matrix) -> None:
    paths = {name: stored(name, run_of(RATES)) for name in "abc"}
    assert_error(matrix("compare", *(paths.get(word, word) for word in arguments)), words)
