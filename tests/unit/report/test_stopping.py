"""When a run is precise enough to end, and how it says why it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.baseline import OTHER_LOAD, SET_BY_THE_LOAD
from runner.report.run import collate, common_rounds
from runner.report.stopping import at_round, is_enough, precision, round_text, why_ended
from runner.store.records import CellRecord, RunRecord
from tests.support.samples import AXES, ab_figures, cell, launch, run_record, traffic

NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
GRPC = cell("3.11", "grpc", gevent="25.9.1", grpcio="1.76.0")
#: Within 2 % of each other, and not.
CALM, WILD = (48.0, 48.1, 47.9, 48.0), (48.0, 40.0, 56.0, 48.0)
EVERY = "no interval of a patch mode reaches further than δ from its ratio"


def record_of(*cells: CellRecord, least: int | None = 3, most: int = 4) -> RunRecord:
    run = run_record(*cells or (NONE, GEVENT), launches=most)
    return run.model_copy(update={"least_launches": least})


def rounds(one: CellRecord, rates: Sequence[float], **changes: object) -> list[LaunchRecord]:
    """A launch of the cell a round, at these rates."""
    return [
        launch(one, number, rate=rate).model_copy(update=changes)
        for number, rate in enumerate(rates, start=1)
    ]


def ending(one: CellRecord, *outcomes: Outcome) -> list[LaunchRecord]:
    """A launch of the cell a round, ending so."""
    return [
        launch(one, number, outcome=outcome, reason="because")
        for number, outcome in enumerate(outcomes, start=1)
    ]


def verdicts(
    run: RunRecord, launches: Sequence[LaunchRecord], numbers: Sequence[int] = (1, 2, 3)
) -> list[bool]:
    """Whether the run would end after each of these rounds."""
    return [
        is_enough(run, [one for one in launches if one.launch <= number], number)
        for number in numbers
    ]


BASE = rounds(NONE, [48.0] * 4)


def test_a_run_ends_after_the_least_rounds_if_all_intervals_are_narrow() -> None:
    launches = BASE + rounds(GEVENT, CALM)
    assert verdicts(record_of(), launches) == [False, False, True]
    assert verdicts(record_of(least=4, most=5), launches, [3, 4]) == [False, True]
    assert why_ended(record_of(), [x for x in launches if x.launch <= 3]) == (
        f"after 3 rounds: {EVERY}"
    )


def test_one_that_is_too_wide_is_enough_to_go_on() -> None:
    launches = BASE + rounds(GEVENT, CALM) + rounds(GRPC, WILD)
    run = record_of(NONE, GEVENT, GRPC)
    assert verdicts(run, launches, [3, 4]) == [False, False]
    wide = precision(at_round(run, launches, 4)).wide
    assert [(one.what, one.delta) for one in wide] == [("requests/s of grpc", 0.02)]
    assert why_ended(run, launches) == (
        f"after 4 rounds, the maximum: requests/s of grpc is still {wide[0].size}, wider than 2 %"
    )


def test_the_limit_is_the_figures_own_delta() -> None:
    launches = BASE + rounds(GEVENT, CALM)
    run = record_of()
    [share] = {
        one.share
        for one in precision(
            collate(run, grouped(launches), delta={"rate": 1e-6, "cpu": 1e-6})
        ).wide
        if "requests/s" in one.what
    }
    narrower, wider = (
        run.model_copy(update={"delta": {"rate": share * factor}}) for factor in (0.999, 1.001)
    )
    assert not is_enough(narrower, launches, 4)
    assert is_enough(wider, launches, 4)


def grouped(launches: Sequence[LaunchRecord]) -> Mapping[str, list[LaunchRecord]]:
    found: dict[str, list[LaunchRecord]] = {}
    for one in launches:
        found.setdefault(one.cell, []).append(one)
    return found


def test_a_fixed_number_of_launches_is_made_whatever_the_intervals() -> None:
    assert not is_enough(record_of(least=None), BASE + rounds(GEVENT, CALM), 4)


def test_where_nothing_is_compared_the_least_is_enough() -> None:
    alone = record_of(NONE)
    assert verdicts(alone, BASE) == [False, False, True]
    assert why_ended(alone, BASE[:3]) == "after 3 rounds: nothing is compared"


@pytest.mark.parametrize(
    "outcomes",
    [
        [Outcome.HANG_AT_STARTUP] * 3,
        [Outcome.OK, Outcome.OK, Outcome.HANG_UNDER_LOAD],
        [Outcome.OK, Outcome.SERIALISED, Outcome.OK],
    ],
)
def test_how_a_cell_ends_does_not_hold_a_run_up(outcomes: list[Outcome]) -> None:
    launches = BASE + rounds(GEVENT, CALM) + ending(GRPC, *outcomes)
    assert verdicts(record_of(NONE, GEVENT, GRPC), launches) == [False, False, True]


def test_a_baseline_that_fails_holds_nothing_up() -> None:
    launches = ending(NONE, *[Outcome.CRASHED] * 3) + rounds(GEVENT, WILD)
    assert is_enough(record_of(), [one for one in launches if one.launch <= 3], 3)
    assert why_ended(record_of(), launches[:6]).startswith("after 3 rounds: nothing is compared; ")


def test_loads_that_are_too_short_hold_nothing_up_and_the_reason_is_told() -> None:
    """Memory has its interval all the same."""
    short = {"ab": ab_figures(5000.0)}
    launches = rounds(NONE, CALM, **short) + rounds(GEVENT, WILD, **short)
    assert verdicts(record_of(), launches) == [False, False, True]
    assert why_ended(record_of(), launches).startswith(
        f"after 4 rounds: {EVERY}; without an interval: requests/s, CPU per request, p99 of gevent "
        "(a load of less than 10 s"
    )


def test_a_figure_that_is_not_known_holds_nothing_up_and_the_reason_is_told() -> None:
    """Cut loads have no p99."""
    cut = {"requests": 500}
    launches = BASE + rounds(GEVENT, CALM, **cut)
    assert verdicts(record_of(), launches) == [False, False, True]
    why = why_ended(record_of(), launches)
    assert "p99 of gevent (not known of both" in why
    assert f"CPU per request, memory of gevent ({OTHER_LOAD})" in why


def test_a_mode_without_a_baseline_is_named() -> None:
    other = cell("3.9", "gevent", gevent="25.9.1", further={"server": "pywsgi"}, suffix="-pywsgi")
    run = run_record(NONE, GEVENT, other, axes=(*AXES, "server"), launches=4)
    run = run.model_copy(update={"least_launches": 3})
    launches = BASE + rounds(GEVENT, CALM) + rounds(other, WILD)
    assert is_enough(run, launches, 4)
    assert "of gevent (server pywsgi) (it has no baseline here)" in why_ended(run, launches)


def test_rounds_that_cells_do_not_share_are_waited_for() -> None:
    """The baseline is from another boot: only from the fourth round on they share rounds."""
    old = [
        one.model_copy(update={"reused_from": "before", "other_boot": "an earlier one"})
        for one in BASE[:3]
    ]
    later = [launch(NONE, number) for number in (4, 5, 6)]
    launches = old + later + rounds(GEVENT, [48.0] * 6)
    run = record_of(most=15)
    assert verdicts(run, launches, [3, 4, 5, 6]) == [False, False, False, True]
    first = [one for one in launches if one.launch <= 3]
    assert round_text(run, first, 3) == "too few rounds for intervals yet"
    assert "requests/s of gevent has too few rounds for an interval" in why_ended(run, first)


def test_a_launch_that_the_engine_failed_in_is_made_up_for() -> None:
    """It has no figures, and says nothing of its cell: a fourth round gives the interval."""
    failed = [launch(GEVENT, 1, outcome=Outcome.ENGINE_ERROR, reason="gone")]
    launches = BASE + failed + rounds(GEVENT, CALM)[1:]
    assert verdicts(record_of(most=15), launches, [3, 4]) == [False, True]


def test_only_rounds_that_all_cells_have_are_looked_at() -> None:
    """A launch of the fourth round is missing; with the others the interval would be too wide."""
    launches = BASE + rounds(GEVENT, (*CALM[:3], 20.0)) + rounds(GRPC, CALM[:3])
    run = record_of(NONE, GEVENT, GRPC)
    assert common_rounds(launches) == 3
    assert is_enough(run, launches, 3)
    assert not is_enough(run, launches, 4)
    assert why_ended(run, launches) == f"after 3 rounds: {EVERY}"


def test_each_load_of_a_mode_is_named() -> None:
    run = traffic().model_copy(update={"least_launches": 3, "launches": 15})
    launches = [
        one
        for found in run.cells
        for one in rounds(found, WILD if "gevent" in found.id and not found.rate else [48.0] * 4)
    ]
    found = precision(at_round(run, launches, 4))
    assert [one.what for one in found.wide] == ["requests/s of gevent (rate closed)"]
    assert f"requests/s of gevent (rate 45) ({SET_BY_THE_LOAD})" in found.without


def test_many_that_are_too_wide_are_counted() -> None:
    cells = [NONE, *(cell("3.11", f"p{n}", gevent="25.9.1") for n in range(6))]
    launches = [one for found in cells for one in rounds(found, CALM if found is NONE else WILD)]
    assert why_ended(record_of(*cells), launches).endswith("wider than 2 %; 2 more")


def test_a_line_after_each_round() -> None:
    run = record_of(most=15)
    launches = BASE + rounds(GEVENT, WILD)
    early = [one for one in launches if one.launch <= 2]
    assert round_text(run, early, 2) == "too few rounds for intervals yet"
    assert "requests/s of gevent is still ± " in round_text(run, launches, 4)
    assert round_text(run, BASE + rounds(GEVENT, CALM), 4) == EVERY
    assert round_text(record_of(NONE), BASE, 4) == "nothing to compare yet"
