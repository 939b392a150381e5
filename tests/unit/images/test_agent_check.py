"""How the agent is asked, and how it finds out what a server can do."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner import contract
from runner.measurement.asked import WORKLOAD
from runner.measurement.load import calibration as told_of
from tests.support.loadgen import AGENT, RATE, program
from tests.support.simulated import a_cell

check, load, network, request = map(program, ("check", "load", "network", "request"))


@pytest.mark.parametrize(
    ("service_s", "repeats", "latencies", "lone_s", "asked"),
    [
        (2.0, 0, [2.01], 2.01, 1),
        # gunicorn's master accepts connections while its worker still starts.
        (1.0, 0, [3.5, 1.01], 1.01, 2),
        (1.0, 0, [9.0, 9.0, 9.0, 9.0], 9.0, 4),
        (0.05, 3, [0.5, 0.06, 0.05, 0.07], 0.05, 4),
        # The server had taken the first one's connection before it was sent.
        (0.05, 3, [0.04, 0.06, 0.05, 0.07], 0.05, 4),
    ],
)
def test_a_late_first_answer_is_not_taken_for_the_service_time(
    monkeypatch: pytest.MonkeyPatch,
    *,
    service_s: float,
    repeats: int,
    latencies: list[float],
    lone_s: float,
    asked: int,
) -> None:
    answers = iter(latencies)
    seen: list[float] = []

    def get(*_: object, **__: object) -> float:
        seen.append(next(answers))
        return seen[-1]

    monkeypatch.setattr(check, "verified", get)
    config: dict[str, Any] = {"service_s": service_s, "startup_s": 1, "lone_repeats": repeats}
    config["spread_s"] = 0.0
    config["burst"] = 1
    config |= {"recordings": "/none/there-", "record": contract.RECORD, "effects": "/none/there-"}
    reply = check.check(config)
    assert (reply["lone_s"], len(seen)) == (lone_s, asked)


@pytest.mark.parametrize("latencies", [[3.2], [3.5, 1.2]])
def test_where_requests_differ_the_mean_is_not_taken_from_one(
    monkeypatch: pytest.MonkeyPatch, latencies: list[float]
) -> None:
    """One of 1 to 3 s is late above a tenth more than 3."""
    answers = iter(latencies)
    monkeypatch.setattr(check, "verified", lambda *_, **__: next(answers))
    config = {"service_s": 2.0, "spread_s": 1.0, "startup_s": 1, "lone_repeats": 0, "burst": 1}
    nothing = {"recordings": "/none/there-", "record": contract.RECORD, "effects": "/none/there-"}
    assert check.check({**config, **nothing}) == {"lone_s": 2.0, "service_s": 2.0, "effects": None}
    assert [*answers] == []


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1E63 00000000:0000 0A 00000000:00000000 00:00000000 00000000  7001        0 1
   1: 0100007F:A1B2 0100007F:1E63 01 00000000:00000000 00:00000000 00000000  7000        0 2
   2: 0100007F:1E63 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000  7001        0 3
   3: 0100007F:A1B3 0100007F:1E7A 01 00000052:00000000 01:00000064 00000003  7000        0 4
"""


@pytest.mark.parametrize(
    ("what", "was", "now", "held_back"),
    [
        ("the request arrived", "", "", False),
        ("not let in", "A1B2 0100007F:1E63 01 00000000", "A1B2 0100007F:1E63 02 00000001", True),
        (
            "request dropped",
            "A1B2 0100007F:1E63 01 00000000",
            "A1B2 0100007F:1E63 01 00000052",
            True,
        ),
        ("ab gave up", "A1B2 0100007F:1E63 01 00000000", "A1B2 0100007F:1E63 04 00000053", False),
        ("to another port", "1E7A", "1E7B", False),
    ],
)
def test_a_request_that_has_not_arrived_is_held_back(
    tmp_path: Path, what: str, was: str, now: str, *, held_back: bool
) -> None:
    assert was in TABLE
    (tmp_path / "tcp").write_text(TABLE.replace(was, now), encoding="utf-8")
    assert network.requests_held_back(7779, str(tmp_path / "tcp")) is held_back, what


def test_a_server_that_does_not_accept_holds_requests_back_itself(tmp_path: Path) -> None:
    full = TABLE.replace("0A 00000000:00000000", "0A 00000000:00000080")
    (tmp_path / "tcp").write_text(full.replace("1E7A", "1E63"), encoding="utf-8")
    assert network.requests_held_back(7779, str(tmp_path / "tcp")) is False


class Clock:
    """Time that goes on only while somebody waits for `ab`."""

    def __init__(self, ends_at: float) -> None:
        self.now, self.ends_at = 0.0, ends_at

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.ends_at


NEVER = 1e9


@pytest.mark.parametrize(
    ("what", "ends_at", "last_moved", "held_back_until", "deadline_s", "ending", "after_s"),
    [
        ("all is answered", 40, 40, 0, 100, "ended", 40),
        ("silent before its deadline", NEVER, 10, 0, 100, "stalled", 40),
        ("silent after its deadline", NEVER, 95, 0, 100, "stalled", 105),
        ("answers to the end", NEVER, NEVER, 0, 100, "late", 200),
        ("held back to the end", NEVER, 10, NEVER, 100, "late", 200),
        ("held back, then silent", NEVER, 10, 150, 100, "stalled", 160),
        ("held back, then answered", 170, 10, 165, 100, "ended", 170),
        ("silent at its limit, where no deadline is known", NEVER, 185, 0, 200, "stalled", 200),
    ],
)
def test_a_load_stalls_when_the_server_leaves_requests_unanswered(
    monkeypatch: pytest.MonkeyPatch,
    *,
    what: str,
    ends_at: float,
    last_moved: float,
    held_back_until: float,
    deadline_s: float,
    ending: str,
    after_s: float,
) -> None:
    clock = Clock(ends_at)
    monkeypatch.setattr(load, "time", clock)
    monkeypatch.setattr(load, "end_of", lambda _: clock)
    monkeypatch.setattr(load, "progress", lambda: (min(clock.now, last_moved), 0))
    monkeypatch.setattr(load, "requests_held_back", lambda _: clock.now < held_back_until)
    config = {"silence_s": 30, "stall_s": 10, "limit_s": 200, "port": 7779}
    assert load.wait_for_ab(1, config | {"deadline_s": deadline_s}) == ending, what
    assert clock.now == pytest.approx(after_s, abs=load.LOOK_AFTER_S + load.PROGRESS_INTERVAL_S)


@pytest.mark.parametrize(
    ("what", "answered_until", "alive_until", "ends_at", "ending", "after_s"),
    [
        ("never an answer", 0, NEVER, NEVER, "stalled", 30),
        ("answers, then none", 50, NEVER, NEVER, "stalled", 80),
        ("answers to the end", NEVER, NEVER, NEVER, "late", 200),
        ("all is answered", NEVER, NEVER, 90, "ended", 90),
        ("the server ends", 50, 50, NEVER, "gone", 50),
    ],
)
def test_at_a_rate_only_answers_count_as_progress(
    monkeypatch: pytest.MonkeyPatch,
    *,
    what: str,
    answered_until: float,
    alive_until: float,
    ends_at: float,
    ending: str,
    after_s: float,
) -> None:
    """Ten connections a second are opened, whatever becomes of them, and some at one end only."""
    clock = Clock(ends_at)

    def progress() -> tuple[int, int]:
        opened, ended = int(10 * clock.now), int(10 * min(clock.now, answered_until))
        dropped = int(clock.now) % 2
        return opened, 2 * (opened - ended) + dropped

    monkeypatch.setattr(load, "time", clock)
    monkeypatch.setattr(load, "end_of", lambda _: clock)
    monkeypatch.setattr(load, "progress", progress)
    monkeypatch.setattr(load, "requests_held_back", lambda _: False)
    monkeypatch.setattr(load, "server_pids", lambda _: [7] if clock.now < alive_until else [])
    config = {"silence_s": 30, "stall_s": 10, "limit_s": 200, "deadline_s": 190, "port": 7779}
    assert load.wait_for_ab(1, {**config, "rate": 10, "uid": 1000}) == ending, what
    assert clock.now == pytest.approx(after_s, abs=load.LOOK_AFTER_S + load.PROGRESS_INTERVAL_S)


def test_what_sends_at_a_rate_is_beside_the_agent_and_told_what_it_needs(tmp_path: Path) -> None:
    asked = {"port": 7779, "rate": 45.0, "requests": 2700, "seed": 3, "limit_s": 300, **ASKED}
    _, path, told = load.rate_command(asked, tmp_path)
    assert Path(path) == RATE
    assert json.loads(told) == {
        "port": 7779, "rate": 45.0, "requests": 2700, "seed": 3,
        "message": f"{tmp_path}/message", "file": f"{tmp_path}/requests.tsv",
    }  # fmt: skip
    assert (tmp_path / "message").read_bytes().startswith(b"GET / HTTP/1.0\r\nHost: ")


# -- how it is asked -------------------------------------------------------------------------------


def test_it_answers_each_line_of_its_input_with_a_line() -> None:
    refused = ["ready", {"port": 1, "uid": 4242, "startup_s": 0, "before_s": 0}]
    lines = "".join(json.dumps(line) + "\n" for line in (["sockets", {}], refused))
    command = [sys.executable, str(AGENT), "serve"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    sockets, ready = map(json.loads, done.stdout.splitlines())
    assert "local_address" in sockets["tcp"]
    assert ready["failed"] == "server-gone"


def test_it_answers_a_command_of_its_own_too() -> None:
    command = [sys.executable, str(AGENT), "sockets", "{}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "local_address" in json.loads(done.stdout)["tcp"]


# -- what a burst costs ----------------------------------------------------------------------------

BODY = contract.BODY
ASKED = WORKLOAD.config({})


@contextmanager
def serving(kind: type[HTTPServer], work: Callable[[], object]) -> Iterator[int]:
    """A server on a port of its own whose every answer takes what `work` takes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            work()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BODY.encode())

        def log_message(self, *_: object) -> None:
            pass

    with kind(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_first_request_comes_after_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a server waits for it at its socket, as for a client on another machine."""
    had_come: list[bool] = []
    looked = threading.Event()
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        assert looked.wait(20)

    monkeypatch.setattr(request, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))

    class Looking(HTTPServer):
        def process_request(self, connection: Any, client_address: Any) -> None:
            had_come.append(bool(select.select([connection], [], [], 0)[0]))
            looked.set()
            super().process_request(connection, client_address)

    with serving(Looking, lambda: None) as port:
        config = {"service_s": 0.0, "startup_s": 20, "lone_repeats": 0, "port": port, "uid": 0}
        assert check.lone_request({**config, **ASKED}) == 0
    assert had_come == [False]
    assert clock == [check.FIRST_PAUSE_S]


class Patient(ThreadingHTTPServer):
    """Takes all requests together, each in a thread."""

    daemon_threads = True
    request_queue_size = 64


def calibration(port: int, lone_s: float, *, joined: bool) -> dict[str, Any]:
    config = {
        "port": port,
        **ASKED,
        "uid": 0,
        "startup_s": 10,
        "burst": 5,
        "sizing_burst": 20,
        "serialised_below": 1.5,
        "patience_s": 15.0,
        "joined": joined,
        "lone_s": lone_s,
    }
    looks = iter(range(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "cpu_s_beside", lambda: float(next(looks)))
        return dict(check.calibrate(config))


def test_the_second_burst_joins_the_first_where_all_of_that_was_read() -> None:
    """Nobody is answered before all 25 are there."""
    together = threading.Barrier(25)
    with serving(Patient, lambda: together.wait(20)) as port:
        reply = calibration(port, 60.0, joined=True)
    assert reply["burst_answered"] == 5
    # The clock was looked at when either burst began and when either ended: two seconds for twenty
    # whole requests and the second half of five.
    assert reply["cpu_s_per_request"] == pytest.approx(2 / 22.5)


@pytest.mark.parametrize(("lone_s", "joined"), [(60.0, False), (0.4, True)])
def test_it_follows_the_first_where_that_could_matter(
    monkeypatch: pytest.MonkeyPatch, lone_s: float, *, joined: bool
) -> None:
    looked: list[float] = []
    there: list[int] = []

    def was_read(_burst: object, within_s: float) -> bool:
        looked.append(within_s)
        return True

    monkeypatch.setattr(check.Burst, "was_read", was_read)
    with serving(Patient, lambda: there.append(1)) as port:
        reply = calibration(port, lone_s, joined=joined)
    assert looked == []
    assert len(there) == 25
    assert reply["cpu_s_per_request"] == pytest.approx(1 / 20)


def test_a_pause_of_ten_seconds_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long many a library waits before it gives up, and the server with it."""
    longest: list[float] = []
    monkeypatch.setattr(check, "verified", lambda _config, timeout, _sent: longest.append(timeout))
    config, longest_s = told_of(a_cell(), 0.0)
    check.calibrate({**config, "uid": 0, "serialised_below": 0.0})
    assert len(longest) == config["burst"] + config["sizing_burst"]
    assert min(longest) > 10
    assert longest_s >= longest[0] + longest[-1]


def test_a_server_that_works_one_by_one_is_sent_no_second_burst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check, "JOINED_FROM_S", 0.01)
    there: list[int] = []
    gate = threading.Event()

    def work() -> None:
        there.append(len(there))
        gate.wait(0.1)

    with serving(HTTPServer, work) as port:
        reply = calibration(port, 0.1, joined=True)
    assert len(there) == 5
    assert reply["factor"] < 1.5


@pytest.mark.parametrize(
    ("what", "was", "now", "unread"),
    [
        ("all is read", "", "", False),
        ("not accepted", "0A 00000000:00000000", "0A 00000000:00000001", True),
        ("not read", "1E63 0100007F:A1B2 01 00000000:00000000",
         "1E63 0100007F:A1B2 01 00000000:00000052", True),
        ("not arrived", "A1B2 0100007F:1E63 01 00000000", "A1B2 0100007F:1E63 01 00000052", True),
        ("of another port", "1E7A 01 00000052", "1E7A 01 00000053", False),
    ],
)  # fmt: skip
def test_what_a_server_has_not_read(
    tmp_path: Path, what: str, was: str, now: str, *, unread: bool
) -> None:
    assert was in TABLE
    (tmp_path / "tcp").write_text(TABLE.replace(was, now), encoding="utf-8")
    assert network.requests_unread(7779, str(tmp_path / "tcp")) is unread, what
