"""What a server tells of its requests where it is looked at, and what the agent makes of it."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.matrix.application import Request, Response
from runner.measurement.agent import LookReply
from runner.measurement.asked import Asked
from tests.support import gunicorn_shop
from tests.support.loadgen import program
from tests.support.program import Program, eventually

LOOK = program("look")
NOBODY = lambda *_: None  # noqa: E731


@pytest.fixture
def looking(importable: Path) -> Any:
    assert importable.exists()
    return importlib.import_module("monkey_matrix_server.looking")


def rule(path: str, **changes: Any) -> SimpleNamespace:
    """A rule of Werkzeug's."""
    plain = {"methods": {"GET", "HEAD"}, "arguments": set(), "build_only": False}
    return SimpleNamespace(rule=path, **{**plain, **changes})


def shop() -> Any:
    rules = [
        rule("/"),
        rule("/order/<number>", arguments={"number"}),
        rule("/new", methods={"POST"}),
        rule("/any", methods=None),
        rule("/static", build_only=True),
        rule("/socket", websocket=True),
        rule("/"),
    ]

    class Shop:
        url_map = SimpleNamespace(iter_rules=lambda: iter(rules))

        def __call__(self) -> None: ...

        def wsgi_app(self) -> None: ...

    return Shop()


def test_routes_take_get_and_no_argument(looking: Any) -> None:
    assert looking.routes(shop()) == ["/", "/any"]


def test_routes_are_found_behind_wrappers(looking: Any) -> None:
    app = shop()
    assert looking.routes(SimpleNamespace(app=app.wsgi_app)) == ["/", "/any"]
    assert looking.routes(SimpleNamespace(wsgi_app=SimpleNamespace, application=0)) == []
    assert looking.routes(lambda *_: []) == []


def told(directory: Path) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in directory.glob("shared-looked-*")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_a_request_is_told_with_what_it_computed(looking: Any, importable: Path) -> None:
    def answer(_environ: object, _start: object) -> Iterator[bytes]:
        time.sleep(0.02)
        yield b"x"

    looked = looking.Looked(answer)
    parts = looked({}, NOBODY)
    assert b"".join(parts) == b"x"
    assert told(importable) == []
    parts.close()
    routes, request = told(importable)
    assert routes == {"routes": []}
    assert request["took_ns"] >= 20_000_000
    assert 0 <= request["computed_ns"] < request["took_ns"]
    assert 0 <= request["delayed_ns"] < request["took_ns"]
    looked({}, NOBODY).close()
    assert len(told(importable)) == 3


def test_one_that_raises_is_told_too(looking: Any, importable: Path) -> None:
    def fail(_environ: object, _start: object) -> list[bytes]:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the application's own
        looking.Looked(fail)({}, NOBODY)
    assert len(told(importable)) == 2


def test_what_cannot_be_told_fails_no_request(
    looking: Any, importable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    looking.contract.LOOKED = f"{importable}/none/looked-"
    looking.Looked(lambda *_: [])({}, NOBODY).close()
    assert "a request is not told of: FileNotFoundError" in capsys.readouterr().err


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_server_tells_only_where_it_is_looked_at(served: Program, is_wanted: bool) -> None:
    gunicorn_shop.write(served)
    variables = {"MATRIX_APPLICATION": gunicorn_shop.ADDRESS, "MATRIX_SERVER": "gunicorn-gthread"}
    with served.started(**variables, **({"MATRIX_LOOK": "1"} if is_wanted else {})) as process:
        served.answer(process)
        assert not is_wanted or eventually(lambda: bool(served.shared("looked-")))
    assert bool(served.shared("looked-")) is is_wanted


# -- the agent -------------------------------------------------------------------------------------


class Shop(BaseHTTPRequestHandler):
    """Answers as its path says."""

    looked: Path
    slow: set[str]

    def do_GET(self) -> None:
        status = {"/": 302, "/broken": 500}.get(self.path, 200)
        with self.looked.open("a") as file:
            if file.tell() == 0:
                file.write(json.dumps({"routes": ["/", "/a"]}) + "\n")
            took = 9_000_000 if self.path in self.slow else 1_000_000
            self.slow.discard(self.path)
            file.write(
                json.dumps({"took_ns": took, "computed_ns": 1_000_000, "delayed_ns": 250_000})
                + "\n"
            )
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 302:
            self.send_header("Location", "/login")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def looked_at(tmp_path: Path) -> Iterator[Callable[..., LookReply]]:
    handler = type("Handler", (Shop,), {"looked": tmp_path / "looked-1", "slow": {"/a"}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked = Asked(request=Request(), response=Response())

    def look(*paths: str, **changes: Any) -> LookReply:
        config = {
            **asked.config({}), "port": server.server_port, "uid": -1, "paths": [*paths],
            "looked": str(tmp_path / "looked-"), "timeout_s": 5, "limit_s": 20, **changes,
        }  # fmt: skip
        return LookReply.model_validate(LOOK.look(config))

    yield look
    server.shutdown()
    server.server_close()


def test_each_path_is_asked_and_what_it_takes_is_known(
    looked_at: Callable[..., LookReply],
) -> None:
    reply = looked_at("/", "/a", "/broken")
    assert reply.routes == ("/", "/a")
    root, right, broken = reply.looked
    assert (root.failed, root.reason) == ("wrong-answer", "status 302, expected 200")
    assert root.answer
    assert root.answer.location == "/login"
    assert broken.failed == "wrong-answer"
    assert right.failed is None
    # What is asked first is slower, and not what counts.
    assert (right.took_s, right.computed_s) == (0.00075, 0.001)
    assert right.lone_s is not None
    assert right.first_s is not None
    assert broken.first_s is None


def test_it_ends_with_its_time_and_with_the_server(looked_at: Callable[..., LookReply]) -> None:
    assert looked_at("/a", "/b", limit_s=0).looked == ()
    gone = looked_at("/a", "/b", port=1)
    assert [one.failed for one in gone.looked] == ["server-gone"]
