from __future__ import annotations

from dataclasses import replace

import pytest

from runner.matrix.plugins import patches
from runner.measurement.records import Answers, LaunchRecord, Served
from runner.outcome import Outcome
from runner.report.axis_values import Value, natural_key
from runner.report.baseline import TOO_SHORT
from runner.report.formats import render
from runner.report.notes import notes
from runner.report.row import KEYS, Row, is_cut
from runner.report.run import collate
from runner.store.records import CellRecord, RunRecord
from tests.support.samples import (
    AXES,
    RESOURCES,
    ab_figures,
    cell,
    in_per_cent,
    launch,
    launch_at,
    launches_of,
    run_record,
    traffic,
    unavailable,
)

DESIGN_KEYS = """
    cell python gevent grpcio patch server workload concurrency requests outcome reason launches
    requests_per_second ceiling_rps efficiency speedup time_taken_s mean_ms p50_ms p90_ms p99_ms
    max_ms failed_requests non_2xx cpu_ms_per_request peak_rss_mib peak_threads disturbed
""".split()  # noqa: SIM905 - as a list it would take 28 lines

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")
FIGURES = DESIGN_KEYS[DESIGN_KEYS.index("requests_per_second") : -1]


def row_of(*launches: LaunchRecord, of: CellRecord = NONE) -> Row:
    return collate(run_record(of), {of.id: launches}).rows[0]


def speedups(run: RunRecord, rates: dict[str, float]) -> dict[str, float | None]:
    launches = {c.id: [launch(c, rate=rates[c.id])] for c in run.cells if c.id in rates}
    return {row.cell: row.speedup for row in collate(run, launches).rows}


def test_the_keys_and_their_order_are_those_of_the_design() -> None:
    keys = list(row_of(launch(NONE)).values())
    assert [key for key in keys if key in DESIGN_KEYS] == DESIGN_KEYS


def test_a_further_axis_is_one_more_key_with_its_exact_version() -> None:
    first = cell("3.11", "none", further={"flask": "3.*", "seconds": "2"}, suffix="-x")
    run = run_record(first, axes=(*AXES, "flask", "seconds"))
    values = collate(run, {}).rows[0].values()
    assert list(values) == [*KEYS, "flask", "seconds"]
    assert (values["flask"], values["seconds"]) == ("3.1.2", "2")


def test_one_launch_gives_its_own_figures() -> None:
    values = row_of(launch(NONE, rate=40.0)).values()
    assert values["requests_per_second"] == 40.0
    assert values["ceiling_rps"] == values["configuration_rps"] == 5000 / 102
    assert values["efficiency"] == pytest.approx(40 / (5000 / 102))
    assert values["speedup"] == 1.0
    assert values["time_taken_s"] == 125.0
    expected = {"mean_ms": 2031.4, "p50_ms": 2003.2, "p90_ms": 2010.0, "p99_ms": 2052.6}
    expected |= {"max_ms": 2100.0, "failed_requests": 0, "non_2xx": 0, "cpu_ms_per_request": 1.0}
    expected |= {"peak_rss_mib": 61.4, "peak_threads": 101, "launches": 1, "requests": 5000}
    assert {key: values[key] for key in expected} == expected
    assert (values["outcome"], values["reason"], values["disturbed"]) == (Outcome.OK, None, None)


def test_several_launches_give_their_median() -> None:
    row = row_of(*(launch(NONE, n, rate=rate) for n, rate in enumerate((10.0, 90.0, 30.0), 1)))
    assert (row.requests_per_second, row.launches) == (30.0, 3)


def with_resources(number: int, *, p99_ms: float = 2000.0, **resources: float) -> LaunchRecord:
    figures = ab_figures(48.0).model_copy(update={"p99_ms": p99_ms})
    used = RESOURCES.model_copy(update=resources)
    return launch(NONE, number).model_copy(update={"ab": figures, "resources": used})


def test_p99_and_cpu_have_their_spread() -> None:
    row = row_of(
        with_resources(1, p99_ms=2010.0, cpu_ms_per_request=0.5),
        with_resources(2, p99_ms=2090.0, cpu_ms_per_request=0.25),
        with_resources(3, p99_ms=2050.0, cpu_ms_per_request=0.75),
    )
    assert (row.p99_ms, row.p99_ms_spread.min, row.p99_ms_spread.max) == (2050.0, 2010.0, 2090.0)
    cpu = (
        row.cpu_ms_per_request,
        row.cpu_ms_per_request_spread.min,
        row.cpu_ms_per_request_spread.max,
    )
    assert cpu == (0.5, 0.25, 0.75)
    text = render(replace(collate(run_record(NONE, launches=3), {}), rows=(row,)), format="plain")
    assert "2050 [2010–2090]" in text
    assert "0.50 [0.25–0.75]" in text


def test_resources_are_medians_and_counts_of_mishaps_the_most() -> None:
    keys = ("voluntary_switches", "involuntary_switches", "run_queue_delay_ms", "loadgen_cpu_share")
    counts = ("listen_overflows", "syn_retransmits")
    row = row_of(
        *(with_resources(n, **dict.fromkeys((*keys, *counts), n)) for n in (1, 2, 6)),
    )
    assert [row.value(key) for key in keys] == [2, 2, 2, 2]
    assert [row.value(key) for key in counts] == [6, 6]
    assert (row.cpu_user_ms_per_request, row.cpu_system_ms_per_request) == (0.8, 0.2)


def test_resources_that_no_launch_knows_are_unknown() -> None:
    row = row_of(launch(NONE))
    assert (row.voluntary_switches, row.syn_retransmits, row.loadgen_cpu_share) == (None,) * 3


def test_axes_that_a_cell_does_not_have_are_null() -> None:
    row = row_of(launch(NONE))
    assert (row.gevent, row.grpcio) == (None, None)


@pytest.mark.parametrize("outcome", [o for o in Outcome if not o.has_figures])
def test_other_outcomes_carry_no_figures(outcome: Outcome) -> None:
    values = row_of(launch(NONE, outcome=outcome, reason="why")).values()
    assert (values["outcome"], values["reason"]) == (outcome, "why")
    assert {key: values[key] for key in FIGURES} == dict.fromkeys(FIGURES)


def test_failed_requests_are_counted_but_not_timed() -> None:
    failed = launch(NONE, outcome=Outcome.FAILED_REQUESTS)
    figures = ab_figures(48.0).model_copy(update={"failed": 7, "non_2xx": 3})
    row = row_of(failed.model_copy(update={"ab": figures}))
    assert (row.failed_requests, row.non_2xx) == (7, 3)
    assert (row.requests_per_second, row.p50_ms) == (None, None)


def test_a_serialised_cell_shows_the_requests_really_sent() -> None:
    row = row_of(launch(NONE, outcome=Outcome.SERIALISED, rate=0.5, requests=120))
    assert (row.requests, row.concurrency, row.requests_per_second) == (5000, 100, 0.5)
    assert (row.sent_requests, row.sent_concurrency) == (120, 100)
    assert row.mean_ms is row.p50_ms is row.p99_ms is row.max_ms is None


def test_the_maximum_is_that_of_all_launches_and_p99_needs_a_thousand_requests() -> None:
    first, second = launch(NONE, 1), launch(NONE, 2)
    assert first.ab
    higher = first.ab.model_copy(update={"max_ms": 9000.0})
    assert row_of(first.model_copy(update={"ab": higher}), second).max_ms == 9000
    assert row_of(first).p99_ms == pytest.approx(2052.6)
    few = first.ab.model_copy(update={"complete": 999})
    assert row_of(first.model_copy(update={"ab": few})).p99_ms is None


@pytest.mark.parametrize(("clients", "has_one"), [(250, True), (251, False)])
def test_p99_needs_twenty_turns_of_the_clients(clients: int, has_one: bool) -> None:
    """Of fewer, it is the worst moments of one turn in which all of them send together."""
    many = cell("3.11", "none", concurrency=clients)
    row = row_of(launch(many), of=many)
    assert (row.p99_ms is not None) is has_one
    assert row.max_ms == 2100.0


def test_no_more_progress_at_a_time_than_are_in_the_application() -> None:
    """Older records may have more, by a lone request that something slowed."""
    seen = Served(
        processes=1,
        entered=5000,
        left=5000,
        in_flight=97.0,
        at_a_time=104.0,
        lone_service_ms=2100.0,
        mean_service_ms=1958.0,
    )
    assert row_of(launch(NONE).model_copy(update={"served": seen})).at_a_time == 97.0


def test_launches_that_were_cut_have_no_part_in_the_latencies() -> None:
    cut = launch(NONE, 2, requests=500)
    assert cut.ab
    slow = cut.model_copy(update={"ab": cut.ab.model_copy(update={"max_ms": 99_999.0})})
    row = row_of(launch(NONE, 1), slow, launch(NONE, 3))
    assert (row.sent_requests, row.max_ms) == (5000, 2100)


def test_launches_on_both_sides_of_the_bound_of_limited_are_taken_together() -> None:
    made = [launch(NONE, n, outcome=Outcome.LIMITED if n < 4 else Outcome.OK) for n in range(1, 8)]
    row = row_of(*made)
    assert (row.outcome, row.outcome_launches, row.launches) == (Outcome.OK, 4, 7)
    assert row.requests_per_second_spread.low is not None


def test_wrong_answers_are_counted_rather_than_what_ab_calls_failed() -> None:
    one = launch(NONE)
    assert one.ab
    counted = one.ab.model_copy(update={"failed": 4994})
    answers = Answers(right=4994, wrong_status=0, wrong_length=0, missing=6)
    record = one.model_copy(update={"ab": counted, "answers": answers})
    assert row_of(record).failed_requests == 6


def test_concurrency_is_the_median_of_what_the_servers_recorded() -> None:
    def of(number: int, at_a_time: float) -> LaunchRecord:
        served = Served(
            processes=1,
            entered=5000,
            left=5000,
            in_flight=99.0,
            at_a_time=at_a_time,
            lone_service_ms=2000.0,
            mean_service_ms=2000.0,
        )
        return launch(NONE, number).model_copy(update={"served": served})

    row = row_of(of(1, 90.0), of(2, 98.0), of(3, 97.0))
    assert (row.at_a_time, row.in_flight) == (97, 99)


def test_where_launches_disagree_the_worst_counts_and_the_reason_says_so() -> None:
    row = row_of(
        launch(NONE, 1),
        launch(NONE, 2, outcome=Outcome.HANG_UNDER_LOAD, reason="no answer"),
        launch(NONE, 3),
    )
    assert row.outcome is Outcome.HANG_UNDER_LOAD
    assert row.reason == "2 of 3 launches: ok; 1: hang-under-load (no answer)"
    assert row.requests_per_second is None
    assert row.launches == 3


def test_only_launches_of_the_outcome_shown_give_figures() -> None:
    row = row_of(
        launch(NONE, 1, rate=48.0),
        launch(NONE, 2, rate=48.0),
        launch(NONE, 3, rate=0.5, outcome=Outcome.SERIALISED),
    )
    assert (row.outcome, row.requests_per_second) == (Outcome.SERIALISED, 0.5)


def test_an_engine_error_does_not_hide_what_the_other_launches_found() -> None:
    row = row_of(
        launch(NONE, 1, outcome=Outcome.ENGINE_ERROR, reason="timeout"), launch(NONE, 2, rate=48.0)
    )
    assert (row.outcome, row.requests_per_second) == (Outcome.OK, 48.0)
    assert row.reason == "1 of 2 launches: engine-error (timeout); 1: ok"


def test_equal_reasons_are_said_once() -> None:
    hangs = [launch(NONE, n, outcome=Outcome.CRASHED, reason="exit 139") for n in (1, 2)]
    assert row_of(*hangs).reason == "exit 139"


def test_disturbed_launches_are_counted() -> None:
    one = launch(NONE, disturbed="waited for a CPU")
    assert row_of(one).disturbed == "waited for a CPU"
    assert row_of(one, launch(NONE, 2)).disturbed == "1 of 2 launches: waited for a CPU"


def test_cells_without_launches_are_rows_too() -> None:
    run = run_record(
        NONE,
        missing=(
            unavailable(cell("3.9", "none"), "no wheel"),
            unavailable(cell("3.8", "none"), "no room", Outcome.BUILD_FAILED),
        ),
    )
    found = [(row.python, row.outcome, row.reason, row.launches) for row in collate(run, {}).rows]
    assert found == [
        ("3.8", Outcome.BUILD_FAILED, "no room", 0),
        ("3.9", Outcome.UNAVAILABLE, "no wheel", 0),
        ("3.11", None, "not measured", 0),
    ]


def test_rows_are_sorted_by_version_patch_mode_and_number() -> None:
    cells = [
        cell("3.13", "none"),
        cell("3.9", "gevent", gevent="25.9.1", concurrency=100, suffix="-c100"),
        cell("3.9", "gevent", gevent="25.9.1", concurrency=20, suffix="-c20"),
        *(cell("3.9", mode, gevent="25.9.1", grpcio="1.146.0") for mode in ("gevent+grpc", "grpc")),
        cell("3.9", "grpc", gevent="25.9.1", grpcio="1.53.0"),
        cell("3.9", "gevent-time", gevent="25.9.1"),
        cell("3.9", "none"),
        cell("3.9", "grpc", gevent=">=24", grpcio="1.53.0"),
    ]
    run = run_record(*cells, axes=(*AXES, "concurrency"))
    assert [row.cell for row in collate(run, {}).rows] == [
        "py3.9-none",
        "py3.9-gevent25.9.1-gevent-c20",
        "py3.9-gevent25.9.1-gevent-c100",
        "py3.9-gevent25.9.1-gevent-time",
        "py3.9-gevent25.9.1-grpcio1.53.0-grpc",
        "py3.9-gevent25.9.1-grpcio1.146.0-grpc",
        "py3.9-gevent25.9.1-grpcio1.146.0-gevent+grpc",
        "py3.9-gevent>=24-grpcio1.53.0-grpc",
        "py3.13-none",
    ]


def test_patch_modes_sort_in_their_own_order() -> None:
    cells = [cell("3.9", mode) for mode in reversed(list(patches()))]
    assert [row.patch for row in collate(run_record(*cells), {}).rows] == list(patches())


def test_the_axis_named_first_in_the_file_sorts_first() -> None:
    run = run_record(
        cell("3.9", "gevent", gevent="25.9.1"),
        cell("3.13", "none"),
        axes=("patch", "python", "gevent"),
    )
    assert [row.patch for row in collate(run, {}).rows] == ["none", "gevent"]


def test_speedup_is_taken_against_the_canonical_baseline_of_the_same_python() -> None:
    both = cell("3.11", "gevent+grpc", gevent="25.9.1", grpcio="1.76.0")
    old = cell("3.9", "gevent", gevent="22.10.2")
    alone = cell("3.13", "gevent", gevent="25.9.1")
    run = run_record(NONE, both, cell("3.9", "none"), old, alone)
    rates = {NONE.id: 40.0, both.id: 48.0, "py3.9-none": 10.0, old.id: 30.0, alone.id: 48.0}
    assert speedups(run, rates) == {
        "py3.9-none": 1.0,
        old.id: pytest.approx(3),
        NONE.id: 1.0,
        both.id: pytest.approx(1.2),
        alone.id: None,
    }


def test_speedup_compares_equal_values_of_the_other_axes() -> None:
    def at(server: str, patch: str, gevent: str | None = None) -> CellRecord:
        further = {"server": server}
        return cell("3.11", patch, gevent=gevent, further=further, suffix=f"-{server}")

    single, threaded = at("werkzeug-single", "none"), at("werkzeug", "none")
    patched = at("werkzeug-single", "gevent", gevent="25.9.1")
    run = run_record(single, threaded, patched, axes=(*AXES, "server"))
    rates = {single.id: 0.5, threaded.id: 48.0, patched.id: 1.0}
    assert speedups(run, rates)[patched.id] == pytest.approx(2)


@pytest.mark.parametrize("written", ["22.10.2", "22.*"])
def test_a_baseline_may_be_written_as_in_the_file_or_as_shown(written: str) -> None:
    old, new = (cell("3.11", "gevent", gevent=version) for version in ("22.10.2", "25.9.1"))
    old = old.model_copy(update={"axes": {**old.axes, "gevent": "22.*"}})
    run = run_record(NONE, old, new, baseline={"gevent": written})
    rates = {NONE.id: 40.0, old.id: 20.0, new.id: 30.0}
    assert speedups(run, rates) == {
        NONE.id: None,
        old.id: 1.0,
        new.id: pytest.approx(1.5),
    }


def test_no_baseline_no_speedup() -> None:
    assert speedups(run_record(NONE, baseline={}), {NONE.id: 40.0}) == {NONE.id: None}


def test_a_baseline_without_figures_gives_no_speedup() -> None:
    patched = cell("3.11", "gevent", gevent="25.9.1")
    assert speedups(run_record(NONE, patched), {patched.id: 40.0})[patched.id] is None


# -- loads at a fixed rate -------------------------------------------------------------------------


def test_a_fixed_rate_is_a_number_and_has_requests_that_are_due_and_no_clients() -> None:
    run = traffic()
    rows = {row.value("rate"): row for row in collate(run, launches_of(run)).rows}
    assert (rows[45.0].concurrency, rows[45.0].requests) == (None, 2700)
    assert (rows["closed"].concurrency, rows["closed"].requests) == (100, 5000)
    assert [*rows[45.0].values()] == [*KEYS, "rate", "rate_rps"]
    assert (rows[45.0].value("rate_rps"), rows["closed"].value("rate_rps")) == (45.0, None)
    assert "rate" not in row_of(launch(NONE)).values()


def test_a_load_at_a_rate_that_was_cut_has_no_percentiles() -> None:
    run = traffic()
    at_a_rate = next(cell for cell in run.cells if cell.rate)
    whole = launch(at_a_rate, rate=45.0, requests=2700)
    cut = whole.model_copy(update={"requests": 480, "outcome": Outcome.SERIALISED})
    for one, shown in ((whole, True), (cut, False)):
        row = collate(run, {at_a_rate.id: [one]}).by_cell[at_a_rate.id]
        assert (row.requests, row.sent_requests) == (2700, one.requests)
        assert is_cut(row) is not shown
        assert [v is not None for v in (row.mean_ms, row.p50_ms, row.p99_ms, row.max_ms)] == (
            [shown] * 4
        )


def test_a_rate_in_per_cent_shows_the_rate_that_it_was() -> None:
    run = in_per_cent()
    closed, _, base, patched = run.cells
    launches = {
        closed.id: [launch(closed, rate=48.0)],
        base.id: [launch_at(base, 38.4)],
        patched.id: [launch_at(patched, 38.4)],
    }
    rows = collate(run, launches).by_cell
    row = rows[patched.id]
    assert (row.value("rate"), row.value("rate_rps"), row.requests) == ("80%", 38.4, 2304)
    assert not is_cut(row)
    assert row.speedup == pytest.approx(1.0)
    assert run.cells[2].load == "80% of the baseline's rate for 60 s"
    serialised = {"requests": 480, "outcome": Outcome.SERIALISED}
    launches[patched.id] = [launch_at(patched, 38.4).model_copy(update=serialised)]
    cut = collate(run, launches).by_cell[patched.id]
    assert (is_cut(cut), cut.p50_ms, cut.sent_requests) == (True, None, 480)


def test_rates_are_in_order() -> None:
    values: list[Value] = ["100%", "closed", 45.0, "80%", "5%", 5.0]
    assert sorted(values, key=lambda value: natural_key("rate", value)) == [
        5.0, 45.0, "closed", "5%", "80%", "100%",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([Outcome.HANG_UNDER_LOAD] * 3, "which is hang-under-load"),
        ([Outcome.HANG_UNDER_LOAD, Outcome.OK], "not measured"),
        ([], "not measured"),
    ],
)
def test_why_a_rate_in_per_cent_was_not_launched(outcomes: list[Outcome], reason: str) -> None:
    run = in_per_cent()
    closed, other, base, patched = run.cells
    made = [launch(closed, n, outcome=outcome) for n, outcome in enumerate(outcomes, 1)]
    collated = collate(run, {closed.id: made})
    row = collated.by_cell[patched.id]
    assert (row.outcome, row.value("rate"), row.value("rate_rps")) == (None, "80%", None)
    assert row.reason
    assert row.reason.endswith(reason)
    if len(outcomes) == 3:
        why = f"its rate is 80% of what {closed.id} reaches, which is hang-under-load"
        items = [note.items for note in notes(collated) if note.heading == "Not measured"]
        assert items == [(other.id, f"{base.id}, {patched.id}: {why}")]


def test_a_rate_in_per_cent_of_what_is_unavailable_is_not_launched() -> None:
    closed, *others = in_per_cent().cells
    missing = unavailable(closed, "no wheels")
    run = in_per_cent().model_copy(update={"cells": (*others,), "unavailable": (missing,)})
    row = collate(run, {}).by_cell[others[-1].id]
    assert row.reason
    assert row.reason.endswith("which is unavailable")


def test_a_fixed_rate_is_compared_with_the_baseline_at_that_rate() -> None:
    run = traffic()
    rates = {(None, "none"): 40.0, (None, "gevent"): 44.0, (45.0, "none"): 45.0}
    launches = {
        cell.id: [launch(cell, rate=rates.get((cell.rate, cell.patch or ""), 36.0))]
        for cell in run.cells
    }
    rows = {(row.value("rate"), row.patch): row for row in collate(run, launches).rows}
    assert rows[45.0, "gevent"].speedup == pytest.approx(36 / 45)
    assert rows["closed", "gevent"].speedup == pytest.approx(44 / 40)


# -- loads that claim nothing ----------------------------------------------------------------------


def lasting(cell: CellRecord, seconds: float, lone_ms: float, rate: float) -> list[LaunchRecord]:
    """Seven launches that last so long, of requests that take so many ms alone."""
    made = [launch(cell, number, rate=rate + number / 10) for number in range(1, 8)]
    return [
        one.model_copy(
            update={
                "ab": one.ab.model_copy(
                    update={"time_taken_s": seconds, "complete": int(rate * seconds) + one.launch}
                ),
                "lone_request_ms": lone_ms,
            }
        )
        for one in made
        if one.ab
    ]


@pytest.mark.parametrize(
    ("seconds", "lone_ms", "verdict"),
    [(41.0, 2000.0, "lower"), (39.0, 2000.0, "undecided"), (9.9, 5.0, "undecided")],
)
def test_a_short_load_claims_nothing(seconds: float, lone_ms: float, verdict: str) -> None:
    launches = {
        NONE.id: lasting(NONE, seconds, lone_ms, 48.0),
        GEVENT.id: lasting(GEVENT, seconds, lone_ms, 24.0),
    }
    run = collate(run_record(NONE, GEVENT), launches)
    row = run.by_cell[GEVENT.id]
    assert row.value("verdict_rate") == verdict
    assert row.value("rate_undecided_because") == (TOO_SHORT if verdict == "undecided" else None)
    # What a server holds in memory does not depend on how long it is loaded.
    assert row.value("verdict_rss") == "same within δ"


def test_a_note_says_that_what_failed_was_launched_more_often() -> None:
    hung = [launch(NONE, number, outcome=Outcome.HANG_UNDER_LOAD) for number in (1, 2, 3)]
    run = collate(run_record(NONE), {NONE.id: hung})
    (measured, *_) = notes(run)
    assert "launched once, those of which a launch failed more often" in measured.items[0]


@pytest.mark.parametrize(("waited", "number"), [(None, 1), (0.0, 0)])
def test_a_wait_that_the_kernel_does_not_count_is_no_wait_of_0(
    waited: float | None, number: int
) -> None:
    used = RESOURCES.model_copy(update={"loadgen_run_queue_delay_ms": waited})
    made = [launch(NONE, 1), launch(NONE, 2).model_copy(update={"resources": used})]
    (measured, *_) = notes(collate(run_record(NONE), {NONE.id: made}))
    said = [item for item in measured.items if "is not known of 1 of 2 launches" in item]
    assert len(said) == number
