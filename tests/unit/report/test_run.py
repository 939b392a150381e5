from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runner.matrix.canonical import CanonicalIndex
from runner.measurement.records import LaunchRecord
from runner.report.formats import render
from runner.report.rows import Row
from runner.report.run import NO_SHARED_ROUND, OTHER_RUNS, baselines, collate
from tests.support.samples import cell, launch, run_record

NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
RUN = run_record(NONE, GEVENT, launches=5)


def made(
    of: str, rates: Sequence[float], *, first: int = 1, run: str | None = None
) -> list[LaunchRecord]:
    """Launches of a cell, numbered from `first`, taken over from `run` where it is given."""
    record = NONE if of == "none" else GEVENT
    return [
        launch(record, number, rate=rate).model_copy(update={"reused_from": run})
        for number, rate in enumerate(rates, start=first)
    ]


def patched(base: Sequence[LaunchRecord], own: Sequence[LaunchRecord]) -> Row:
    rows = collate(RUN, {NONE.id: base, GEVENT.id: own}).rows
    return next(row for row in rows if row.cell == GEVENT.id)


DRIFTING = [10.0, 20.0, 30.0, 40.0, 50.0]
FASTER = [1.1 * rate for rate in DRIFTING]


def test_pairing_removes_what_drifts_between_rounds() -> None:
    row = patched(made("none", DRIFTING), made("gevent", FASTER))
    assert row.speedup == row.speedup_spread.low == row.speedup_spread.high == pytest.approx(1.1)
    assert row.not_paired is None


def test_below_five_launches_the_extremes_of_the_paired_ratios_are_shown() -> None:
    row = patched(made("none", [10.0, 20.0, 40.0]), made("gevent", [10.0, 22.0, 48.0]))
    assert row.speedup_spread.low is None
    assert [row.speedup_spread.min, row.speedup, row.speedup_spread.max] == pytest.approx(
        [1.0, 1.1, 1.2]
    )
    text = render(replace(collate(RUN, {}), rows=(row,)), format="plain")
    assert "1.100 (1.000–1.200)" in text


def test_launches_of_different_runs_are_not_a_round() -> None:
    row = patched(made("none", DRIFTING, run="20261001T120000Z"), made("gevent", FASTER))
    assert row.speedup == pytest.approx(1.1)
    assert [
        row.speedup_spread.low,
        row.speedup_spread.high,
        row.speedup_spread.min,
        row.speedup_spread.max,
    ] == [None] * 4
    assert row.not_paired == OTHER_RUNS
    assert f"Not paired:\n  {GEVENT.id}: {OTHER_RUNS}\n" in render(
        replace(collate(RUN, {}), rows=(row,)), format="plain"
    )


def test_launches_taken_over_are_paired_within_the_run_they_are_from() -> None:
    old = "20261001T120000Z"
    row = patched(
        [*made("none", [10.0, 20.0], run=old), *made("none", [80.0], first=3)],
        [*made("gevent", [20.0, 60.0], run=old), *made("gevent", [80.0], first=3)],
    )
    assert (row.speedup, row.speedup_spread.min, row.speedup_spread.max) == (2.0, 1.0, 3.0)
    assert row.not_paired is None


def test_only_rounds_that_both_have_in_one_run_are_paired() -> None:
    # Round 1 of the baseline is of another run than round 1 of the cell.
    base = [*made("none", [1.0], run="20261001T120000Z"), *made("none", [50.0], first=2)]
    row = patched(base, made("gevent", [49.0, 50.0]))
    assert (row.speedup, row.speedup_spread.min, row.speedup_spread.max) == (1.0, 1.0, 1.0)


def test_without_a_round_that_has_figures_of_both_the_medians_are_compared() -> None:
    row = patched(made("none", [40.0]), made("gevent", [44.0], first=2))
    assert row.speedup == pytest.approx(1.1)
    assert row.not_paired == NO_SHARED_ROUND


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
