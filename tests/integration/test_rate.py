"""A load at a fixed rate, against real containers."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from runner.outcome import Outcome
from tests.integration.conftest import CUT, SERVED, a_cell
from tests.integration.test_outcomes import BEFORE_LOAD, SERVER, Measure
from tests.integration.test_run import Project

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]

MATRIX = """\
version: 1
experiments:
  tiny:
    axes:
      python: [3.11]
      patch: [none, gevent]
      rate: [closed, 20]
    packages: {flask: "3.1.*", gevent: 25.9.1}
    exclude_newer: 2026-11-01
    workload: {seconds: 0.1, spread: 0.05}
    load: {concurrency: 5, requests: 20, seconds: 5}
    limits: {startup: 20, load: 20, memory: 128m, pids: 256}
    base: debian
    launches: 1
    repeats: 0
"""
#: Somewhere in the load, whether or not the check has sent its second burst.
MIDST = BEFORE_LOAD + 10
FIXED = replace(a_cell(), rate="20", load_s=3.0, requests=60)


def test_a_matrix_with_a_rate(tmp_path: Path) -> None:
    project = Project(tmp_path, MATRIX)
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "20 requests/s for 5 s" in stdout
    rows = {(row["patch"], row["rate"]): row for row in project.rows()}
    assert rows.keys() == {(p, r) for p in ("none", "gevent") for r in ("closed", 20.0)}
    assert {row["outcome"] for row in rows.values()} <= SERVED
    for patch in ("none", "gevent"):
        row = rows[patch, 20.0]
        assert (row["requests"], row["concurrency"], row["ceiling_rps"]) == (100, None, 20)
        assert row["p50_ms"] >= 50
        assert row["cpu_ms_per_request"] > 0
        launch = project.results / "latest" / "cells" / row["cell"] / "launch-01"
        record = json.loads((launch / "result.json").read_text())
        assert record["rate"]["sent"] == record["ab"]["complete"] == record["requests"] == 100
        assert record["rate"]["errors"] == {}
        requests = gzip.decompress((launch / "requests.tsv.gz").read_bytes()).splitlines()
        assert len(requests) == 1 + 100
    assert rows["none", "closed"]["requests"] == 20
    code, stdout, _ = project.matrix("show", "latest", rows["none", 20.0]["cell"])
    assert code == 0
    assert "sent: 100 of 100 requests, 20 a second" in stdout


def test_a_rate_in_per_cent_of_the_baselines(tmp_path: Path) -> None:
    """Half of what ten clients get of 0.1 s each; a second run takes over all of it."""
    matrix = MATRIX.replace("rate: [closed, 20]", "rate: [closed, 50%]")
    matrix = matrix.replace("requests: 20,", "requests: 50,")
    project = Project(tmp_path, matrix)
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "50% of the baseline's rate for 5 s" in stdout
    rows = {(row["patch"], row["rate"]): row for row in project.rows()}
    assert rows.keys() == {(p, r) for p in ("none", "gevent") for r in ("closed", "50%")}
    assert {row["outcome"] for row in rows.values()} <= SERVED
    full = rows["none", "closed"]["requests_per_second"]
    for patch in ("none", "gevent"):
        row = rows[patch, "50%"]
        assert row["rate_rps"] == pytest.approx(full / 2, rel=1e-5)
        assert row["requests"] == row["sent_requests"] == round(row["rate_rps"] * 5)
        launch = project.results / "latest" / "cells" / row["cell"] / "launch-01"
        assert json.loads((launch / "result.json").read_text())["rate"]["rate"] == row["rate_rps"]
    code, _, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "used again: 4 of 4 launches" in stderr
    code, stdout, _ = project.matrix("plan")
    assert code == 0
    assert "50% of" in stdout


def test_a_server_that_stops_to_answer_hangs(measure: Measure) -> None:
    program = (
        SERVER
        + f"""
def answer(n):
    if n > {MIDST}:
        time.sleep(600)
    return HELLO
serve()"""
    )
    result = measure(FIXED, program)
    record = result.record
    assert record.outcome is Outcome.HANG_UNDER_LOAD
    assert record.reason
    assert re.search("of 60 requests answered in [0-9]+ s, then no more", record.reason)
    assert record.rate
    assert record.ab
    assert record.rate.sent == 60
    assert record.ab.complete in range(1, MIDST)
    assert record.rate.errors == {"unanswered": 60 - record.ab.complete}
    assert {"stacks.txt", "sockets.txt"} <= result.files.keys()


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("self.send_error(500)", "1 wrong status"),
        ("return", "1 empty"),
        ("self.wfile.write(b'Hello')", "1 broken"),
        (
            "self.connection.setsockopt(1, 13, b'\\1\\0\\0\\0\\0\\0\\0\\0'); os._exit(0)",
            None,
        ),
    ],
)
def test_what_goes_wrong_is_counted(measure: Measure, last: str, reason: str | None) -> None:
    program = (
        SERVER
        + f"""
well, asked = Handler.do_GET, itertools.count(1)
def do_GET(self):
    if next(asked) == {MIDST}:
        {last}
    else:
        well(self)
Handler.do_GET = do_GET
answer = lambda n: HELLO
serve()"""
    )
    record = measure(FIXED, program).record
    if reason is None:
        assert record.outcome is Outcome.CRASHED
        assert record.rate
        assert record.rate.sent < record.rate.requests  # it ended with the server
    else:
        assert record.outcome is Outcome.FAILED_REQUESTS
        assert record.reason == f"of 60 requests: {reason}"


def test_one_at_a_time_is_serialised_at_a_rate_too(measure: Measure) -> None:
    """It can do 3.3 a second, and is sent as many as it can answer in 0.8 × 6 s.

    The time from the first answer to the last counts, which is one request less.
    """
    record = measure(replace(CUT, rate="15", load_s=3.0, requests=45)).record
    assert record.outcome is Outcome.SERIALISED
    assert record.requests < 45
    assert record.ab
    assert record.ab.requests_per_second < 4
