"""Each outcome, reached by a real container."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace

import docker
import pytest

from runner.matrix.servers import Server
from runner.measurement.job import LaunchResult
from runner.outcome import Outcome
from tests.integration.conftest import (
    CUT,
    FORTY_CLIENTS,
    FOUR_REQUESTS,
    LIMITS,
    ONE_CLIENT,
    Maker,
    a_cell,
)

pytestmark = pytest.mark.engine
Measure = Callable[..., LaunchResult]

#: A server that answers as told: `answer(n)` is called with the number of the request.
SERVER = """
import itertools, sys, threading, time, os, signal, socket, socketserver
from monkey_matrix_server import diagnostics
diagnostics.install()
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
numbers, count = itertools.count(1), 0
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count = number = next(numbers)
        status, body = answer(number)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
def serve():
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", 7779), Handler).serve_forever()
HELLO = 200, b"Hello World"
"""
#: Verification and three lone requests come before the load, and where there are several clients
#: a burst of five and one of ten: but on a busy machine that may answer the first so slowly that
#: the second is not sent.
LONE, BEFORE_LOAD = 4, 19
#: For what hangs before its load. A busy machine takes more than a second to start a server.
SOON = replace(LIMITS, startup_s=3)


@pytest.mark.alone
def test_ok(measure: Measure) -> None:
    result = measure(a_cell())
    record = result.record
    assert (record.outcome, record.reason) == (Outcome.OK, None)
    assert record.ab
    assert (record.ab.complete, record.ab.failed, record.ab.non_2xx) == (40, 0, 0)
    assert record.configuration_rps
    assert record.configuration_rps == pytest.approx(40 / (0.05 * 5))
    assert record.ab.requests_per_second < record.configuration_rps
    assert (record.ab.p50_ms or 0) >= 50
    assert record.resources
    assert record.resources.cpu_ms_per_request > 0
    assert record.resources.peak_rss_mib > 10
    assert b"Complete requests:      40" in result.files["ab.txt"]
    requests = gzip.decompress(result.files["requests.tsv.gz"]).decode().splitlines()
    assert len(requests) == 1 + 40


@pytest.mark.parametrize("patch", ["none", "gevent"])
def test_serialised(measure: Measure, patch: str) -> None:
    record = measure(a_cell(patch, server=Server(name="werkzeug-single"))).record
    assert record.outcome is Outcome.SERIALISED
    assert record.ab
    assert record.concurrency_factor
    assert record.concurrency_factor < 1.5
    assert record.ab.requests_per_second < 20


def test_the_load_of_a_serialised_cell_is_cut(measure: Measure) -> None:
    record = measure(CUT, limits=replace(LIMITS, load_s=3)).record
    assert record.outcome is Outcome.SERIALISED
    assert record.requests < CUT.requests
    assert record.concurrency
    assert record.concurrency <= record.requests


def test_never_listens(measure: Measure) -> None:
    program = SERVER + "def wait_for_ever():\n    time.sleep(600)\nwait_for_ever()"
    result = measure(a_cell(), program, SOON)
    assert result.record.outcome is Outcome.HANG_AT_STARTUP
    assert result.record.reason
    assert "no connection accepted within 3 s" in result.record.reason
    assert "in wait_for_ever" in result.record.reason
    assert b"wait_for_ever" in result.files["stacks.txt"]
    assert "sockets.txt" in result.files


def test_accepts_but_never_answers(measure: Measure) -> None:
    program = SERVER + "def answer(n):\n    time.sleep(600)\nserve()"
    result = measure(a_cell(), program, SOON)
    assert result.record.outcome is Outcome.HANG_AT_FIRST_REQUEST
    assert result.record.reason
    assert "connection accepted, GET / not answered" in result.record.reason
    assert b"in answer" in result.files["stacks.txt"]


def test_hangs_under_load(measure: Measure) -> None:
    program = SERVER + (
        "def stall():\n    time.sleep(600)\n"
        f"def answer(n):\n    time.sleep(0.05)\n    if n > {BEFORE_LOAD + 12}: stall()\n"
        "    return HELLO\nserve()"
    )
    result = measure(a_cell(), program, replace(LIMITS, load_s=2))
    assert result.record.outcome is Outcome.HANG_UNDER_LOAD
    assert result.record.reason
    assert "of 40 requests answered in" in result.record.reason
    assert "it used 0 % of a CPU meanwhile" in result.record.reason
    assert "threads in" in result.record.reason
    assert "in stall" in result.record.reason
    assert b"in stall" in result.files["stacks.txt"]
    assert b"Complete requests" in result.files["ab.txt"]


def test_hangs_as_soon_as_requests_come_together(measure: Measure) -> None:
    program = SERVER + (
        "lock = threading.Lock()\n"
        f"def answer(n):\n    if n > {LONE}: lock.acquire()\n    return HELLO\nserve()"
    )
    result = measure(a_cell(), program + "", replace(LIMITS, load_s=2))
    assert result.record.outcome is Outcome.HANG_UNDER_LOAD
    assert b"in answer" in result.files["stacks.txt"]


@pytest.mark.parametrize(
    ("before", "outcome"),
    [(0, Outcome.HANG_AT_FIRST_REQUEST), (BEFORE_LOAD + 12, Outcome.HANG_UNDER_LOAD)],
)
def test_a_hang_that_burns_a_core_says_so(measure: Measure, before: int, outcome: Outcome) -> None:
    program = SERVER + (
        "def spin():\n    while True: pass\n"
        f"def answer(n):\n    time.sleep(0.05)\n    if n > {before}: spin()\n"
        "    return HELLO\nserve()"
    )
    record = measure(a_cell(), program, replace(SOON, load_s=3)).record
    assert record.outcome is outcome
    used = re.search(r"it used (\d+) % of a CPU meanwhile", record.reason or "")
    assert used, record.reason
    assert int(used[1]) > 10  # all of a CPU, unless others want it too


def test_a_load_that_is_only_slow_is_no_hang(measure: Measure) -> None:
    program = SERVER + (
        f"def answer(n):\n    time.sleep(0.05 if n <= {BEFORE_LOAD} else 1.2)\n"
        "    return HELLO\nserve()"
    )
    record = measure(a_cell(), program, replace(LIMITS, load_s=3)).record
    assert record.outcome is Outcome.FAILED_REQUESTS
    assert record.reason
    assert record.reason.startswith("too slow: ")


def test_greenlets_are_in_the_evidence(measure: Measure) -> None:
    program = (
        "from monkey_matrix_server import diagnostics; diagnostics.install()\n"
        "from gevent import monkey; monkey.patch_all()\n"
        "import gevent, gevent.event\n"
        "def waits_in_a_greenlet():\n    gevent.event.Event().wait(600)\n"
        "gevent.spawn(waits_in_a_greenlet).join()"
    )
    result = measure(a_cell("gevent"), program, SOON)
    assert result.record.outcome is Outcome.HANG_AT_STARTUP
    threads, _, greenlets = result.files["stacks.txt"].decode().partition("=== greenlets ===")
    assert "most recent call first" in threads
    assert "waits_in_a_greenlet" in greenlets


def test_crashes_at_startup(measure: Measure) -> None:
    record = measure(a_cell(), "raise SystemExit('no such database')").record
    assert record.outcome is Outcome.CRASHED
    assert record.reason == "exit status 1: no such database"


def test_killed_by_a_signal_under_load(measure: Measure) -> None:
    program = SERVER + (
        f"def answer(n):\n    if n > {BEFORE_LOAD + 12}: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    time.sleep(0.05)\n    return HELLO\nserve()"
    )
    record = measure(a_cell(), program).record
    assert record.outcome is Outcome.CRASHED
    assert record.reason
    assert "SIGSEGV" in record.reason


def test_oom_killed(measure: Measure) -> None:
    program = SERVER + (
        "hoard = []\n"
        f"def answer(n):\n    if n > {BEFORE_LOAD}: hoard.append(b'x' * (1 << 26))\n"
        "    return HELLO\nserve()"
    )
    record = measure(a_cell(), program).record
    assert record.outcome is Outcome.OOM_KILLED


def test_import_error(measure: Measure) -> None:
    program = (
        "import sys; sys.modules['flask'] = None\n"
        "from monkey_matrix_server import main; main.main()"
    )
    record = measure(a_cell(), program).record
    assert record.outcome is Outcome.IMPORT_ERROR
    assert record.reason
    assert "flask" in record.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("(200, b'Hello Wurld')", "Hello Wurld"), ("(500, b'Hello World')", "status 500")],
)
def test_wrong_answer(measure: Measure, answer: str, reason: str) -> None:
    record = measure(a_cell(), SERVER + f"def answer(n): return {answer}\nserve()").record
    assert record.outcome is Outcome.WRONG_ANSWER
    assert record.reason
    assert reason in record.reason


def test_errors_under_load_never_count_as_answers(measure: Measure) -> None:
    program = SERVER + (
        f"def answer(n): return HELLO if n < {BEFORE_LOAD + 12} else (500, b'Hello World')\nserve()"
    )
    record = measure(a_cell(), program).record
    assert record.outcome is Outcome.FAILED_REQUESTS
    assert record.reason
    assert "status other than 2xx" in record.reason


#: The same server, with an application that records its requests as ours do.
RECORDING = (
    SERVER
    + """
from monkey_matrix_server import recording
def application(environ, start):
    time.sleep(0.05)
    start("200 OK", [])
    return [b"Hello World"]
recorded = recording.Recorded(application)
class Recording(Handler):
    def do_GET(self):
        number = next(numbers)
        parts = recorded({}, lambda status, headers: None)
        body = b"".join(parts)
        parts.close()
        if number in empty:
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
Handler = Recording
"""
)


def test_an_empty_first_answer_is_one_failure_though_ab_counts_all_others(measure: Measure) -> None:
    program = RECORDING + f"empty = {{{LONE + 1}, {LONE + 9}}}\nserve()"
    record = measure(ONE_CLIENT, program).record
    assert record.ab
    assert record.ab.failed == 38
    assert record.outcome is Outcome.FAILED_REQUESTS
    assert record.reason == "2 of 40 answers were not right: 2 empty or broken off"


def test_a_second_lone_request_that_hangs_is_no_hang_at_the_first(measure: Measure) -> None:
    program = SERVER + "def answer(n):\n    if n == 2: time.sleep(600)\n    return HELLO\nserve()"
    record = measure(a_cell(), program, SOON).record
    assert record.outcome is Outcome.HANG_UNDER_LOAD


def test_a_reset_among_requests_sent_at_once_is_no_hang(measure: Measure) -> None:
    program = SERVER + (
        "class Resetting(Handler):\n"
        "    def do_GET(self):\n"
        "        global count\n"
        f"        if count < {LONE}: return Plain.do_GET(self)\n"
        "        import struct\n"
        "        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, "
        "struct.pack('ii', 1, 0))\n"
        "        self.connection.close()\n"
        "def answer(n): return HELLO\nHandler, Plain = Resetting, Handler\nserve()"
    )
    record = measure(a_cell(), program).record
    assert record.outcome is Outcome.FAILED_REQUESTS
    assert record.reason
    assert "ConnectionResetError" in record.reason


@pytest.mark.alone
def test_four_requests_of_two_clients_are_enough_to_be_ok(measure: Measure) -> None:
    assert measure(FOUR_REQUESTS).record.outcome is Outcome.OK


def test_a_pool_of_four_under_forty_clients_is_limited_inside_the_application(
    measure: Measure,
) -> None:
    pool = RECORDING.replace(
        "def application(environ, start):\n",
        "pool = threading.Semaphore(4)\n"
        "def application(environ, start):\n    with pool: time.sleep(0.1)\n",
    )
    record = measure(FORTY_CLIENTS, pool + "empty = ()\nserve()").record
    assert record.outcome is Outcome.LIMITED
    assert record.reason
    assert record.reason.startswith("requests wait inside the application")
    assert record.served
    assert record.served.in_flight > 2 * (record.served.at_a_time or 0)


def test_what_the_server_recorded_is_kept(measure: Measure) -> None:
    result = measure(a_cell())
    seen = result.record.served
    assert seen
    assert (seen.processes, seen.entered, seen.left) == (1, 40, 40)
    assert seen.in_flight > 2
    assert seen.at_a_time
    assert seen.at_a_time > 2
    requests = gzip.decompress(result.files["served.tsv.gz"]).decode().splitlines()
    assert len(requests) == 1 + 40


def test_resets_under_load(measure: Measure) -> None:
    program = SERVER + (
        "class Resetting(Handler):\n"
        "    def do_GET(self):\n"
        f"        if count < {BEFORE_LOAD + 12}: return super().do_GET()\n"
        "        import struct\n"
        "        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, "
        "struct.pack('ii', 1, 0))\n"
        "        self.connection.close()\n"
        "def answer(n): return HELLO\nHandler, Plain = Resetting, Handler\nserve()"
    )
    record = measure(a_cell(), program.replace("super()", "super(Resetting, self)")).record
    assert record.outcome is Outcome.FAILED_REQUESTS
    assert record.reason
    assert record.reason.startswith("ab:")


def test_engine_error(maker: Maker, client: docker.DockerClient) -> None:
    launch = maker.launch(a_cell())
    try:
        launch.start()
        assert launch.verdict is None
        assert launch._pod
        client.containers.get(launch._pod.loadgen).remove(force=True)
        launch.load()
        assert launch.collect().record.outcome is Outcome.ENGINE_ERROR
    finally:
        launch.close()
