"""What the agent sends, whether it judges the answer right, and what it tells of a wrong one."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.matrix.application import Header, Request, Response
from runner.measurement.asked import Asked
from tests.support.loadgen import program

request, load, check = program("request"), program("load"), program("check")


def asked(sent: Request | None = None, right: Response | None = None) -> dict[str, Any]:
    return Asked(request=sent or Request(), response=right or Response()).config({})


# -- what is sent ----------------------------------------------------------------------------------

POST = Request(
    method="POST",
    path="/orders?x=1",
    headers=(Header(name="Authorization", value="Bearer é"),),
    body=b'{"sku": 1}',
    content_type="application/json",
)


def test_our_own_clients_send_the_bytes_that_ab_sends() -> None:
    """As seen from `ab` 2.4.71 with `-p FILE -T TYPE -H HEADER`, in its order."""
    assert (
        request.message(asked(POST)["request"], 7779)
        == (
            "POST /orders?x=1 HTTP/1.0\r\n"
            "Content-Length: 10\r\n"
            "Content-Type: application/json\r\n"
            "Authorization: Bearer é\r\n"
            "Host: 127.0.0.1:7779\r\n"
            "User-Agent: ApacheBench/2.3\r\n"
            "Accept: */*\r\n\r\n"
            '{"sku": 1}'
        ).encode()
    )


def test_a_header_of_the_users_takes_the_place_of_the_clients() -> None:
    own = Request(headers=(Header(name="accept", value="text/html"),))
    sent = request.message(asked(own)["request"], 1).decode()
    assert "accept: text/html" in sent
    assert "Accept: */*" not in sent


@pytest.mark.parametrize(
    ("sent", "options"),
    [
        (Request(), []),
        (Request(method="HEAD"), ["-i"]),
        (Request(method="DELETE"), ["-m", "DELETE"]),
        (Request(method="OPTIONS"), ["-m", "OPTIONS"]),
        (POST, ["-p", "body", "-T", "application/json", "-H", "Authorization: Bearer é"]),
        (Request(method="PUT", body=b"x"), ["-u", "body", "-T", "text/plain"]),
        # `-p` comes first: after `-m`, ab says "Cannot mix POST with other methods".
        (
            Request(method="PATCH", body=b"x"),
            ["-p", "body", "-T", "text/plain", "-m", "PATCH"],
        ),
        (
            Request(method="DELETE", body=b"x"),
            ["-p", "body", "-T", "text/plain", "-m", "DELETE"],
        ),
        (Request(method="POST"), ["-p", "body", "-T", "text/plain"]),
        # As another header, ab would send two types.
        (
            Request(
                method="POST",
                headers=(Header(name="content-type", value="text/csv"), Header(name="X", value="")),
                body=b"x",
            ),
            ["-p", "body", "-T", "text/csv", "-H", "X: "],
        ),
    ],
)
def test_how_ab_is_told_a_request(tmp_path: Path, sent: Request, options: list[str]) -> None:
    told = load.request_options(asked(sent)["request"], tmp_path)
    assert [option.replace(f"{tmp_path}/", "") for option in told] == options
    if "body" in options:
        assert (tmp_path / "body").read_bytes() == (sent.body or b"")


@pytest.mark.parametrize(
    ("sent", "right", "fixed"),
    [
        (Request(), Response(body="Hello"), True),
        (Request(), Response(body=""), True),
        (Request(), Response(), False),
        (Request(), Response(contains="ok"), False),
        (Request(method="HEAD"), Response(), True),
        (Request(), Response(statuses=(204,)), True),
        (Request(), Response(statuses=(200, 304), body="Hello"), False),
    ],
)
def test_ab_compares_lengths_where_they_are_fixed(
    tmp_path: Path, sent: Request, right: Response, *, fixed: bool
) -> None:
    config = {"limit_s": 1, "concurrency": 1, "requests": 1, "port": 7779, **asked(sent, right)}
    command = load.ab_command(config, tmp_path)
    assert ("-l" not in command) is fixed
    assert command[-1] == "http://127.0.0.1:7779/"


# -- whether an answer is right --------------------------------------------------------------------


def wrong(right: Response, status: int, body: str | bytes, sent: Request | None = None) -> Any:
    content = body.encode() if isinstance(body, str) else body
    answer = request.Answer(status, content, None, None)
    return request.what_is_wrong(asked(sent, right)["response"], answer)


JSON = json.dumps({"ok": True, "n": 1, "of": {"a": None}, "all": [1, {"b": "2"}]})


@pytest.mark.parametrize(
    ("right", "status", "body"),
    [
        (Response(), 200, b"\xff"),
        (Response(statuses=(200, 302)), 302, ""),
        (Response(body=""), 200, ""),
        (Response(body="é"), 200, "é"),
        (Response(statuses=(200, 304), body="Hello"), 304, ""),
        (Response(contains="ok"), 200, "it is ok"),
        (Response(matches="^n: [0-9]+$"), 200, "n: 12"),
        (Response(json=JSON), 200, JSON),
        (Response(json='{"of": {}}'), 200, JSON),
        (Response(json='{"n": 1.0}'), 200, JSON),
        (Response(json="[1]"), 200, "[1]"),
        (Response(json="null"), 200, "null"),
    ],
)
def test_right_answers(right: Response, status: int, body: str | bytes) -> None:
    assert wrong(right, status, body) is None


@pytest.mark.parametrize(
    ("right", "status", "body", "reason"),
    [
        (Response(), 404, "", "status 404, expected 200"),
        (Response(statuses=(200, 304)), 500, "", "status 500, expected 200 or 304"),
        (Response(body=""), 200, "x", "body 'x', expected ''"),
        (Response(body="Hello"), 200, "Hello!", "body 'Hello!', expected 'Hello'"),
        (Response(contains="ok"), 200, "no", "its body does not contain 'ok'"),
        (Response(matches="o.k"), 200, "no", "nothing in its body matches 'o.k'"),
        (Response(json="{}"), 200, "<html>", "its body is not JSON"),
        (Response(json="{}"), 200, "[]", "its JSON differs from `response.json` at all"),
        (Response(json='{"a": 1}'), 200, "{}", "its JSON differs from `response.json` at a"),
        (Response(json='{"n": true}'), 200, JSON, "its JSON differs from `response.json` at n"),
        (Response(json='{"ok": 1}'), 200, JSON, "its JSON differs from `response.json` at ok"),
        (
            Response(json='{"of": {"a": 0}}'),
            200,
            JSON,
            "its JSON differs from `response.json` at of.a",
        ),
        (
            Response(json='{"all": [1, {}]}'),
            200,
            JSON,
            "its JSON differs from `response.json` at all",
        ),
    ],
)
def test_wrong_answers(right: Response, status: int, body: str, reason: str) -> None:
    assert wrong(right, status, body) == reason


def test_a_wrong_answer_is_quoted_with_two_hundred_characters_at_the_most() -> None:
    long = "x" * 1000
    reason = wrong(Response(body="y" * 1000), 200, long)
    assert long[:200] in reason
    assert len(reason) < 450
    told = request.told_of(request.Answer(500, long.encode(), None, None))
    assert told["quote"] == long[:200]


PAGE = "<!doctype html>\n<html lang=en>\n<title>500 Internal &amp; Server\nError</title>\n<p>CSRF?"


def test_of_a_page_its_title_is_told() -> None:
    told = request.told_of(request.Answer(302, PAGE.encode(), "/login", "GET"))
    assert told["title"] == "500 Internal & Server Error"
    assert (told["status"], told["location"], told["allow"]) == (302, "/login", "GET")
    assert told["csrf"]
    assert request.title_of("no page: <title>x</title>") is None


# -- real sockets ----------------------------------------------------------------------------------


@contextlib.contextmanager
def answering(answer: bytes, *, stay: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends the same answer to each request; where told so, it does not hang up."""
    seen: list[bytes] = []
    done = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(self.request.recv(65536))
            self.request.sendall(answer)
            if stay:
                done.wait(20)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1], seen
        done.set()
        server.shutdown()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("what", "method", "answer", "stay", "body"),
    [
        ("until its end", "GET", OK + b"\r\nok", False, b"ok"),
        ("kept alive", "GET", OK + b"Content-Length: 2\r\n\r\nok", True, b"ok"),
        (
            "in chunks",
            "GET",
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            True,
            b"ok",
        ),
        ("a head alone", "HEAD", OK + b"Content-Length: 2\r\n\r\n", True, b""),
        ("no content", "GET", b"HTTP/1.1 204 No Content\r\n\r\n", True, b""),
        ("empty", "POST", OK + b"Content-Length: 0\r\n\r\n", True, b""),
    ],
)
def test_an_answer_is_read_to_its_end(
    what: str, method: str, answer: bytes, body: bytes, *, stay: bool
) -> None:
    with answering(answer, stay=stay) as (port, seen):
        found = request.ask({"port": port, "uid": 0, **asked(Request(method=method))}, 20)
    assert found.body == body, what
    assert seen[0].startswith(f"{method} / HTTP/1.0\r\n".encode())


def failure(config: dict[str, Any]) -> Any:
    with pytest.raises(request.CheckFailedError) as found:
        request.verified(config, 0.2)
    return found.value


def test_a_wrong_answer_fails_the_check_and_is_told() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /login?next=%2F\r\n\r\n"
    with answering(redirect) as (port, _):
        error = failure({"port": port, "uid": 0, **asked()})
    assert (error.kind, str(error)) == ("wrong-answer", "status 302, expected 200")
    assert error.answer["location"] == "/login?next=%2F"


@pytest.mark.parametrize(
    ("answer", "stay", "kind", "text"),
    [
        (b"", False, "broken-answer", "POST /orders?x=1 failed: RemoteDisconnected"),
        (b"", True, "not-answered", "connection accepted, POST /orders?x=1 not answered"),
        (OK + b"Content-Length: 9\r\n\r\nok", False, "broken-answer", "POST /orders?x=1 failed"),
    ],
)
def test_no_whole_answer_is_told_by_what_was_asked(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, kind: str, text: str, *, stay: bool
) -> None:
    monkeypatch.setattr(request, "server_pids", lambda _: [1])
    monkeypatch.setattr(request, "busy_now", lambda _: 0.0)
    with answering(answer, stay=stay) as (port, _):
        error = failure({"port": port, "uid": 0, **asked(POST)})
    assert error.kind == kind
    assert str(error).startswith(text)
    assert "Bearer" not in str(error)


# -- the moment of the start -----------------------------------------------------------------------


class Moments:
    """A clock that moves when somebody waits; what is due then happens."""

    def __init__(self, at: dict[float, Callable[[], object]]) -> None:
        self.now, self.at = 0.0, at

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()


def starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Moments) -> dict[str, Any]:
    monkeypatch.setattr(check, "time", clock)
    monkeypatch.setattr(check, "server_pids", lambda _: [1])
    monkeypatch.setattr(check, "busy_now", lambda _: 0.0)
    started = str(tmp_path / "started")
    return {"port": 0, "uid": 0, "startup_s": 5.0, "before_s": 60.0, "started": started}


def test_start_up_counts_from_the_end_of_what_runs_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Moments({20.0: lambda: (tmp_path / "started").write_text("19000000000")})
    config = starting(tmp_path, monkeypatch, clock)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reply = check.ready({**config, "port": listener.getsockname()[1]})
    assert reply["ready_s"] == pytest.approx(1.0, abs=0.2)


def test_what_runs_before_has_a_limit_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Moments({})
    config = starting(tmp_path, monkeypatch, clock)
    with pytest.raises(request.CheckFailedError, match="did not end within 60 s") as found:
        check.ready(config)
    assert found.value.kind == "before-not-done"
    assert clock.now > 60


def test_without_anything_before_start_up_counts_from_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = starting(tmp_path, monkeypatch, Moments({}))
    (tmp_path / "started").write_text("1")
    with pytest.raises(request.CheckFailedError, match="no connection accepted within 5 s"):
        check.ready({**config, "before_s": 0.0, "port": 1})


def test_a_body_is_told_in_base64() -> None:
    assert base64.b64decode(asked(POST)["request"]["body"]) == POST.body
