from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matrix.ceiling import (
    AbOpening,
    ceiling_of,
    ceiling_rps,
    configuration_of,
    shortest_load_s,
    shortest_time_s,
)
from runner.matrix.cell import Cell, Limits
from runner.matrix.servers import Server, server
from runner.matrix.values import Workload, workload
from runner.measurement import ab, load
from runner.measurement.agent import CalibrateReply, CheckReply
from runner.measurement.forecast import Forecast
from runner.measurement.records import LaunchRecord, Machine, RateFigures, Resources
from runner.measurement.resources import (
    KINDS,
    LARGEST_OTHERS_SHARE,
    disturbance,
    kinds_of_disturbance,
    worth_repeating,
)
from runner.outcome import Outcome
from tests.support.samples import cell, launch
from tests.support.simulated import a_cell, a_job, report

ALONE, TOGETHER = AbOpening.FIRST_ALONE, AbOpening.TOGETHER
counts = st.integers(1, 10_000)


def test_the_articles_load() -> None:
    load_ = {"requests": 5000, "concurrency": 100, "service_s": 2.0}
    assert shortest_time_s(**load_, opening=TOGETHER) == 100  # type: ignore[arg-type]
    assert ceiling_rps(**load_, opening=TOGETHER) == 50  # type: ignore[arg-type]
    assert shortest_time_s(**load_, opening=ALONE) == 102  # type: ignore[arg-type]
    assert ceiling_rps(**load_, opening=ALONE) == pytest.approx(49.02, abs=0.005)  # type: ignore[arg-type]


@given(counts, counts, st.floats(0.001, 10), st.sampled_from(AbOpening))
def test_no_ceiling_is_above_littles_law(n: int, c: int, s: float, opening: AbOpening) -> None:
    ceiling = ceiling_rps(requests=n, concurrency=c, service_s=s, opening=opening)
    assert ceiling
    assert ceiling <= min(n, c) / s * (1 + 1e-9)
    slower = ceiling_rps(requests=n, concurrency=c, service_s=s, opening=ALONE)
    assert slower
    assert slower <= ceiling * (1 + 1e-9)


def test_without_a_service_time_there_is_no_ceiling() -> None:
    assert ceiling_rps(requests=1, concurrency=1, service_s=0, opening=ALONE) is None


def test_a_deadline_follows_from_the_ceiling_and_never_exceeds_the_limit() -> None:
    cell = a_cell()
    assert load.full_load(cell, Limits(load_s=1000), ALONE).deadline_s == 3 * 102 + 10
    assert load.full_load(cell, Limits(load_s=200), ALONE).deadline_s == 200


@given(counts, counts, st.floats(0.0001, 30), st.floats(1, 1000), st.floats(1, 100))
def test_a_cut_load_fits_its_limit(
    n: int, c: int, lone_s: float, limit_s: float, at_once: float
) -> None:
    cell = a_cell(concurrency=min(n, c), requests=n)
    cut = load.cut_load(cell, Limits(load_s=limit_s), lone_s, at_once)
    assert cut.concurrency <= cut.requests
    assert cut.requests <= n
    few = min(n, load.FEWEST_REQUESTS)
    assert cut.requests == few or cut.requests * lone_s / at_once <= limit_s


@pytest.mark.parametrize(
    ("lone_s", "factor", "requests"),
    [
        (0.5, 1.2, 160),
        (0.5, 0.75, 120),  # others use the CPUs: so slow the load will be, too
        (0.5, 0.01, 80),  # that may be a pause
        (0.016, 0.75, 5000),  # of so short ones a burst tells nothing
    ],
)
def test_a_load_that_is_cut_is_as_slow_as_the_burst_was(
    lone_s: float, factor: float, requests: int
) -> None:
    job = replace(
        a_job(replace(a_cell(), server=Server(name="werkzeug-single"))), limits=Limits(load_s=100)
    )
    checked = CheckReply(lone_s=lone_s, service_s=lone_s)
    calibrated = CalibrateReply(
        factor=factor, burst_answered=5, burst_last_cpu_share=None, cpu_s_per_request=None,
        many_sent=None, many_answered=None, many_factor=None,
    )  # fmt: skip
    forecast = Forecast(job=job, checked=checked, calibrated=calibrated)
    assert forecast.load().requests == requests


@pytest.mark.parametrize(
    ("set_up", "factor", "seen"),
    [
        (100, None, 100),  # no second burst was sent
        (100, 19.0, 100),  # twenty at once
        (100, 4.0, 4),  # a pool of four inside the application
        (100, 0.5, 1),
        (16, 10.0, 16),  # sixteen threads answer twenty in two turns
        (16, 2.0, 2),
    ],
)
def test_the_burst_shows_a_limit_that_the_server_was_not_set_up_with(
    set_up: int, factor: float | None, seen: float
) -> None:
    cell = replace(a_cell(), server=Server(name="waitress", settings=(("threads", set_up),)))
    assert load.at_once_seen(cell, factor) == seen


def test_the_longest_of_several_requests_is_no_limit() -> None:
    """Twenty requests of 1 to 3 s take up to 3 s, though all are in work at once."""
    cell = spread(a_cell())
    assert load.at_once_seen(cell, 20 * 2 / 3) == 100
    assert load.at_once_seen(cell, 4.0) == 4


FIXED = replace(a_cell(), rate="45", load_s=60.0, requests=2700)


def spread(cell: Cell) -> Cell:
    return replace(cell, workload=Workload(parameters=(("seconds", "2"), ("spread", "1"))))


def test_the_ceiling_of_a_rate_is_the_rate_and_a_configuration_may_allow_less() -> None:
    waitress = server("waitress-t16")
    assert ceiling_of(FIXED, ALONE) == configuration_of(FIXED, ALONE) == 45
    assert ceiling_of(replace(FIXED, server=waitress), ALONE) == 45
    assert configuration_of(replace(FIXED, server=waitress), ALONE) == 8
    assert configuration_of(replace(FIXED, workload=workload("file", {})), ALONE) == 45
    # Ten requests that last longer than all of them take to be sent: no setting is in their way.
    assert configuration_of(replace(FIXED, requests=10), ALONE) == 45
    assert shortest_load_s(FIXED) == 62
    assert shortest_load_s(replace(FIXED, server=waitress)) == 337.5


def test_requests_of_different_lengths_are_bounded_by_littles_law_alone() -> None:
    assert ceiling_of(spread(a_cell()), ALONE) == 50
    assert shortest_load_s(spread(a_cell())) == 100


def test_a_load_at_a_rate_ends_when_no_answer_comes_any_more() -> None:
    load_ = load.full_load(FIXED, Limits(load_s=300), ALONE)
    assert (load_.rate, load_.requests, load_.deadline_s) == (45, 2700, 3 * 62 + 10)
    assert (load_.silence_s, load_.stall_s, load_.limit_s) == (30, 10, 300)
    seldom = replace(FIXED, rate="0.5", requests=30)
    assert load.full_load(seldom, Limits(), ALONE).silence_s == 60
    assert load.full_load(spread(seldom), Limits(), ALONE).deadline_s == 3 * 63 + 10


def test_a_server_that_takes_one_at_a_time_is_sent_what_it_can_answer_in_time() -> None:
    cut = load.cut_load(FIXED, Limits(load_s=100), 2.0, 1)
    assert (cut.requests, cut.rate, cut.limit_s) == (40, 45, 100)


def test_the_burst_is_never_larger_than_the_load() -> None:
    assert load.burst_size(a_cell(concurrency=3)) == 3
    assert load.burst_size(a_cell(concurrency=100)) == load.BURST


QUIET = Resources(
    cpu_user_ms=1,
    cpu_system_ms=1,
    cpu_ms_per_request=1,
    peak_rss_mib=1,
    peak_threads=1,
    loadgen_run_queue_delay_ms=50,
    listen_overflows=0,
    listen_drops=0,
    loadgen_cpu_share=0.1,
    throttled_ms=0,
)


FIGURES = ab.parse(report(1000, 20.0))


def loaded(**changes: float | None) -> LaunchRecord:
    """A launch that nothing disturbed but the changes."""
    record = launch(cell("3.11", "none"))
    return record.model_copy(update={"ab": FIGURES, "resources": QUIET.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        (
            {"loadgen_run_queue_delay_ms": 200},
            "ab waited 0.20 ms per request for a CPU (1.0% of the time)",
        ),
        ({"loadgen_run_queue_delay_ms": 149}, None),
        ({"loadgen_run_queue_delay_ms": None}, None),
        ({"listen_overflows": 3}, "the listen queue overflowed 3 times"),
        ({"listen_drops": 2}, "the listen queue overflowed 2 times"),
        ({"loadgen_cpu_share": 0.95}, "ab kept 95% of a CPU busy"),
        ({"throttled_ms": 12.0}, "the server was throttled for 12 ms"),
    ],
)
def test_disturbances(changed: dict[str, float | None], reason: str | None) -> None:
    assert disturbance(loaded(**changed)) == reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"steal_share": 0.006}, "the hypervisor took 0.6% of the CPUs' time"),
        ({"steal_share": 0.004}, None),
        ({"others_cpu_share": 0.5}, "other processes used 50.0% of the CPUs' time"),
        ({"others_cpu_share": LARGEST_OTHERS_SHARE}, None),
        ({"busy_share": 1.0, "pods_cpu_share": 1.0, "psi_some_share": 1.0}, None),
    ],
)
def test_what_others_took_of_the_machine_disturbs(
    changed: dict[str, float], reason: str | None
) -> None:
    record = loaded().model_copy(update={"machine": Machine(cpus=2, **{"busy_share": 0} | changed)})
    assert disturbance(record) == reason
    assert worth_repeating(record.model_copy(update={"disturbed": reason})) is bool(reason)


def test_every_reason_has_a_kind_without_figures() -> None:
    lags = RateFigures(rate=45, requests=9, sent=9, lag_p50_ms=0, lag_p99_ms=99, lag_max_ms=99)
    busy = Machine(cpus=2, busy_share=1, steal_share=0.5, others_cpu_share=0.5)
    all_at_once = loaded(
        loadgen_run_queue_delay_ms=900, loadgen_cpu_share=0.95, throttled_ms=12, listen_drops=2
    ).model_copy(update={"machine": busy})
    found = [
        kinds_of_disturbance(disturbance(record) or "")
        for record in (all_at_once, all_at_once.model_copy(update={"rate": lags}))
    ]
    assert found[0][:2] == ["ab waited for a CPU", "ab kept a CPU busy"]
    assert found[1][:2] == ["requests were sent late", "the load generator kept a CPU busy"]
    assert found[0][2:] == found[1][2:]
    assert {*found[0], *found[1]} == {*KINDS.values()}


def test_a_reason_of_another_release_stays_as_it_is() -> None:
    assert kinds_of_disturbance("load generator busy 95 %") == ["load generator busy 95 %"]


def test_a_launch_without_figures_is_not_called_disturbed() -> None:
    failed = {"outcome": Outcome.FAILED_REQUESTS}
    assert disturbance(loaded(throttled_ms=12.0).model_copy(update=failed)) is None


def test_where_requests_take_different_times_a_wait_for_each_is_no_sign_of_others() -> None:
    record = loaded(loadgen_run_queue_delay_ms=600.0)
    assert disturbance(record)
    assert record.ab
    spread = record.model_copy(update={"in_step": False, "lone_request_ms": 2000.0})
    assert disturbance(spread) is None
    late = loaded(loadgen_run_queue_delay_ms=30_000.0).model_copy(
        update={"in_step": False, "lone_request_ms": 2000.0}
    )
    assert disturbance(late)


def test_a_long_load_may_wait_a_little_more_for_each_request() -> None:
    waiting = loaded(loadgen_run_queue_delay_ms=900)
    few = FIGURES.model_copy(update={"complete": 120, "time_taken_s": 240.0})
    assert disturbance(waiting.model_copy(update={"ab": few})) is None
    assert disturbance(waiting)


@pytest.mark.parametrize(
    ("lag_ms", "service_s", "reason"),
    [
        (2.0, 0.05, None),
        (2.1, 0.05, "1 % of the requests were sent over 2.1 ms late"),
        (19.0, 2.0, None),
        (21.0, 2.0, "1 % of the requests were sent over 21.0 ms late"),
    ],
)
def test_requests_at_a_rate_may_be_sent_a_little_late(
    lag_ms: float, service_s: float, reason: str | None
) -> None:
    """Whatever the generator waited for a CPU: what counts is when it sent."""
    sent = RateFigures(
        rate=45, requests=9, sent=9, lag_p50_ms=0, lag_p99_ms=lag_ms, lag_max_ms=lag_ms
    )
    update = {"rate": sent, "lone_request_ms": 1000 * service_s}
    waiting = loaded(loadgen_run_queue_delay_ms=900).model_copy(update=update)
    assert disturbance(waiting) == reason
