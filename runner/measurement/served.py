"""What the server's processes recorded of a load, and what it says about concurrency and answers.

Each request is recorded where it enters and leaves the WSGI application (`recording.py` of the
server program), so this holds for every server, for requests of any length, and for any number of
processes.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from runner.matrix.application import BODILESS
from runner.measurement.asked import Right
from runner.measurement.records import AbFigures, Answers, Served

#: A single request may take its time, and nobody waits for it.
SEVERAL_INSIDE = 2
#: From so many seconds on, requests that do not move stand still.
STALLED_S = 1.0


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
    try:
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
    except (OSError, EOFError, zlib.error, csv.Error, KeyError, TypeError) as error:
        raise ValueError(f"the server's recording: {error}") from None


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


def standstills(requests: Sequence[Request]) -> tuple[float, ...]:
    """The times, in seconds, in which no request entered or left though several were inside.

    Each is less the shortest time that a request takes: so long nothing need happen. Only those
    count that are no mere delay.
    """
    times = [(r.entered_s, 1) for r in requests]
    times += [(r.left_s, -1) for r in requests if r.left_s is not None]
    inside = (r.left_s - r.entered_s for r in requests if r.left_s is not None)
    shortest_s = min(inside, default=0.0)
    found, number = [], 0
    for (at, change), (after, _) in itertools.pairwise(sorted(times)):
        number += change
        if number >= SEVERAL_INSIDE:
            found.append(after - at - shortest_s)
    return tuple(one for one in found if one >= STALLED_S)


def _busy_processes(requests: Sequence[Request]) -> int:
    """How many processes served: those with at least half of an even share of the requests."""
    counts = Counter(request.process for request in requests)
    return sum(2 * number * len(counts) >= len(requests) for number in counts.values())


def sent_right(requests: Sequence[Request], right: Right) -> int:
    """How many right answers the server sent."""
    return sum(right.is_right(r.status, r.length) for r in requests)


def answers(requests: Sequence[Request], figures: AbFigures, right: Right) -> Answers | None:
    """How many answers were right, and what was wrong with the others.

    The server knows what it answered, the client only how many bytes came: of its answers that the
    server sent right, so many arrived as their bytes allow. None where a process of the server did
    not record its requests.
    """
    if len(requests) < figures.complete and _has_no_complaint(figures, right):
        return None
    sent = [r for r in requests if right.is_right(r.status, r.length)]
    arrived = _arrived(requests, sent, figures, right)
    statuses = Counter(
        r.status for r in requests if r.left_s is not None and r.status not in right.statuses
    )
    wrong_length = sum(
        r.status in right.statuses and right.is_wrong_length(r.status, r.length) for r in requests
    )
    left = figures.complete - arrived
    wrong_status = min(statuses.total(), left)
    wrong_length = min(wrong_length, left - wrong_status)
    return Answers(
        right=arrived,
        wrong_status=wrong_status,
        wrong_length=wrong_length,
        missing=left - wrong_status - wrong_length,
        most_wrong_status=most_frequent(statuses) if wrong_status else None,
    )


def most_frequent(statuses: Counter[int]) -> int | None:
    """The most frequent status, the lowest of several; 500 where the application raised."""
    most = max(statuses.values(), default=0)
    found = min((status for status, number in statuses.items() if number == most), default=None)
    return HTTPStatus.INTERNAL_SERVER_ERROR if found == 0 else found


def _arrived(
    requests: Sequence[Request], sent: Sequence[Request], figures: AbFigures, right: Right
) -> int:
    """How many of the answers that the server sent right the client can have got.

    `ab`'s own count of failures compares each length with that of the first answer, right or not;
    it counts only where the first was right.
    """
    others = sum(not _is_2xx(request.status) for request in sent)
    arrived = min(len(sent) - others, max(0, figures.complete - figures.non_2xx))
    arrived += min(others, figures.non_2xx)
    if figures.html_bytes is not None:
        expected = sum(right.sent_bytes(r.status, r.length) for r in requests)
        if (lacking := expected - figures.html_bytes) > 0:
            lengths = (right.sent_bytes(r.status, r.length) for r in sent)
            arrived = min(arrived, len(sent) - _fewest(lengths, lacking))
    if right.length is None or figures.document_length in {None, right.length}:
        arrived = min(arrived, figures.complete - figures.failed)
    return max(0, arrived)


def _fewest(lengths: Iterable[int], lacking: int) -> int:
    """At least how many answers are missing, where so many bytes are."""
    number = 0
    for length in sorted(lengths, reverse=True):
        if lacking <= 0 or not length:
            break
        lacking -= length
        number += 1
    return number


def _is_2xx(status: int) -> bool:
    return 200 <= status < 300


def _has_no_complaint(figures: AbFigures, right: Right) -> bool:
    """Whether every answer that `ab` got is right by what `ab` knows."""
    if figures.failed or has_wrong_status(figures, right):
        return False
    if right.length is None:
        return True
    length = right.length if right.statuses.isdisjoint(BODILESS) else None
    return length is None or (
        figures.document_length == length and figures.html_bytes == length * figures.complete
    )


def has_wrong_status(figures: AbFigures, right: Right) -> bool:
    """Whether `ab` got answers of a status that is not right: it counts those other than 2xx."""
    kinds = {_is_2xx(status) for status in right.statuses}
    if kinds == {True}:
        return figures.non_2xx > 0
    return kinds == {False} and figures.non_2xx < figures.complete
