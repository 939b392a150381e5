"""Which request `matrix try` sends, why, and how much of it."""

from __future__ import annotations

import pytest

from runner.commands.trial.command import requests_in
from runner.commands.trial.look import HEALTH, Probed
from tests.support.looks import look, right, wrong

NO_WAIT = "it computes for 100 % of its time and waits for nothing: no patch can matter here; "


def test_the_root_is_taken_where_it_answers_and_waits() -> None:
    found = look(right("/", took_ms=20.0), routes=("/", "/other"))
    assert found.others == ()
    assert found.chosen.path == "/"
    assert [*found.told()] == [
        "request: GET /, which answers with 200; 20.5 ms alone, 19 ms of it waiting"
    ]


def test_no_more_waiting_is_told_than_there_was() -> None:
    streamed = right("/", took_ms=2001.0).model_copy(update={"lone_s": 1.8371})
    assert [*look(streamed, routes=("/",)).told()] == [
        "request: GET /, which answers with 200; 1,837 ms alone, 1,837 ms of it waiting"
    ]


def test_where_it_does_not_the_route_that_waits_the_longest_is() -> None:
    routes = ("/", "/about", "/logout", "/items/delete", "/slow", "/slower")
    first = look(wrong("/", 302, "/login?next=/"), routes=routes)
    assert first.others == ("/about", "/slow", "/slower", *HEALTH)
    found = look(
        *first.looked,
        right("/about"),
        right("/slow", took_ms=30),
        right("/slower", took_ms=60),
        routes=routes,
    )
    assert found.chosen.path == "/slower"
    assert [*found.told()] == [
        (
            "request: GET /slower, a route of the application that waits the longest, for GET / "
            "redirects to /login?next=/, which looks like a login; 60.5 ms alone, 59 ms of it "
            "waiting"
        )
    ]


def test_then_a_health_check_is() -> None:
    found = look(wrong("/", 404), right("/healthz"), wrong("/ping", 404))
    (said, advice) = found.told()
    assert said == (
        "request: GET /healthz, a health check, for the application has nothing at /; 1.5 ms alone"
    )
    assert advice == f"{NO_WAIT}name a route that waits: `--path …`"


def test_what_the_command_line_names_is_taken_whatever_it_answers() -> None:
    others = (right("/slow", took_ms=30),)
    assert look(wrong("/shop", 404), *others, wanted="/shop").chosen.path == "/shop"
    found = look(right("/shop"), *others, wanted="/shop", routes=("/shop", "/slow"))
    assert [*found.told()] == [
        "request: GET /shop, as `--path` says; 1.5 ms alone",
        (f"{NO_WAIT}these wait: `--path /slow` (30.5 ms alone, 29 ms of it waiting)"),
    ]


def test_routes_are_named_where_none_of_them_waits() -> None:
    routes = tuple(f"/{n}" for n in range(7))
    found = look(right("/"), right("/0"), routes=routes)
    assert [*found.told()][1] == (
        f"{NO_WAIT}routes of this application: /0, /1, /2, /3, /4 and 2 more"
    )


@pytest.mark.parametrize(
    ("took_ms", "computed_ms", "waits_for_nothing"),
    [(10, 9.01, True), (10, 8.9, False), (0.09, 0.05, True), (0.2, 0.1, False)],
)
def test_a_request_that_computes_nine_tenths_of_its_time_waits_for_nothing(
    took_ms: float, computed_ms: float, waits_for_nothing: bool
) -> None:
    told = [*look(right("/", took_ms, computed_ms)).told()]
    assert (len(told) == 2) is waits_for_nothing
    if took_ms < 0.1:
        assert told[1].startswith("it waits for less than 0.05 ms: no patch can matter here; ")


def test_what_is_not_known_claims_nothing() -> None:
    assert len([*look(right("/", computed_ms=None)).told()]) == 1
    assert look(right("/", computed_ms=None)).others == ()


@pytest.mark.parametrize(
    ("seconds", "lone_ms", "computed_ms", "requests"),
    [
        (20.0, 2000.0, 1.0, 40),  # 10 a second, 4 s long
        (13.3, 50.0, 1.0, 1600),
        (2.0, 50.0, 1.0, 400),  # half of the time that there is
        (20.0, 5.0, 4.5, 800),  # 200 a second is what one thread computes
        (20.0, 1.0, 0.1, 2000),
        (13.3, 60000.0, 1.0, 20),
    ],
)
def test_a_load_follows_from_the_lone_request(
    seconds: float, lone_ms: float, computed_ms: float, requests: int
) -> None:
    found = look(right("/", lone_ms, computed_ms))
    assert requests_in(seconds, Probed(look=found, lone_s=lone_ms / 1000)) == requests


def test_of_what_hangs_little_is_sent() -> None:
    assert requests_in(13.3, Probed()) <= 800
