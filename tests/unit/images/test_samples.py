"""Correctness sampled under load, without counting as load; and what processes say was patched."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from runner import contract
from runner.matrix.application import Response
from runner.measurement.asked import Asked
from runner.measurement.records import Effects, Patched
from tests.support.loadgen import program

recorded, samples, request = program("recorded"), program("samples"), program("request")
S = 1_000_000_000


def record(tmp_path: Path, process: int, *requests: tuple[int, int, int, int]) -> None:
    pack = struct.Struct(contract.RECORD).pack
    content = b"".join(pack(*one) for one in requests) + bytes(64)
    (tmp_path / f"requests-{process}").write_bytes(content)


def served(tmp_path: Path, *taken: Any) -> list[tuple[str, str]]:
    """Status and length of what is left as the load's."""
    config = {"recordings": str(tmp_path / "requests-"), "record": contract.RECORD}
    table = recorded.served_tsv(config, 0, taken)
    lines = gzip.decompress(base64.b64decode(table)).decode().splitlines()[1:]
    return [(line.split("\t")[3], line.split("\t")[4]) for line in lines]


def test_the_agents_own_requests_are_not_the_loads(tmp_path: Path) -> None:
    record(tmp_path, 1, (1 * S, 2 * S, 200, 5), (5 * S, 6 * S, 200, 7), (6 * S, 7 * S, 200, 5))
    record(tmp_path, 2, (1 * S, 2 * S, 200, 5), (15 * S, 16 * S, 429, 9))
    own = [recorded.Sample(4 * S, 8 * S, 200, 5), recorded.Sample(14 * S, 17 * S, 429, 9)]
    assert served(tmp_path, *own) == [("200", "5"), ("200", "7"), ("200", "5")]


def test_each_sample_takes_one_request_away_and_only_one_that_is_alike(tmp_path: Path) -> None:
    record(tmp_path, 1, (5 * S, 6 * S, 200, 5), (5 * S, 6 * S, 200, 5), (5 * S, 6 * S, 500, 5))
    assert len(served(tmp_path, recorded.Sample(4 * S, 8 * S, 200, 5))) == 2
    assert len(served(tmp_path, recorded.Sample(4 * S, 8 * S, 404, 5))) == 3
    assert len(served(tmp_path, recorded.Sample(6 * S, 8 * S, 200, 5))) == 3
    assert len(served(tmp_path, recorded.Sample(3 * S, 4 * S, 200, 5))) == 3


def test_the_length_decides_only_between_several(tmp_path: Path) -> None:
    """A server may send another number of bytes than the application returned."""
    record(tmp_path, 1, (5 * S, 6 * S, 200, 0))
    assert served(tmp_path, recorded.Sample(4 * S, 8 * S, 200, 5)) == []
    assert served(tmp_path, recorded.Sample(4 * S, 8 * S, 200, None)) == []


# -- how they are taken ----------------------------------------------------------------------------


def sampler(monkeypatch: pytest.MonkeyPatch, *answers: Any, body: str | None = None) -> Any:
    """One that gets these answers, in turn; the last answer ends the load."""
    asked = Asked(response=Response(contains="ok") if body is None else Response(body=body))
    made = samples.Samples({"silence_s": 5, **asked.config({})})
    left = [*answers]

    def ask(*_: object) -> Any:
        answer = left.pop(0)
        if len(left) <= 1:
            made.stopped.set()
        if isinstance(answer, Exception):
            raise answer
        return request.Answer(*answer, None, None)

    monkeypatch.setattr(samples, "ask", ask)
    monkeypatch.setattr(samples, "PAUSE_S", 0.0)
    return made


def test_answers_are_looked_at_during_the_load_and_once_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [(200, b"ok"), (429, b"slow down"), (200, b"bad"), (200, b"ok 2")]
    made = sampler(monkeypatch, *answers)
    made.start()
    made.join(20)
    assert len(made.taken) == 3
    reply = made.reply(answering=True)
    assert (reply["sent"], reply["right"]) == (4, 2)
    assert reply["first_wrong"]["reason"] == "status 429, expected 200"
    assert reply["first_wrong"]["answer"]["quote"] == "slow down"


def test_one_that_is_not_answered_is_not_right_and_was_not_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = request.CheckFailedError("not-answered", "not answered within 5 s")
    made = sampler(monkeypatch, late, (200, b"ok"))
    made.start()
    made.join(20)
    reply = made.reply(answering=False)
    assert (reply["sent"], reply["right"], made.taken) == (1, 0, [])
    assert reply["first_wrong"]["failed"] == "not-answered"


def test_nothing_is_sampled_where_the_length_tells_a_right_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sampler(monkeypatch, body="Hello")
    made.start()
    made.end(answering=True)
    assert made.reply(answering=True) is None
    assert made.sent == 0


# -- what was patched ------------------------------------------------------------------------------


def say(tmp_path: Path, process: int, **changes: Any) -> None:
    nothing = {"gevent": None, "grpc": False, "psycopg2_wait_callback": False, "eventlet": False}
    told = {
        **nothing,
        "by_label": nothing,
        "gunicorn_config": None,
        "overridden": {},
        "worker_class": "gthread",
        "application": "flask.app.Flask",
    }
    (tmp_path / f"effects-{process}").write_text(json.dumps({**told, **changes}))


def test_effects_of_all_processes_are_told_as_one(tmp_path: Path) -> None:
    gevent = {"version": "25.9.1", "modules": ["socket", "os"]}
    say(tmp_path, 1, overridden={"workers": "4 → 1"})
    more = {"gevent": gevent, "grpc": True, "gunicorn_config": "gunicorn.conf.py"}
    say(tmp_path, 2, **more, by_label={"gevent": gevent})
    found = Effects(**recorded.effects(str(tmp_path / "effects-")))
    patched = Patched(gevent_version="25.9.1", gevent_modules=("os", "socket"))
    assert found == Effects(
        in_effect=patched.model_copy(update={"grpc": True}),
        by_label=patched,
        gunicorn_config="gunicorn.conf.py",
        overridden={"workers": "4 → 1"},
        worker_class="gthread",
        application="flask.app.Flask",
    )


def test_a_server_that_says_nothing_has_no_effects(tmp_path: Path) -> None:
    assert recorded.effects(str(tmp_path / "effects-")) is None
