"""What the server's processes recorded of a load, and what it says about concurrency and answers.

Each request is recorded where it enters and leaves the WSGI application (`recording.py` of the
server program), so this holds for every server, for requests of any length, and for any number of
processes.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from runner.measurement.records import AbFigures, Answers, Served


class Request(NamedTuple):
    """One request in the application; times in seconds after the load's begin.

    `left_s` is None where it never left. `status` is 0 where the application raised.
    """

    process: int
    entered_s: float
    left_s: float | None
    status: int
    length: int


def parse(archive: bytes) -> list[Request]:
    """Read the agent's table, gzipped; `ValueError` where it is none."""
    rows = csv.DictReader(io.StringIO(gzip.decompress(archive).decode()), delimiter="\t")
    return [
        Request(
            process=int(row["process"]),
            entered_s=int(row["entered_us"]) / 1e6,
            left_s=int(row["left_us"]) / 1e6 if row["left_us"] else None,
            status=int(row["status"]),
            length=int(row["length"]),
        )
        for row in rows
    ]


def served(requests: Sequence[Request], lone_s: float | None) -> Served | None:
    """How many requests were in the application, and how many progressed at a time; None of none.

    The load lasts from the first entry to the last exit, T seconds. `in_flight` is the mean number
    of requests inside over T: the sum of their times divided by T (Little's law). `at_a_time` is
    the number answered / T × `lone_s`, the time that one takes alone, in seconds: as many as would
    have to progress at once, each as fast as alone, to answer so many. A request that something
    slowed while it was alone does not show how fast that is: none is faster under load than alone,
    so the mean under load takes its place if it is shorter (`Served.service_ms`).
    """
    times = [(request.entered_s, request.left_s) for request in requests if request.left_s]
    if not times:
        return None
    inside = [left - entered for entered, left in times if left is not None]
    lasted = max(left or 0.0 for _, left in times) - min(request.entered_s for request in requests)
    if lasted <= 0:
        return None
    mean_s = sum(inside) / len(inside)
    return Served(
        processes=_busy_processes(requests),
        entered=len(requests),
        left=len(times),
        in_flight=sum(inside) / lasted,
        at_a_time=None if lone_s is None else len(times) / lasted * min(lone_s, mean_s),
        lone_service_ms=None if lone_s is None else 1000 * lone_s,
        mean_service_ms=1000 * mean_s,
    )


def _busy_processes(requests: Sequence[Request]) -> int:
    """How many processes served: those with at least half of an even share of the requests."""
    counts = Counter(request.process for request in requests)
    return sum(2 * number * len(counts) >= len(requests) for number in counts.values())


def sent_right(requests: Sequence[Request], status: int, length: int) -> int:
    """How many answers the server sent with this status and a body of this length in bytes."""
    return sum(r.status == status and r.length == length for r in requests)


def answers(
    requests: Sequence[Request], figures: AbFigures, status: int, length: int
) -> Answers | None:
    """How many answers were right, and what was wrong with the others.

    The right one has this status and a body of this length in bytes. The server knows what it
    answered, the client only how many bytes came: of its answers that the server sent right, so
    many arrived as their bytes allow. `ab`'s own count of failures compares each length with that
    of the first answer, right or not; it counts only where the first was right. None where a
    process of the server did not record its requests.
    """
    if len(requests) < figures.complete and _has_no_complaint(figures, length):
        return None
    sent = sent_right(requests, status, length)
    wrong_status = sum(r.status != status for r in requests if r.left_s is not None)
    wrong_length = sum(r.status == status and r.length != length for r in requests)
    arrived = min(sent, figures.complete - figures.non_2xx)
    if figures.html_bytes is not None and length:
        others = sum(r.length for r in requests) - sent * length
        arrived = min(arrived, max(0, figures.html_bytes - others) // length)
    if figures.document_length in {None, length}:
        arrived = min(arrived, figures.complete - figures.failed)
    left = figures.complete - arrived
    wrong_status = min(wrong_status, left)
    wrong_length = min(wrong_length, left - wrong_status)
    return Answers(
        right=arrived,
        wrong_status=wrong_status,
        wrong_length=wrong_length,
        missing=left - wrong_status - wrong_length,
    )


def _has_no_complaint(figures: AbFigures, length: int) -> bool:
    """Whether every answer that `ab` got is right by what `ab` knows."""
    return (
        not figures.failed
        and not figures.non_2xx
        and figures.document_length == length
        and figures.html_bytes == length * figures.complete
    )
