"""Each kind of wrong answer has words that say what it means and what to set."""

from __future__ import annotations

import pytest

from runner.matrix.application import Header, Request, Response
from runner.matrix.sending import AB_HEAD_BYTES, too_long_for_ab
from runner.measurement.asked import WORKLOAD, Asked, Right
from runner.measurement.wrong_answer import KINDS, WrongAnswer, kind_of, meaning

PAGE = Request(method="POST", path="/orders?x={1}")
HOST, SSO = "localhost", "sso.localhost"
#: What was answered, words of its meaning, and words of the remedy.
ANSWERS = [
    (WrongAnswer(status=302, location="/auth/login?next=/"), "looks like a login", "Cookie"),
    (WrongAnswer(status=303, location=f"https://{SSO}/"), "like a login", "`request.path`"),
    (
        WrongAnswer(status=301, location=f"https://{HOST}/orders?x=1"),
        "to https;",
        "X-Forwarded-Proto",
    ),
    (WrongAnswer(status=308, location="/orders/"), "with a slash", "`request.path`"),
    (WrongAnswer(status=302, location="/home"), "POST /orders?x={1} redirects to /home", "status"),
    (WrongAnswer(status=302), "redirects, perhaps to a login", "`request.headers`"),
    (WrongAnswer(status=400, csrf=True, quote="no token"), "CSRF token ('no token')", "X-CSRF"),
    (WrongAnswer(status=400, title="Bad"), "understand the request (its page is 'Bad')", ".json"),
    (WrongAnswer(status=401), "POST /orders?x={1} needs authentication", "Authorization"),
    (WrongAnswer(status=403), "is forbidden", "`request.headers`"),
    (WrongAnswer(status=404), "nothing at /orders?x={1}", "set `request.path`"),
    (WrongAnswer(status=405, allow="GET"), "does not take POST, but GET", "`request.method`"),
    (WrongAnswer(status=415), "does not take this body", "Content-Type: …}"),
    (WrongAnswer(status=429), "a rate limit", "RATELIMIT_ENABLED = False"),
    (WrongAnswer(status=500, title="500 Oh"), "failed (its page is '500 Oh')", "server's log"),
    (WrongAnswer(status=503), "says that it is not ready", "`services`"),
    (WrongAnswer(status=200, title="Sign in"), "answers with a login", "`request.headers`"),
]


@pytest.mark.parametrize(("answer", "words", "remedy"), ANSWERS)
def test_what_a_wrong_answer_means(answer: WrongAnswer, words: str, remedy: str) -> None:
    said, _, to_do = str(meaning(answer, PAGE)).rpartition("; ")
    assert words.rstrip(";") in said.replace("(it says 'no token')", "('no token')")
    assert remedy in to_do


def test_every_kind_is_among_them() -> None:
    assert {id(kind_of(answer, PAGE)) for answer, *_ in ANSWERS} == {id(kind) for kind in KINDS}


@pytest.mark.parametrize("status", [200, 418, 507])
def test_nothing_is_said_of_a_status_that_means_nothing_here(status: int) -> None:
    assert meaning(WrongAnswer(status=status), PAGE) is None


# -- right answers by what a server's records tell -------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "length", "is_right"),
    [
        (WORKLOAD, 200, 11, True),
        (WORKLOAD, 200, 12, False),
        (WORKLOAD, 204, 11, False),
        (Asked(response=Response(statuses=(200, 304), body="Hello")), 304, 0, True),
        # An application of one's own may return a body that no server sends.
        (Asked(response=Response(statuses=(204,), body="")), 204, 7, True),
        (Asked(request=Request(method="HEAD"), response=Response(body="Hello")), 200, 0, True),
        (Asked(response=Response(body="é")), 200, 2, True),
        (Asked(response=Response(contains="ok")), 200, 99, True),
    ],
)
def test_length_counts_where_the_body_is_exact(
    asked: Asked, status: int, length: int, *, is_right: bool
) -> None:
    assert asked.right.is_right(status, length) is is_right


def test_a_client_gets_no_body_of_an_answer_that_has_none() -> None:
    head = Right(statuses=frozenset({200}), length=None, has_bodies=False)
    assert head.sent_bytes(200, 9) == 0
    assert WORKLOAD.right.sent_bytes(304, 9) == 0
    assert WORKLOAD.right.sent_bytes(200, 9) == 9


# -- secrets ---------------------------------------------------------------------------------------

SECRET = Asked(
    request=Request(
        method="POST",
        headers=(
            Header(name="Authorization", command="python token.py"),
            Header(name="Cookie", value="session=from-the-file; id=0123456789"),
            Header(name="X-Key", value="${KEY}"),
        ),
    ),
    header_values={"X-Key": "from-the-host"},
    body=b"the whole body",
)


def test_values_of_headers_and_the_body_are_secret() -> None:
    assert "from-the" not in repr(SECRET)
    assert "whole" not in repr(SECRET)
    mask = SECRET.secrets({"Authorization": "Bearer printed-token"}).mask
    for text in ("printed-token", "from-the-file", "0123456789", "from-the-host", "the whole body"):
        assert text not in mask(f"said: {text}.")
    assert mask("session= Bearer") == "session= Bearer"


def test_what_is_told_has_the_values_in_the_order_of_the_file() -> None:
    told = SECRET.config({"Authorization": "printed"})["request"]["headers"]
    assert told == [
        ["Authorization", "printed"],
        ["Cookie", "session=from-the-file; id=0123456789"],
        ["X-Key", "from-the-host"],
    ]


# -- what ab cannot send ---------------------------------------------------------------------------


def test_a_head_that_ab_would_cut_off_is_refused_with_what_is_too_long() -> None:
    long = Request(headers=(Header(name="Cookie", value="x" * AB_HEAD_BYTES),))
    assert "the header Cookie" in str(too_long_for_ab(long, {}))
    assert "`load.rate`" in str(too_long_for_ab(long, {}))
    assert "xxx" not in str(too_long_for_ab(long, {}))
    assert too_long_for_ab(long, {"Cookie": "short"}) is None
    by_command = Request(headers=(Header(name="A", command="c"),))
    assert too_long_for_ab(by_command, {}) is None
    assert too_long_for_ab(by_command, {"A": "x" * AB_HEAD_BYTES})
    assert "the path" in str(too_long_for_ab(Request(path="/" + "x" * AB_HEAD_BYTES), {}))
