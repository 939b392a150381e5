"""The generator of a fixed rate: on a simulated clock, and against real sockets."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import math
import signal
import socket
import socketserver
import statistics
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runner.contract import BODY
from runner.measurement import rate as runner_rate
from runner.measurement.asked import WORKLOAD
from tests.support.loadgen import RATE
from tests.support.program import module

rate: Any = module("rate_in_pod", RATE)


# -- when requests are due -------------------------------------------------------------------------


def test_arrivals_are_as_many_as_the_rate_says_and_the_same_for_a_seed() -> None:
    due = rate.arrivals(45.0, 2700, 1)
    assert len(due) == 2700
    assert due == sorted(due)
    assert due[0] >= 0
    assert due[-1] < 60
    assert due == rate.arrivals(45.0, 2700, 1)
    assert due != rate.arrivals(45.0, 2700, 2)


def test_the_times_between_them_are_exponential() -> None:
    """Their mean is their standard deviation, and a share of 1/e is longer than that."""
    due = rate.arrivals(10.0, 20_000, 1)
    gaps = [after - before for before, after in pairwise(due)]
    assert statistics.pstdev(gaps) / statistics.fmean(gaps) == pytest.approx(1, rel=0.03)
    assert sum(gap > 0.1 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), rel=0.03)


# -- what a server makes of them, on a simulated clock ---------------------------------------------


class Queue:
    """A network and a clock of its own: `servers` that take `service_s` for each request."""

    def __init__(self, service_s: float, servers: float, begin_s: float = 0.0) -> None:
        self.now, self.service_s, self.begin_s = 0.0, service_s, begin_s
        self.free = servers
        self.waiting: deque[Any] = deque()
        self.ends: deque[tuple[float, Any]] = deque()  # in order: all take equally long

    def clock(self) -> float:
        return self.now

    def begin(self, request: Any) -> bool:
        self.now += self.begin_s
        self.waiting.append(request)
        self._serve()
        return True

    def _serve(self) -> None:
        while self.waiting and self.free:
            self.free -= 1
            self.ends.append((self.now + self.service_s, self.waiting.popleft()))

    def ended(self, wait_s: float) -> Iterator[Any]:
        if not self.ends or self.ends[0][0] > self.now + wait_s:
            self.now += wait_s
            return
        self.now, request = self.ends.popleft()
        request.status, request.length = 200, len(BODY)
        self.free += 1
        self._serve()
        yield request


def driven(queue: Queue, per_second: float, number: int) -> list[Any]:
    requests = [rate.Request(due_s) for due_s in rate.arrivals(per_second, number, 1)]
    rate.drive(requests, queue, queue.clock)
    return requests


def mean_wait_s(requests: list[Any], service_s: float) -> float:
    return statistics.fmean(one.ended_s - one.due_s - service_s for one in requests)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
def test_one_server_lets_requests_wait_as_the_formula_says(load: float) -> None:
    """M/D/1: ρ s / (2 (1 − ρ))."""
    service_s = 0.5
    requests = driven(Queue(service_s, 1), load / service_s, 60_000)
    expected_s = load * service_s / (2 * (1 - load))
    assert mean_wait_s(requests, service_s) == pytest.approx(expected_s, rel=0.05)


def test_any_number_of_servers_let_none_wait() -> None:
    """M/D/∞; on average rate × s are in work (Little's law)."""
    requests = driven(Queue(2.0, math.inf), 45.0, 5_000)
    assert max(abs(one.ended_s - one.due_s - 2.0) for one in requests) < 1e-9
    moments = [one.due_s for one in requests[500:-500]]
    in_work = [sum(m - 2.0 < one.due_s <= m for one in requests) for m in moments[::50]]
    assert statistics.fmean(in_work) == pytest.approx(90, rel=0.05)


def test_latency_counts_from_when_a_request_was_due() -> None:
    """A generator that takes 0.1 s for each of twenty requests a second falls behind."""
    requests = driven(Queue(1.0, math.inf, begin_s=0.1), 20.0, 100)
    last = requests[-1]
    assert last.sent_s - last.due_s > 4
    assert last.ended_s - last.due_s > 5
    file = "\n".join(rate.lines(requests, 0.0)).encode()
    figures, _, load = runner_rate.figures(gzip.compress(file), 20.0, 100, WORKLOAD.right)
    assert load.lag_max_ms == pytest.approx(1000 * (last.sent_s - last.due_s), abs=0.01)
    assert figures.max_ms == pytest.approx(1000 * (last.ended_s - last.due_s), abs=0.01)


# -- real sockets ----------------------------------------------------------------------------------

ANSWER = f"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{BODY}".encode()


class Handler(socketserver.BaseRequestHandler):
    """Reads a request and gives the server's answer; a number of bytes less than none resets."""

    def handle(self) -> None:
        self.request.recv(1000)
        answer = self.server.answer()  # type: ignore[attr-defined]
        if answer is None:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
        else:
            self.request.sendall(answer)

    def finish(self) -> None:
        pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            super().shutdown_request(request)


@contextlib.contextmanager
def serving(
    answer: Callable[[], bytes | None], handler: type[socketserver.BaseRequestHandler] = Handler
) -> Iterator[int]:
    with Server(("127.0.0.1", 0), handler) as server:
        server.answer = answer  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def config(port: int, file: Path, **changes: float) -> dict[str, Any]:
    message = file.with_name("message")
    message.write_bytes(b"GET / HTTP/1.0\r\n\r\n")
    told = {"port": port, "rate": 400.0, "requests": 40, "seed": 1, "file": str(file)}
    told["message"] = str(message)
    return {**told, **changes}


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text, delimiter="\t"))


@pytest.mark.parametrize(
    ("answer", "status", "length", "error"),
    [
        (ANSWER, "200", "11", ""),
        (ANSWER + b"!", "200", "12", ""),
        (b"HTTP/1.0 500 Oh\r\n\r\nno", "500", "2", ""),
        (b"", "", "", "empty"),
        (b"Hello", "", "", "broken"),
        (b"HTTP/1.1 200 OK\r\nServer:", "", "", "broken"),
        (None, "", "", "reset"),
    ],
)
def test_what_comes_back_is_written_for_every_request(
    tmp_path: Path, answer: bytes | None, status: str, length: str, error: str
) -> None:
    file = tmp_path / "requests.tsv"
    with serving(lambda: answer) as port:
        rate.run(config(port, file))
    found = rows(file)
    assert len(found) == 40
    assert {(row["status"], row["length"], row["error"]) for row in found} == {
        (status, length, error)
    }
    for row in found:
        assert float(row["ttime"]) == pytest.approx(
            float(row["ended"]) - float(row["due"]), abs=0.01
        )
        assert float(row["sent"]) >= float(row["due"])


def test_an_answer_may_come_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "requests.tsv"
    large = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(3 * rate.CHUNK)
    with serving(lambda: large) as port:
        rate.run(config(port, file))
    assert {row["length"] for row in rows(file)} == {str(3 * rate.CHUNK)}


def test_a_request_may_be_larger_than_a_socket_takes_at_once(tmp_path: Path) -> None:
    file, received = tmp_path / "requests.tsv", []

    class Whole(Handler):
        def handle(self) -> None:
            received.append(len(self.request.makefile("rb").read(len(large))))
            self.request.sendall(ANSWER)

    large = bytes(20_000_000)
    with serving(lambda: ANSWER, Whole) as port:
        told = config(port, file, requests=2)
        Path(told["message"]).write_bytes(large)
        rate.run(told)
    assert received == [len(large)] * 2
    assert {row["status"] for row in rows(file)} == {"200"}


def test_a_server_may_answer_before_it_was_sent_all(tmp_path: Path) -> None:
    file = tmp_path / "requests.tsv"
    gate = threading.Event()

    class Hasty(Handler):
        def handle(self) -> None:
            self.request.sendall(b"HTTP/1.1 413 Too Large\r\n\r\n")
            self.request.shutdown(socket.SHUT_WR)
            gate.wait(20)

    with serving(lambda: ANSWER, Hasty) as port:
        told = config(port, file, requests=1)
        Path(told["message"]).write_bytes(bytes(30_000_000))
        rate.run(told)
        gate.set()
    assert [row["status"] for row in rows(file)] == ["413"]


def test_a_server_that_is_not_there_refuses(tmp_path: Path) -> None:
    file = tmp_path / "requests.tsv"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    rate.run(config(port, file))
    assert [row["error"] for row in rows(file)] == ["refused"] * 40


def test_all_are_sent_though_none_is_answered_and_an_interruption_ends_it(tmp_path: Path) -> None:
    file, gate, seen = tmp_path / "requests.tsv", threading.Event(), threading.Semaphore(0)

    def answer() -> bytes:
        seen.release()
        gate.wait(30)
        return ANSWER

    with serving(answer) as port:
        command = [sys.executable, str(RATE), json.dumps(config(port, file))]
        process = subprocess.Popen(command, preexec_fn=_interruptible)  # noqa: PLW1509
        for _ in range(40):
            assert seen.acquire(timeout=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        gate.set()
    found = rows(file)
    assert [row["error"] for row in found] == ["unanswered"] * 40
    assert len({row["ended"] for row in found}) == 1


def _interruptible() -> None:
    """A shell that runs the tests in the background ignores SIGINT, and hands that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_what_was_not_sent_is_not_written() -> None:
    requests = [rate.Request(1.0), rate.Request(2.0)]
    requests[0].sent_s, requests[0].ended_s, requests[0].status = 1.0, 3.0, 200
    heading, line = rate.lines(requests, 5.0)
    assert heading.split("\t") == list(rate.COLUMNS)
    assert line == "1000.000\t1000.000\t3000.000\t2000.000\t200\t\t"
