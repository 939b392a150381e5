from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from runner.matrix.canonical import CanonicalIndex
from runner.measurement.records import LAUNCH_SCHEMA, UNKNOWN_BOOT, LaunchRecord
from runner.outcome import Outcome
from runner.report.baseline import (
    NO_SHARED_ROUND,
    OTHER_LOAD,
    SET_BY_THE_LOAD,
    TOO_FEW_ROUNDS,
    baselines,
)
from runner.report.formats import render
from runner.report.row import Row
from runner.report.run import collate
from runner.report.statistics import contrast, sample
from tests.support.samples import cell, launch, run_record, traffic

NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
RUN = run_record(NONE, GEVENT, launches=5)


def made(
    of: str,
    rates: Sequence[float],
    *,
    first: int = 1,
    run: str | None = None,
    boot: str | None = None,
    schema: int = LAUNCH_SCHEMA,
) -> list[LaunchRecord]:
    """Launches of a cell, numbered from `first`, taken over from a `run` of another `boot`."""
    record = NONE if of == "none" else GEVENT
    update = {"reused_from": run, "other_boot": boot, "schema_version": schema}
    return [
        launch(record, number, rate=rate).model_copy(update=update)
        for number, rate in enumerate(rates, start=first)
    ]


def patched(base: Sequence[LaunchRecord], own: Sequence[LaunchRecord]) -> Row:
    rows = collate(RUN, {NONE.id: base, GEVENT.id: own}).rows
    return next(row for row in rows if row.cell == GEVENT.id)


DRIFTING = [10.0, 20.0, 30.0, 40.0, 50.0]
FASTER = [1.1 * rate for rate in DRIFTING]
VARYING = [factor * rate for factor, rate in zip((1, 1.1, 1.05, 0.95, 1.02), DRIFTING, strict=True)]


def test_pairing_removes_what_drifts_between_rounds() -> None:
    row = patched(made("none", DRIFTING), made("gevent", FASTER))
    found = row.rate_contrast
    assert [found.low, found.ratio, found.high] == pytest.approx([1.1] * 3, rel=1e-3)
    assert (row.speedup, found.verdict, found.reason) == (found.ratio, "higher", None)


def test_below_three_rounds_there_is_a_ratio_and_no_interval() -> None:
    row = patched(made("none", [10.0, 20.0]), made("gevent", [10.0, 24.2]))
    assert row.speedup == pytest.approx(1.1)
    assert (row.rate_contrast.low, row.rate_contrast.verdict) == (None, "undecided")
    assert row.value("rate_undecided_because") == (TOO_FEW_ROUNDS)


OF_ANOTHER_BOOT = {"boot": "boot-2"}
OF_AN_EARLIER_RELEASE = {"schema": 4}
BLOCKS = pytest.mark.parametrize("how", [OF_ANOTHER_BOOT, OF_AN_EARLIER_RELEASE])


def test_launches_of_one_boot_are_a_round_whichever_run_made_them() -> None:
    row = patched(made("none", DRIFTING, run="20261001T120000Z"), made("gevent", FASTER))
    assert row.rate_contrast.rounds == 5
    assert row.rate_contrast.low == pytest.approx(1.1, rel=1e-3)


@BLOCKS
def test_launches_of_different_boots_are_not_a_round(how: dict[str, Any]) -> None:
    row = patched(made("none", DRIFTING, run="20261001T120000Z", **how), made("gevent", FASTER))
    assert row.speedup == pytest.approx(1.1)
    assert (row.rate_contrast.low, row.rate_contrast.verdict) == (None, "undecided")
    assert row.rate_contrast.reason == NO_SHARED_ROUND
    assert f"Without an interval:\n  {GEVENT.id}: requests/s, CPU per request, p99, memory: " in (
        render(replace(collate(RUN, {}), rows=(row,)), format="plain")
    )


@BLOCKS
def test_launches_taken_over_are_paired_within_the_run_they_are_from(how: dict[str, Any]) -> None:
    old = "20261001T120000Z"
    row = patched(
        [*made("none", [10.0, 20.0], run=old, **how), *made("none", [80.0], first=3)],
        [*made("gevent", [20.0, 80.0], run=old, **how), *made("gevent", [80.0], first=3)],
    )
    assert row.speedup == pytest.approx(2)
    assert row.rate_contrast.rounds == 3


@BLOCKS
def test_only_rounds_that_both_have_in_one_run_are_paired(how: dict[str, Any]) -> None:
    # Round 1 of the baseline is of another run than round 1 of the cell.
    base = [*made("none", [1.0], run="20261001T120000Z", **how), *made("none", [50.0], first=2)]
    row = patched(base, made("gevent", [49.0, 50.0]))
    assert (row.speedup, row.rate_contrast.rounds) == (1.0, 1)


def test_the_table_says_which_launches_are_of_which_run_and_boot() -> None:
    launches = [
        *made("gevent", [48.0, 48.0], run="20261003T120000Z"),
        *made("gevent", [48.0], first=3, run="20261002T120000Z", boot="0123456789"),
        *made("gevent", [48.0], first=4, run="20261001T120000Z", boot=UNKNOWN_BOOT),
        *made("gevent", [48.0], first=5),
    ]
    assert patched([], launches).reused_from == (
        "launches 1, 2 of run 20261003T120000Z (2026-11-01, same boot); "
        "launch 3 of run 20261002T120000Z (2026-11-01, boot 01234567: a block of its own); "
        "launch 4 of run 20261001T120000Z (2026-11-01, boot not known: a block of its own)"
    )


def test_without_a_round_that_has_figures_of_both_all_launches_are_compared() -> None:
    row = patched(made("none", [40.0]), made("gevent", [44.0], first=2))
    assert row.speedup == pytest.approx(1.1)
    assert row.rate_contrast.reason == NO_SHARED_ROUND


def test_the_intervals_of_one_figure_hold_together_over_the_table() -> None:
    cells = [NONE, *(cell("3.11", "gevent", gevent=f"25.{n}.1") for n in range(5))]
    run = collate(
        run_record(*cells, launches=5),
        {
            one.id: [launch(one, n, rate=rate) for n, rate in enumerate(DRIFTING, start=1)]
            for one in cells
        },
    )
    levels = [row.rate_contrast.level for row in run.rows if row.cell != NONE.id]
    assert levels == [pytest.approx(0.99)] * 5


def test_a_run_that_looked_after_each_round_has_wider_intervals() -> None:
    launches = {NONE.id: made("none", DRIFTING), GEVENT.id: made("gevent", VARYING)}
    looked = RUN.model_copy(update={"least_launches": 3})
    fixed, sequential = (
        collate(record, launches).by_cell[GEVENT.id].rate_contrast for record in (RUN, looked)
    )
    assert fixed.level == sequential.level == pytest.approx(0.95)
    assert fixed.half_width is not None
    assert sequential.half_width is not None
    assert sequential.half_width > 1.2 * fixed.half_width


def test_what_matters_is_the_runs_own_unless_chosen() -> None:
    launches = {NONE.id: made("none", DRIFTING), GEVENT.id: made("gevent", FASTER)}
    lenient = RUN.model_copy(update={"delta": {"rate": 0.2}})
    assert collate(RUN, launches).by_cell[GEVENT.id].value("verdict_rate") == "higher"
    assert collate(lenient, launches).by_cell[GEVENT.id].value("verdict_rate") == "same within δ"
    chosen = collate(lenient, launches, delta={"rate": 0.05})
    assert chosen.by_cell[GEVENT.id].value("verdict_rate") == "higher"


# -- the cell of a point of the matrix -------------------------------------------------------------


def test_the_row_that_carries_most_axes_is_meant_and_dropped_axes_do_not_matter() -> None:
    bare, full = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
    rows = collate(run_record(full, bare), {}).rows
    index = CanonicalIndex(rows, ["python", "gevent", "grpcio"])

    def found(python: str, gevent: str | None) -> str | None:
        point = {"python": python, "gevent": gevent, "grpcio": "1.76.0"}
        row = index.find(point.__getitem__)
        return row.cell if row else None

    assert found("3.11", "25.9.1") == full.id
    assert found("3.11", "22.10.2") == bare.id
    assert found("3.11", None) == bare.id
    assert found("3.9", "25.9.1") is None


def test_a_baseline_may_be_a_label_and_parameters_of_the_workload() -> None:
    """Each cell is compared with the one of its own patch mode."""
    axes = ("python", "gevent", "patch", "copy", "seconds", "spin")
    kinds = [("a", "2", "0"), ("b", "2", "0"), ("a", "2.01", "0"), ("a", "2", "0.1")]
    cells = {
        (patch, kind): cell(
            "3.11",
            patch,
            gevent="26.9.0",
            further=dict(zip(axes[3:], kind, strict=True)),
            suffix="-" + "-".join(kind),
        )
        for patch in ("imported", "gevent")
        for kind in kinds
    }
    baseline = {"copy": "a", "seconds": "2", "spin": "0"}
    run = run_record(*cells.values(), axes=axes, baseline=baseline)
    found = baselines(collate(run, {}).rows, run)
    assert {cell: base.cell for cell, base in found.items()} == {
        one.id: cells[patch, kinds[0]].id for (patch, _), one in cells.items()
    }


def test_a_row_has_the_baseline_of_its_python_and_a_baseline_is_its_own() -> None:
    other = cell("3.13", "gevent", gevent="25.9.1")
    run = collate(run_record(NONE, GEVENT, other), {NONE.id: made("none", [40.0])})
    found = baselines(run.rows, run.record)
    assert found == {NONE.id: run.by_cell[NONE.id], GEVENT.id: run.by_cell[NONE.id]}


# -- what is not compared, and what counts as one block --------------------------------------------


def on(launches: Sequence[LaunchRecord], **update: object) -> list[LaunchRecord]:
    return [one.model_copy(update=update) for one in launches]


def test_rounds_of_two_machines_are_blocks_that_count_alike() -> None:
    """Three rounds of one and six of another, whose ratios differ: the mean is between them."""
    first = [10.0, 11.0, 12.0]
    second = [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]
    base = on(made("none", first), block="a") + on(made("none", second, first=4), block="b")
    own = on(made("gevent", [2 * rate for rate in first]), block="a")
    own += on(made("gevent", [8 * rate for rate in second], first=4), block="b")
    found = patched(base, own).rate_contrast
    assert found.ratio == pytest.approx(4)
    # What the machines differ by is no part of the error: within each there is none.
    assert [found.low, found.high] == pytest.approx([4, 4], rel=1e-3)


def test_a_block_of_too_few_rounds_is_left_out_beside_another() -> None:
    base = on(made("none", [10.0, 10.0]), block="a") + on(
        made("none", DRIFTING, first=3), block="b"
    )
    own = on(made("gevent", [90.0, 90.0]), block="a") + on(
        made("gevent", FASTER, first=3), block="b"
    )
    assert patched(base, own).rate_contrast.ratio == pytest.approx(1.1)


def test_cpu_is_not_compared_in_rounds_with_other_numbers_of_attempts() -> None:
    base, own = made("none", DRIFTING), made("gevent", FASTER)
    own[0] = own[0].model_copy(update={"attempt": 2})
    row = patched(base, own)
    assert (row.cpu_contrast.rounds, row.rate_contrast.rounds) == (4, 5)
    both = patched(on(base, attempt=2), on(own, attempt=2))
    assert both.cpu_contrast.rounds == 5


def test_costs_of_a_load_that_was_cut_are_not_compared_with_those_of_a_whole_one() -> None:
    serialised = on(made("gevent", [1.0] * 5), requests=60, outcome=Outcome.SERIALISED)
    row = patched(made("none", [48.0] * 5), serialised)
    assert (row.value("verdict_rate"), row.value("verdict_cpu")) == ("lower", "undecided")
    assert row.cpu_contrast.reason == row.rss_contrast.reason == OTHER_LOAD


def test_a_rate_that_the_load_sets_is_not_compared() -> None:
    run = traffic()
    rates = {
        one.id: [launch(one, n, rate=45.0) for n in range(1, 6)] for one in run.cells if one.rate
    }
    rows = [row for row in collate(run, rates).rows if row.cell in rates]
    assert [row.rate_contrast.ratio for row in rows] == [1, 1]
    assert [row.rate_contrast.reason for row in rows] == [None, SET_BY_THE_LOAD]
    assert {row.value("verdict_rate") for row in rows} == {None}
    assert [row.value("verdict_cpu") for row in rows] == [None, "same within δ"]


def test_who_goes_on_from_an_earlier_run_has_looked() -> None:
    launches = {NONE.id: made("none", DRIFTING), GEVENT.id: made("gevent", VARYING)}
    fixed = collate(RUN, launches).by_cell[GEVENT.id].rate_contrast
    went_on = {cell: on(several, reused_from="before") for cell, several in launches.items()}
    wider = collate(RUN, went_on).by_cell[GEVENT.id].rate_contrast
    assert fixed.half_width is not None
    assert wider.half_width is not None
    assert wider.half_width > 1.2 * fixed.half_width
    # The level is what is left to a reader in either case.
    assert fixed.level == wider.level == pytest.approx(0.95)


def test_values_that_do_not_differ_have_the_error_of_their_rounding() -> None:
    found = patched(made("none", [40.0] * 5), made("gevent", [40.0] * 5)).rate_contrast
    assert found.half_width is not None
    assert 1e-5 < found.half_width < 1e-4


def test_four_of_five_runs_would_show_what_is_called_detectable() -> None:
    """Simulated: a true ratio of that size, in runs that vary as the one that it was found in."""
    logarithms = [0.0, 0.02, -0.01, 0.01, -0.02, 0.015]
    found = contrast(sample(logarithms), comparisons=1, delta=0.02, alpha=0.05)
    assert found.detectable is not None
    draws, sd = random.Random(3), statistics.stdev(logarithms)
    mean = math.log1p(found.detectable)
    runs = [[draws.gauss(mean, sd) for _ in logarithms] for _ in range(2000)]
    shown = sum(
        contrast(sample(one), comparisons=1, delta=0.02, alpha=0.05).is_shown for one in runs
    )
    assert shown / len(runs) == pytest.approx(0.8, abs=0.05)
