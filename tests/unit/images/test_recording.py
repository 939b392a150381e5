"""Requests recorded in the server's memory, and read from there by the agent."""

from __future__ import annotations

import base64
import gzip
import importlib
import multiprocessing
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import contract
from runner.build.images import LOADGEN_PROGRAM
from tests.support.program import module

Start = Any


@pytest.fixture
def recording(importable: Path) -> Any:
    assert importable.exists()
    return importlib.import_module("monkey_matrix_server.recording")


@pytest.fixture
def agent() -> Any:
    return module("recorded_in_pod", LOADGEN_PROGRAM / "recorded.py")


def config(tmp_path: Path) -> dict[str, Any]:
    return {"recordings": str(tmp_path / "program" / "shared-requests-"), "record": contract.RECORD}


def hello(_environ: object, start: Start) -> Iterator[bytes]:
    start("200 OK", [])
    yield b"Hello "
    yield b"World"


def ask(application: Any) -> bytes:
    """What a server does with an application."""
    answer = application({}, lambda *_: None)
    try:
        return b"".join(answer)
    finally:
        answer.close()


def test_a_request_is_inside_from_its_entry_to_the_close_of_its_answer(
    recording: Any, agent: Any, tmp_path: Path
) -> None:
    recorded = recording.Recorded(hello)
    before_ns = time.monotonic_ns()
    answer = recorded({}, lambda *_: None)
    assert b"".join(answer) == b"Hello World"
    agent.LEFT_WITHIN_S = 0
    ((process, entered, left, *_),) = agent.requests_since(config(tmp_path), before_ns)
    assert (process, left) == (0, 0)
    assert before_ns <= entered <= time.monotonic_ns()
    answer.close()
    ((_, entered, left, status, length),) = agent.requests_since(config(tmp_path), before_ns)
    assert entered < left <= time.monotonic_ns()
    assert (status, length) == (200, 11)


def test_the_applications_own_answer_is_closed(recording: Any) -> None:
    closed = []

    class Parts(list[bytes]):
        def close(self) -> None:
            closed.append(1)

    def application(_environ: object, start: Start) -> Parts:
        start("404 NOT FOUND", [], None)
        return Parts([b"no"])

    assert ask(recording.Recorded(application)) == b"no"
    assert closed == [1]


def test_an_application_that_raises_has_no_status(
    recording: Any, agent: Any, tmp_path: Path
) -> None:
    def fails(_environ: object, _start: Start) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recording.Recorded(fails)({}, lambda *_: None)
    ((_, _, left, status, length),) = agent.requests_since(config(tmp_path), 0)
    assert left
    assert (status, length) == (0, 0)


def test_every_process_has_a_file_of_its_own(recording: Any, agent: Any, tmp_path: Path) -> None:
    recorded = recording.Recorded(hello)
    ask(recorded)
    child = multiprocessing.get_context("fork").Process(target=ask, args=(recorded,))
    child.start()
    child.join()
    requests = list(agent.requests_since(config(tmp_path), 0))
    assert sorted(process for process, *_ in requests) == [0, 1]
    # The fork's copy of the first request is not in the fork's file.
    assert len(requests) == 2


def test_only_requests_since_a_moment_are_of_the_load(
    recording: Any, agent: Any, tmp_path: Path
) -> None:
    recorded = recording.Recorded(hello)
    ask(recorded)
    since_ns = time.monotonic_ns()
    ask(recorded)
    archive = agent.served_tsv(config(tmp_path), since_ns)
    heading, line = gzip.decompress(base64.b64decode(archive)).decode().splitlines()
    assert heading == "process\tentered_us\tleft_us\tstatus\tlength"
    assert line.endswith("\t200\t11")
    assert agent.recorded_service_s(config(tmp_path), since_ns) > 0


def test_a_process_without_room_for_more_serves_on_and_says_nothing(
    recording: Any, agent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "CAPACITY", 3)
    recorded = recording.Recorded(hello)
    ask(recorded)
    assert agent.served_tsv(config(tmp_path), 0)

    ask(recorded)
    assert agent.served_tsv(config(tmp_path), 0) is None
    assert b"".join(recorded({}, lambda *_: None)) == b"Hello World"


def test_a_server_that_cannot_record_serves(
    recording: Any, agent: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.contract.RECORDINGS = str(tmp_path / "none" / "requests-")
    assert b"".join(recording.Recorded(hello)({}, lambda *_: None)) == b"Hello World"
    assert "requests are not recorded: [Errno 2]" in capsys.readouterr().err
    assert agent.served_tsv(config(tmp_path), 0) is None
    assert agent.recorded_service_s(config(tmp_path), 0) is None


def test_others_may_read_the_file(recording: Any, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        recording.Recorded(hello)
    finally:
        os.umask(before)
    (path,) = (tmp_path / "program").glob("shared-*")
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.stat().st_size % struct.calcsize(contract.RECORD) == 0
