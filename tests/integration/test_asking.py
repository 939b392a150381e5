"""Requests of the user's own, sent by a real `ab` and at a fixed rate to a real container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from runner.matrix.application import Header, Request, Response
from runner.measurement.asked import Asked
from runner.measurement.job import LaunchResult
from runner.outcome import Outcome
from tests.integration.conftest import SERVED, a_cell

pytestmark = pytest.mark.engine
Measure = Callable[..., LaunchResult]

#: An application that answers rightly only what is asked as it should be.
PROGRAM = """
import itertools, sys, time
sys.path[:0] = ["/server", "/server/monkey_matrix_server"]
try:
    from monkey_matrix_server.recording import Recorded
except ImportError:
    from recording import Recorded
from werkzeug.serving import WSGIRequestHandler, run_simple
WSGIRequestHandler.log_request = lambda *_: None
numbers = itertools.count(1)
def application(environ, start):
    time.sleep(0.05)
    number = next(numbers)
    asked = (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"])
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    kind, token = environ.get("CONTENT_TYPE"), environ.get("HTTP_AUTHORIZATION")
    status, headers, text = answer(number, asked, kind, token, body)
    start(status, headers)
    return [text]
def right(number, asked, kind, token, body):
    expected = (METHOD, "/orders", "x=1"), "application/json", "Bearer of-a-token", b'{"sku": 1}'
    if (asked, kind, token, body) == expected:
        return "200 OK", [], b'{"ok": true, "number": %d}' % number
    return "400 Bad Request", [], repr((asked, kind, token, body)).encode()
def serve():
    run_simple("127.0.0.1", 7779, Recorded(application), threaded=True)
"""
TOKEN = Header(name="Authorization", command="echo Bearer of-a-$(printf token)")


def asked(method: str) -> Asked:
    return Asked(
        request=Request(
            method=method,
            path="/orders?x=1",
            headers=(TOKEN,),
            body=b'{"sku": 1}',
            content_type="application/json",
        ),
        response=Response(json='{"ok": true}'),
    )


@pytest.mark.parametrize(("method", "rate"), [("POST", None), ("DELETE", None), ("PATCH", "20")])
def test_any_request_is_sent_and_its_varying_answers_are_right(
    measure: Measure, method: str, rate: str | None
) -> None:
    """What the agent samples is no part of the load, and a token is in nothing that is kept."""
    cell = replace(a_cell(), rate=rate, load_s=3.0, requests=60) if rate else a_cell()
    program = f"METHOD = {method!r}\n{PROGRAM}\nanswer = right\nserve()"
    result = measure(cell, program, asked=asked(method))
    record = result.record
    assert record.outcome in SERVED, record.reason
    assert record.ab
    assert record.ab.complete == cell.requests
    assert record.served
    assert record.served.entered == cell.requests
    assert record.samples
    assert record.samples.sent == record.samples.right >= 2
    assert not any(b"of-a-token" in content for content in result.files.values())
    if not rate:
        assert b"Document Length:        Variable" in result.files["ab.txt"]


def test_a_rate_limit_that_the_load_meets_is_called_one(measure: Measure) -> None:
    program = f"""{PROGRAM}
def answer(number, *asked):
    return ("200 OK", [], b"ok") if number <= 40 else ("429 Too Many Requests", [], b"no")
serve()"""
    record = measure(a_cell(), program, asked=Asked(response=Response(contains="ok"))).record
    assert record.outcome is Outcome.WRONG_ANSWER
    assert record.reason
    assert "most with status 429: a rate limit" in record.reason


def test_a_login_is_called_one(measure: Measure) -> None:
    program = f"""{PROGRAM}
def answer(*_):
    return "302 Found", [("Location", "/auth/login?next=/")], b""
serve()"""
    record = measure(a_cell(), program, asked=Asked()).record
    assert record.outcome is Outcome.WRONG_ANSWER
    assert record.reason
    assert record.reason.startswith(
        "status 302, expected 200: GET / redirects to /auth/login?next=/, which looks like a login"
    )
