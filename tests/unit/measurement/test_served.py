"""What the server's processes recorded: concurrency from entries and exits, and right answers."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace

import pytest

from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Limits
from runner.matrix.values import workload
from runner.measurement import ab, verdict
from runner.measurement.asked import WORKLOAD
from runner.measurement.load import full_load
from runner.measurement.loaded import Loaded
from runner.measurement.records import Answers
from runner.measurement.served import Request, answers, parse, served, standstills
from runner.outcome import Outcome
from tests.support.simulated import a_cell, load_reply, report


def request(entered_s: float, left_s: float | None, process: int = 0, **changes: int) -> Request:
    return Request(
        process, entered_s, left_s, changes.get("status", 200), changes.get("length", 11)
    )


def together(number: int, at_a_time: int, service_s: float = 1.0) -> list[Request]:
    """Requests answered so many at a time, each as fast as a lone one."""
    begins = [n // at_a_time * service_s for n in range(number)]
    return [request(begin, begin + service_s) for begin in begins]


def in_line(number: int, waiting: int, service_s: float = 1.0) -> list[Request]:
    """Requests that all enter, and wait inside for one lock; `waiting` are in there together."""
    ends = [(n + 1) * service_s for n in range(number)]
    return [request(max(0.0, end - waiting * service_s), end) for end in ends]


def test_the_agents_table() -> None:
    table = "process\tentered_us\tleft_us\tstatus\tlength\n1\t5\t2000005\t200\t11\n0\t7\t\t0\t0\n"
    assert parse(gzip.compress(table.encode())) == [
        Request(1, 5e-6, 2.000005, 200, 11),
        Request(0, 7e-6, None, 0, 0),
    ]


def test_requests_that_progress_together_are_as_many_at_a_time_as_in_flight() -> None:
    seen = served(together(100, 10), 1.0)
    assert seen
    assert seen.in_flight == pytest.approx(10)
    assert seen.at_a_time == pytest.approx(10)
    assert seen.mean_service_ms == pytest.approx(1000)


def test_twenty_that_wait_for_one_lock_are_twenty_in_flight_and_one_at_a_time() -> None:
    seen = served(in_line(200, 20), 1.0)
    assert seen
    assert seen.in_flight == pytest.approx(20, rel=0.05)
    assert seen.at_a_time == pytest.approx(1)


def test_a_request_that_never_left_is_entered_and_not_left() -> None:
    seen = served([request(0, 1), request(0, None)], 1.0)
    assert seen
    assert (seen.entered, seen.left) == (2, 1)


def test_without_requests_nothing_is_known() -> None:
    assert served([], 1.0) is None
    assert served([request(0, None)], 1.0) is None


def test_without_a_lone_request_nothing_is_said_of_how_many_at_a_time() -> None:
    seen = served(together(10, 2), None)
    assert seen
    assert (seen.at_a_time, seen.lone_service_ms) == (None, None)


def test_a_lone_request_that_something_slowed_does_not_raise_how_many_at_a_time() -> None:
    """Seen: 222 at a time for 200 clients, by a lone request that took a tenth too long."""
    seen = served(together(100, 10), 1.5)
    assert seen
    assert seen.at_a_time == pytest.approx(10)
    assert seen.lone_service_ms == 1500
    assert seen.service_ms == pytest.approx(1000)


# -- the outcome -----------------------------------------------------------------------------------


def judged(
    requests: Sequence[Request],
    *,
    concurrency: int,
    set_up: int | None = None,
    cpu_share: float = 0.0,
    opening: AbOpening = AbOpening.TOGETHER,
) -> verdict.Verdict:
    number = len(requests)
    seen = served(requests, 1.0)
    loaded = Loaded(
        reply=load_reply(number, 100.0, cpu_s=100.0 * cpu_share),
        load=full_load(a_cell(concurrency=concurrency, requests=number), Limits(), opening),
        figures=ab.parse(report(number, 100.0)),
        served=seen,
        answers=Answers(right=number, wrong_status=0, wrong_length=0, missing=0),
        opening=opening,
        set_up=set_up or concurrency,
        standstills=standstills(requests),
    )
    return verdict.of_load(loaded)


def test_two_processes_that_take_one_at_a_time_each_are_serialised() -> None:
    both = [request(n, n + 1, process) for n in range(50) for process in (0, 1)]
    outcome, reason = judged(both, concurrency=20)
    assert outcome is Outcome.SERIALISED
    assert reason
    assert reason.startswith("requests wait before the application")


def test_one_process_that_takes_two_at_a_time_is_limited() -> None:
    assert judged(together(100, 2), concurrency=20)[0] is Outcome.LIMITED


def test_a_pool_of_four_under_forty_clients_is_limited_inside_the_application() -> None:
    waiting = [request(max(0.0, n // 4 - 9), n // 4 + 1) for n in range(400)]
    outcome, reason = judged(waiting, concurrency=40)
    assert outcome is Outcome.LIMITED
    assert reason
    assert reason.startswith("requests wait inside the application")


def test_threads_of_the_server_are_named_as_its_limit() -> None:
    outcome, reason = judged(together(320, 16), concurrency=100, set_up=16)
    assert (outcome, reason) == (Outcome.LIMITED, "the server takes 16 at a time")


@pytest.mark.parametrize("processes", [1, 2])
def test_one_at_a_time_is_the_servers_setting_also_where_requests_are_slowed(
    processes: int,
) -> None:
    """A busy machine slows them: it is no wait for one another, as each is alone in its process."""
    slow = [request(2 * n, 2 * n + 2, of) for n in range(50) for of in range(processes)]
    outcome, reason = judged(slow, concurrency=20, set_up=processes)
    assert (outcome, reason) == (
        Outcome.SERIALISED,
        f"the server takes {processes} at a time",
    )


def test_threads_that_wait_for_one_another_are_not_as_they_were_set_up() -> None:
    waiting = [request(max(0, n - 3), n + 1) for n in range(100)]
    outcome, reason = judged(waiting, concurrency=20, set_up=4)
    assert outcome is Outcome.SERIALISED
    assert reason
    assert reason.startswith("requests wait before the application")


def test_threads_that_compute_are_serialised_by_the_interpreter() -> None:
    cpu = replace(a_cell(concurrency=20), workload=workload("cpu", {}))
    outcome, reason = judged(
        in_line(200, 20), concurrency=20, set_up=cpu.server_limit, cpu_share=0.99
    )
    assert outcome is Outcome.SERIALISED
    assert reason
    assert reason.startswith("the server computes")


@pytest.mark.parametrize("requests", [2, 4, 5, 20])
def test_a_server_without_a_limit_is_ok_under_two_clients(requests: int) -> None:
    """`ab` sends its first request alone: of four in all, 4/3 are in work at a time at the best."""
    perfect = [request(0, 1), *(request(1 + n // 2, 2 + n // 2) for n in range(requests - 1))]
    opening = AbOpening.FIRST_ALONE
    assert judged(perfect, concurrency=2, opening=opening) == (Outcome.OK, None)
    serial = [request(n, n + 1) for n in range(requests)]
    slow = judged(serial, concurrency=2, opening=opening)[0]
    assert slow is (Outcome.SERIALISED if requests > 2 else Outcome.OK)


def test_a_slowed_lone_request_does_not_raise_what_a_rate_offers() -> None:
    load = replace(full_load(a_cell(requests=100), Limits(), AbOpening.TOGETHER), rate=10.0)
    loaded = Loaded(
        reply=load_reply(100, 10.0, cpu_s=0.0),
        load=load,
        served=served(together(100, 10), 3.0),
        opening=AbOpening.TOGETHER,
        set_up=100,
    )
    assert loaded.offered == pytest.approx(10)
    assert verdict.of_concurrency(loaded) == (Outcome.OK, None)


def test_a_lone_client_is_never_serialised() -> None:
    assert judged(together(10, 1), concurrency=1) == (Outcome.OK, None)


def test_more_than_half_of_what_is_offered_is_ok() -> None:
    assert judged(together(600, 60), concurrency=100)[0] is Outcome.OK
    assert judged(together(600, 50), concurrency=100)[0] is Outcome.LIMITED


# -- answers ---------------------------------------------------------------------------------------


def counted(requests: Sequence[Request], **figures: int) -> Answers:
    read = ab.parse(report(len(requests), 1.0)).model_copy(update=figures)
    found = answers(requests, read, WORKLOAD.right)
    assert found
    return found


def test_all_right() -> None:
    right = counted(together(100, 10), document_length=11, html_bytes=1100)
    assert right == Answers(right=100, wrong_status=0, wrong_length=0, missing=0)


def test_an_empty_first_answer_makes_ab_count_the_right_ones_as_failed() -> None:
    """Seen with `patch: gevent-socket` on Werkzeug: 6 of 600 were empty, `ab` counted 594."""
    seen = counted(together(600, 10), failed=594, document_length=0, html_bytes=594 * 11)
    assert seen == Answers(right=594, wrong_status=0, wrong_length=0, missing=6)


def test_wrong_statuses_and_lengths_are_told_apart() -> None:
    raised = request(0, 1, status=0, length=0)
    bad = [request(0, 1, status=500, length=265), request(0, 1, length=4), raised]
    body = 7 * 11 + 265 + 4
    seen = counted(
        [*together(7, 1), *bad], failed=2, non_2xx=2, document_length=11, html_bytes=body
    )
    assert seen == Answers(
        right=7, wrong_status=2, wrong_length=1, missing=0, most_wrong_status=500
    )


def test_a_wrong_first_answer_that_is_longer_than_the_right_one() -> None:
    bad = [request(0, 1, status=500, length=265)]
    seen = counted(
        [*bad, *together(9, 1)], failed=9, non_2xx=1, document_length=265, html_bytes=364
    )
    assert seen == Answers(
        right=9, wrong_status=1, wrong_length=0, missing=0, most_wrong_status=500
    )


def test_an_answer_broken_off_is_missing_though_the_server_sent_it() -> None:
    seen = counted(together(10, 1), failed=1, document_length=11, html_bytes=104)
    assert seen == Answers(right=9, wrong_status=0, wrong_length=0, missing=1)


def test_requests_that_a_process_did_not_record_are_no_failures() -> None:
    """`ab` itself has no complaint."""
    read = ab.parse(report(100, 1.0))
    fine = read.model_copy(update={"document_length": 11, "html_bytes": 1100})
    assert answers(together(50, 10), fine, WORKLOAD.right) is None
    broken = fine.model_copy(update={"failed": 1})
    assert answers(together(50, 10), broken, WORKLOAD.right)


def test_a_process_that_hardly_served_does_not_count() -> None:
    most = [request(n // 2, n // 2 + 1) for n in range(200)]
    assert judged([*most, request(3, 4, process=1)], concurrency=20)[0] is Outcome.LIMITED


def test_a_server_stands_still_where_several_are_inside_and_none_moves() -> None:
    requests = [request(0.0, 0.1), request(0.05, 9.0), request(0.06, 9.1), request(9.0, 9.2)]
    # From 0.1 to 9.0 nothing happened, of which a request takes a tenth of a second anyway.
    assert standstills(requests) == pytest.approx((8.8,))


def test_a_closed_loop_stands_still_until_its_first_client_gets_in() -> None:
    seen = served([request(0, 1)], 1.0)
    loaded = Loaded(
        reply=load_reply(1, 10.0, cpu_s=0.0),
        load=full_load(a_cell(), Limits(), AbOpening.TOGETHER),
        opening=AbOpening.TOGETHER,
        set_up=1,
        served=seen,
        standstills=(2.0,),
        began_s=9.0,
    )
    assert loaded.stalled_s == 9.0
    at_a_rate = replace(loaded, load=replace(loaded.load, rate=5.0))
    assert at_a_rate.stalled_s == 2.0
    assert replace(loaded, served=None).stalled_s is None


def test_one_request_that_takes_its_time_is_no_standstill() -> None:
    assert standstills([request(0.0, 0.1), request(0.2, 9.0)]) == ()
    assert standstills([]) == ()


def test_a_pause_does_not_make_what_runs_side_by_side_serialised() -> None:
    """Ten at a time, of which each takes a second, but for a hundred seconds."""
    moving = [request(n // 10, n // 10 + 1) for n in range(50)]
    stuck = [request(5, 105) for _ in range(10)]
    later = [request(105 + n // 10, 106 + n // 10) for n in range(40)]
    found = judged([*moving, *stuck, *later], concurrency=10)
    assert found == (Outcome.LIMITED, "nothing moved for up to 99.0 s at a time")


@pytest.mark.parametrize(
    "archive",
    [
        b"no gzip",
        gzip.compress(b"process\tentered_us\n0\t1\n", mtime=0),
        gzip.compress(b"process\tentered_us\tleft_us\tstatus\tlength\n0\n", mtime=0),
        gzip.compress(b"x" * 100, mtime=0)[:-9],
    ],
)
def test_a_recording_that_cannot_be_read(archive: bytes) -> None:
    with pytest.raises(ValueError, match=r"recording|invalid"):
        parse(archive)
