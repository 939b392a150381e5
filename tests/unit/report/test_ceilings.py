"""What clients can get at most: by one rule for runs of any age, and never exceeded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.measurement.records import LaunchRecord, Served
from runner.outcome import Outcome
from runner.report.ceilings import Ceilings, ceilings_of
from runner.report.formats import render
from runner.report.row import is_held_back
from runner.report.run import Run, collate
from runner.store.records import CellRecord, MethodRecord
from tests.support.samples import cell, launch, launch_at, run_record, traffic

ALONE = MethodRecord(version=1, ab_first_request_alone=True)
UNKNOWN = MethodRecord(version=None)
CELL = cell("3.11", "none")
MOST = 5000 / 102


def of(*launches: LaunchRecord, method: MethodRecord = ALONE, cell: CellRecord = CELL) -> Ceilings:
    return ceilings_of(method, cell, launches)


def of_gthread(server: str = "gunicorn-gthread-w1-t16", rate: float = 7.9) -> Run:
    """A server that takes sixteen at a time, for a hundred clients and 2 s."""
    one = cell("3.11", "none", further={"server": server})
    made = launch(one, rate=rate, outcome=Outcome.LIMITED)
    allowed = {"configuration_rps": 5000 / (2 * 314)}
    return collate(run_record(one), {one.id: [made.model_copy(update=allowed)]})


def test_a_server_that_takes_sixteen_of_a_hundred_is_at_sixteen_per_cent() -> None:
    run = of_gthread()
    (row,) = run.rows
    assert row.ceiling_rps == MOST
    assert row.efficiency == pytest.approx(7.9 / MOST)
    assert row.configuration_rps == pytest.approx(7.96, abs=0.01)
    assert "|     49.02 |           16.1 |            7.96 |" in render(run, format="github")
    assert "No ceiling" not in render(run, format="github")


def test_what_the_configuration_allows_is_a_column_where_it_is_less() -> None:
    run = collate(run_record(CELL), {CELL.id: [launch(CELL)]})
    assert not is_held_back(run.rows[0])
    assert "configuration" not in render(run, format="github")
    assert run.rows[0].value("configuration_rps") == MOST


@pytest.mark.parametrize("schema", [2, 3, 4])
def test_what_older_launches_call_a_ceiling_is_what_their_configuration_allows(
    schema: int,
) -> None:
    stored: dict[str, Any] = json.loads(launch(CELL).model_dump_json())
    stored |= {"schema_version": schema, "ceiling_rps": 0.5}
    del stored["configuration_rps"]
    found = of(LaunchRecord.model_validate(stored))
    assert (found.clients_rps, found.configuration_rps) == (MOST, 0.5)


def test_a_load_that_was_cut_is_measured_by_the_load_as_asked_for() -> None:
    cut = launch(CELL, rate=0.5, outcome=Outcome.SERIALISED, requests=95)
    cut = cut.model_copy(update={"concurrency": 95})
    assert of(cut).efficiency == pytest.approx(0.5 / MOST)


def test_requests_of_different_lengths_are_measured_by_littles_law() -> None:
    spread = CELL.model_copy(update={"workload_parameters": {"seconds": "2", "spread": "1"}})
    assert of(launch(spread), cell=spread).clients_rps == 50
    assert of(launch(spread), method=UNKNOWN, cell=spread).clients_rps == 50


def test_at_a_fixed_rate_the_ceiling_is_that_rate() -> None:
    at_a_rate = traffic().cells[2]
    assert of(launch(at_a_rate, rate=44.0), cell=at_a_rate).clients_rps == 45
    share = at_a_rate.model_copy(update={"rate": None, "rate_share": 0.8})
    found = of(launch_at(share, 36.0), launch_at(share, 40.0), cell=share)
    assert found.clients_rps == 38
    assert found.efficiency == pytest.approx(1)


def test_without_a_service_time_or_a_load_there_is_none() -> None:
    for unknown in ("workload_seconds", "requests", "concurrency"):
        one = CELL.model_copy(update={unknown: None})
        found = of(launch(one), cell=one)
        assert (found.clients_rps, found.efficiency, found.contradiction) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "ceiling"),
    [
        (101.0, 50.0),  # too short for an ab that sends its first request alone
        (102.4, None),
    ],
)
def test_how_an_unknown_ab_opened_may_follow_from_the_time(
    seconds: float, ceiling: float | None
) -> None:
    assert of(launch(CELL, rate=5000 / seconds), method=UNKNOWN).clients_rps == ceiling


def test_computing_has_no_ceiling_by_configuration() -> None:
    """Threads that hand over the interpreter's lock use CPU time at the same time."""
    cpu = CELL.model_copy(update={"workload": "cpu", "requests": 200, "concurrency": 20})
    made = launch(cpu, rate=0.507, outcome=Outcome.SERIALISED, requests=22)
    found = of(made.model_copy(update={"configuration_rps": 0.5}), cell=cpu)
    assert found.clients_rps == 200 / 22
    assert found.configuration_rps is None
    assert found.efficiency == pytest.approx(0.507 / found.clients_rps)


# -- how long a request takes is not given -------------------------------------------------------

OWN = CELL.model_copy(update={"workload": "application", "workload_seconds": None})


def measured(lone_ms: float, under_load_ms: float, rate: float = 900.0) -> LaunchRecord:
    """A launch of an application, 100 clients and 16 threads."""
    served = Served(
        processes=1, entered=5000, left=5000, in_flight=16, at_a_time=16,
        lone_service_ms=lone_ms, mean_service_ms=under_load_ms,
    )  # fmt: skip
    update = {
        "ceiling_lone_ms": lone_ms,
        "configuration_rps": 16_000 / lone_ms,
        "served": served,
    }
    return launch(OWN, rate=rate).model_copy(update=update)


def test_without_a_nominal_time_that_of_a_lone_request_counts() -> None:
    found = of(measured(50.0, 80.0), measured(40.0, 80.0), cell=OWN)
    assert found.clients_rps == pytest.approx((2000 + 2500) / 2)
    assert found.configuration_rps == pytest.approx((320 + 400) / 2)
    assert found.efficiency == pytest.approx((900 / 2000 + 900 / 2500) / 2)


def test_a_lone_request_that_something_slowed_makes_no_ceiling_too_low() -> None:
    found = of(measured(50.0, 40.0, rate=2490.0), cell=OWN)
    assert found.clients_rps == pytest.approx(2500)
    assert found.configuration_rps == pytest.approx(400)
    assert found.efficiency
    assert found.efficiency < 1


# -- more than the most ----------------------------------------------------------------------------


def test_a_load_faster_than_its_requests_has_no_ceiling_and_a_note_says_why() -> None:
    fast = launch(CELL, 2, rate=50.0)
    found = of(launch(CELL, 1), fast)
    assert (found.clients_rps, found.configuration_rps, found.efficiency) == (None, None, None)
    why = (
        "5,000 requests of 2 s from 100 clients take 102 s or longer, and took 100 s: a request "
        "takes less than its workload says"
    )
    assert found.contradiction == why
    text = render(collate(run_record(CELL), {CELL.id: [fast]}), format="plain")
    assert f"No ceiling:\n  {CELL.id}: {why}\n" in text


@pytest.mark.parametrize(
    ("seconds", "parameters", "is_possible"),
    [
        (101.96, {}, True),  # half of a thousandth: a computer's clock that is being adjusted
        (101.9, {}, False),
        (99.0, {"spread": "1"}, True),  # 3 × 1 s × √(5000 / 3) / 100: the mean is not exact
        (98.6, {"spread": "1"}, False),
    ],
)
def test_what_measuring_explains_is_no_contradiction(
    seconds: float, parameters: dict[str, str], is_possible: bool
) -> None:
    one = CELL.model_copy(update={"workload_parameters": parameters})
    found = of(launch(one, rate=5000 / seconds), cell=one)
    assert (found.contradiction is None) is is_possible


def test_only_launches_that_ended_as_the_row_says_count() -> None:
    slow, fast = launch(CELL, rate=0.5, outcome=Outcome.SERIALISED), launch(CELL, 2, rate=90.0)
    run = collate(run_record(CELL), {CELL.id: [slow, fast]})
    assert run.rows[0].efficiency == pytest.approx(0.5 / MOST)
    assert "No ceiling" not in render(run, format="plain")
