"""Figures of one load that exclude each other are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Limits
from runner.measurement import contradiction, verdict
from runner.measurement.agent import LoadReply
from runner.measurement.load import full_load
from runner.measurement.loaded import Loaded, read_load
from runner.measurement.records import AbFigures, Answers, LaunchRecord, Served
from runner.outcome import Outcome
from tests.support.simulated import a_cell, load_answer, load_reply, recorded

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
CLIENTS = 10
FIGURES = AbFigures(
    time_taken_s=10.0,
    complete=100,
    failed=0,
    non_2xx=0,
    requests_per_second=10.0,
    mean_ms=1000.0,
    p50_ms=1000.0,
    p90_ms=1000.0,
    p99_ms=None,
    max_ms=1000.0,
)
SEEN = Served(
    processes=1,
    entered=100,
    left=100,
    in_flight=10.0,
    at_a_time=10.0,
    lone_service_ms=1000.0,
    mean_service_ms=1000.0,
)
LOADED = Loaded(
    reply=load_reply(100, 10.0, cpu_s=0.0),
    load=full_load(a_cell(concurrency=CLIENTS, requests=100), Limits(), AbOpening.TOGETHER),
    opening=AbOpening.TOGETHER,
    set_up=CLIENTS,
    figures=FIGURES,
    served=SEEN,
    answers=Answers(right=100, wrong_status=0, wrong_length=0, missing=0),
    sent_right=100,
)


def of_report(**changes: float) -> str | None:
    return contradiction.of_report(FIGURES.model_copy(update=changes), CLIENTS)


def test_latencies_may_fill_the_time_of_all_clients_and_no_more() -> None:
    assert of_report() is None
    assert of_report(mean_ms=1000.5) is None, "a mean that ab rounded up"
    assert of_report(mean_ms=1001.0) == (
        "ab reports 100 requests of 1,001 ms in the mean, and that 10 clients sent them in "
        "10.000 s, which cannot be: the latencies add up to 100.1 s, and so many clients have "
        "100.0 s in that time"
    )


def test_requests_of_a_few_ms_are_not_refused_for_their_rounding() -> None:
    """Milvus, published: 400 of 16 ms from 4 clients in 1.585 s, where 15.85 ms fit in."""
    short = {"complete": 400, "time_taken_s": 1.585, "max_ms": 30.0}
    figures = FIGURES.model_copy(update={**short, "mean_ms": 16.0})
    assert contradiction.of_report(figures, 4) is None
    assert contradiction.of_report(figures.model_copy(update={"mean_ms": 17.0}), 4)


def test_no_published_launch_is_refused() -> None:
    found = [*PUBLISHED.glob("*/cells/*/launch-*/result.json")]
    assert found
    for path in found:
        record = LaunchRecord.model_validate_json(path.read_bytes())
        if record.ab and record.concurrency:
            assert contradiction.of_report(record.ab, record.concurrency) is None, path


def test_no_request_takes_longer_than_its_load() -> None:
    assert of_report(max_ms=10000.9) is None, "both are rounded"
    assert of_report(max_ms=10002.0) == (
        "ab reports a request of 10,002 ms in a load of 10.000 s, which cannot be: the load takes "
        "as long as its longest request, or longer"
    )


@pytest.mark.parametrize(
    ("loaded", "reason"),
    [
        (LOADED, None),
        (
            replace(LOADED, figures=FIGURES.model_copy(update={"mean_ms": 2000.0})),
            "ab reports 100 requests of 2,000 ms in the mean",
        ),
        (
            replace(LOADED, served=SEEN.model_copy(update={"in_flight": 10.5})),
            (
                "the server reports 10.5 requests in flight, the mean over the load, which cannot "
                "be: ab sent them from 10 clients"
            ),
        ),
        (
            replace(LOADED, sent_right=101),
            "ab reports 100 requests complete and the server 101 right answers, which cannot be",
        ),
        (
            replace(LOADED, answers=Answers(right=101, wrong_status=0, wrong_length=0, missing=-1)),
            "ab reports 100 requests complete and the server 101 right answers, which cannot be",
        ),
    ],
)
def test_a_launch_that_cannot_be_is_not_ok(loaded: Loaded, reason: str | None) -> None:
    outcome, why = verdict.of_load(loaded)
    assert outcome is (Outcome.ENGINE_ERROR if reason else Outcome.OK)
    assert (why or "").startswith(reason or "")


def test_at_a_fixed_rate_there_are_no_clients_to_count() -> None:
    at_a_rate = replace(LOADED.load, rate=10.0)
    many = SEEN.model_copy(update={"in_flight": 50.0})
    assert contradiction.of_load(replace(LOADED, load=at_a_rate, served=many)) is None
    assert contradiction.of_load(replace(LOADED, load=at_a_rate, sent_right=101)) == (
        "the load generator reports 100 requests complete and the server 101 right answers, "
        "which cannot be: each answer is to one request"
    )


def test_a_load_without_figures_is_not_judged_here() -> None:
    assert contradiction.of_load(replace(LOADED, figures=None)) is None


@pytest.mark.parametrize(("number", "outcome"), [(100, Outcome.OK), (101, Outcome.ENGINE_ERROR)])
def test_the_servers_records_are_counted(number: int, outcome: Outcome) -> None:
    answer = load_answer(100, 11.0, concurrency=CLIENTS, service_s=1.0)
    reply = LoadReply(**answer | {"served_tsv_gz": recorded(number, CLIENTS, 1.0)})
    loaded = read_load(reply, LOADED.load, opening=AbOpening.TOGETHER, set_up=CLIENTS, lone_s=1.0)
    assert loaded.sent_right == number
    assert verdict.of_load(loaded)[0] is outcome
