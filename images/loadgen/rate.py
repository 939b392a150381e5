"""Sends requests at a fixed mean rate, whether or not the server keeps up: an open loop.

A program of its own, as `ab` is: `python3 rate.py '{"port": …, "rate": …, "requests": …, "seed": …,
"message": …, "file": …}'`. Each request is the bytes of the file `message`, has a connection of its
own and is over when the server closes it. What became of every request is written to `file`, also
where the program is interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

HOST = "127.0.0.1"
#: How many connections are looked at before the next request may be due.
EVENTS = 16
CHUNK = 65536
#: While a request is being sent; afterwards only its answer is waited for.
SENDING = select.EPOLLIN | select.EPOLLOUT
ERRORS = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset"}
#: Times in ms from the load's begin, `ttime` from the moment when the request was due.
COLUMNS = ("due", "sent", "ended", "ttime", "status", "length", "error")


class Request:
    """One request: when it was due, sent and over (seconds from the begin), and what came back.

    `length` is that of the answer's body in bytes; `error` names what went wrong.
    """

    __slots__ = ("due_s", "ended_s", "error", "length", "sent_s", "status")

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.sent_s: float | None = None
        self.ended_s: float | None = None
        self.status: int | None = None
        self.length: int | None = None
        self.error: str | None = None

    def read(self, answer: bytes) -> None:
        """Take status and length from the whole answer."""
        head, end, body = answer.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if not answer:
            self.error = "empty"
        elif not end or len(words) < 2 or not words[0].startswith(b"HTTP/"):
            self.error = "broken"
        else:
            self.status, self.length = int(words[1]), len(body)


def arrivals(rate: float, requests: int, seed: int) -> list[float]:
    """When requests are due, in seconds: random arrivals, so many in exactly `requests / rate`.

    The arrivals of a Poisson process, given how many there are in a time, are spread over it like
    sorted uniform random numbers (S. M. Ross, Stochastic Processes, 2nd ed., 1996, theorem 2.3.1).
    """
    draw = random.Random(seed).random  # noqa: S311 - a load, not a secret
    return sorted(draw() * requests / rate for _ in range(requests))


class Network(Protocol):
    """Where requests go."""

    def begin(self, request: Request) -> bool:
        """Send it; False where it is over at once."""
        ...

    def ended(self, wait_s: float) -> Iterator[Request]:
        """The requests that are over now; waits for the next event, at most so many seconds."""
        ...


def drive(requests: Sequence[Request], network: Network, clock: Callable[[], float]) -> None:
    """Begin each request when it is due and wait until all are over. What is due comes first."""
    begun, place, running = clock(), 0, 0
    while place < len(requests) or running:
        now = clock() - begun
        due_s = requests[place].due_s if place < len(requests) else now + 1
        if due_s <= now:
            request = requests[place]
            request.sent_s = now
            if network.begin(request):
                running += 1
            else:
                request.ended_s = clock() - begun
            place += 1
            continue
        for request in network.ended(due_s - now):
            request.ended_s = clock() - begun
            running -= 1


class Connection:
    """A request's socket, what of it is still to be sent, and what was answered so far."""

    def __init__(self, request: Request, message: memoryview) -> None:
        self.request = request
        self.socket = socket.socket()
        self.unsent: memoryview | None = message
        self.answer = b""


class Connections:
    """Connections to the server at a port of this machine, none of which blocks the others."""

    def __init__(self, port: int, message: bytes) -> None:
        self.address = (HOST, port)
        self.message = memoryview(message)
        self.epoll = select.epoll()
        self.open: dict[int, Connection] = {}

    def begin(self, request: Request) -> bool:
        """See `Network`."""
        try:
            connection = Connection(request, self.message)
        except OSError as error:
            request.error = name_of(error)
            return False
        connection.socket.setblocking(False)
        code = connection.socket.connect_ex(self.address)
        if code not in {0, errno.EINPROGRESS}:
            connection.socket.close()
            request.error = name_of(OSError(code, ""))
            return False
        self.open[connection.socket.fileno()] = connection
        self.epoll.register(connection.socket, SENDING)
        return True

    def ended(self, wait_s: float) -> Iterator[Request]:
        """See `Network`. `select` waits to the microsecond, `epoll` only to the millisecond."""
        select.select([self.epoll], [], [], max(0.0, wait_s))
        for number, events in self.epoll.poll(0, EVENTS):
            connection = self.open[number]
            if self._go_on(connection, events):
                del self.open[number]
                connection.socket.close()
                yield connection.request

    def _go_on(self, connection: Connection, events: int) -> bool:
        """Send or receive what is possible now; whether the request is over.

        A server may answer before it was sent all of a request.
        """
        try:
            if connection.unsent and not events & select.EPOLLIN:
                self._send(connection, connection.unsent)
                return False
            data = connection.socket.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            connection.request.error = name_of(error)
            return True
        connection.answer += data
        if not data:
            connection.request.read(connection.answer)
        return not data

    def _send(self, connection: Connection, unsent: memoryview) -> None:
        code = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "")
        connection.unsent = unsent[connection.socket.send(unsent) :]
        if not connection.unsent:
            self.epoll.modify(connection.socket, select.EPOLLIN)


def name_of(error: OSError) -> str:
    """An error in a word."""
    code = error.errno or 0
    return ERRORS.get(code) or errno.errorcode.get(code, str(code)).lower()


def lines(requests: Sequence[Request], until_s: float) -> Iterator[str]:
    """A heading and a line for each request that was sent.

    One that is not over at the end of the load is unanswered, and took at least until then.
    """
    yield "\t".join(COLUMNS)
    for request in requests:
        if request.sent_s is None:
            continue
        ended_s, error = request.ended_s, request.error
        if ended_s is None:
            ended_s, error = until_s, "unanswered"
        times = (request.due_s, request.sent_s, ended_s, ended_s - request.due_s)
        found = (request.status, request.length, error)
        texts = (*(f"{1000 * t:.3f}" for t in times), *("" if v is None else str(v) for v in found))
        yield "\t".join(texts)


def run(config: dict[str, Any]) -> None:
    """Send the load and write its file. Being interrupted ends it early."""
    due = arrivals(config["rate"], config["requests"], config["seed"])
    requests = [Request(due_s) for due_s in due]
    message = Path(config["message"]).read_bytes()
    begun = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        drive(requests, Connections(config["port"], message), time.monotonic)
    text = "\n".join(lines(requests, time.monotonic() - begun))
    Path(config["file"]).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    gc.disable()  # a collection would delay what is due
    run(json.loads(sys.argv[1]))
