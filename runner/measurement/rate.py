"""Figures of a load at a fixed rate, from what its generator wrote of every request."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.measurement.asked import Right
from runner.measurement.records import AbFigures, Answers, RateFigures
from runner.measurement.served import most_frequent

#: What the client got, where that is an answer and not the right one.
WRONG_STATUS, WRONG_LENGTH = "wrong status", "wrong length"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request. Times in ms; `latency_ms` is from the moment when it was due."""

    lag_ms: float
    ended_ms: float
    latency_ms: float
    status: int | None
    error: str | None


def figures(
    archive: bytes, rate: float, requests: int, right: Right
) -> tuple[AbFigures, Answers, RateFigures]:
    """The figures of so many requests at so many per second; `archive` is the gzipped file.

    Latencies are those of answered requests. The load's time is how long the requests were due, or
    the time between the first and the last answer, whichever is longer: a server that keeps up has
    the rate that was sent. Raises a ValueError for a file that is none.
    """
    try:
        sent = list(_read(gzip.decompress(archive).decode(), right))
    except (OSError, EOFError, zlib.error, KeyError, TypeError) as error:
        raise ValueError(f"the requests' file cannot be read: {error}") from None
    answered = [one for one in sent if one.status is not None]
    ends = [one.ended_ms for one in answered]
    seconds = max(requests / rate, (max(ends) - min(ends)) / 1000 if ends else 0.0)
    errors = Counter(one.error for one in sent if one.error)
    times = sorted(one.latency_ms for one in answered)
    wrong = Counter(one.status for one in sent if one.status and one.error == WRONG_STATUS)
    return (
        AbFigures(
            time_taken_s=seconds,
            complete=len(answered),
            failed=sum(errors.values()) - errors[WRONG_STATUS],
            non_2xx=sum(one.status not in range(200, 300) for one in answered),
            requests_per_second=len(answered) / seconds,
            mean_ms=sum(times) / len(times) if times else 0.0,
            p50_ms=share_of(times, 0.5),
            p90_ms=share_of(times, 0.9),
            p99_ms=share_of(times, 0.99),
            max_ms=share_of(times, 1.0),
        ),
        Answers(
            right=len(sent) - sum(errors.values()),
            wrong_status=errors[WRONG_STATUS],
            wrong_length=errors[WRONG_LENGTH],
            missing=len(sent) - len(answered),
            most_wrong_status=most_frequent(wrong),
        ),
        _lags(sent, rate, requests, errors),
    )


def _lags(
    sent: Sequence[Sent], rate: float, requests: int, errors: Mapping[str, int]
) -> RateFigures:
    lags = sorted(one.lag_ms for one in sent)
    return RateFigures(
        rate=rate,
        requests=requests,
        sent=len(sent),
        lag_p50_ms=share_of(lags, 0.5),
        lag_p99_ms=share_of(lags, 0.99),
        lag_max_ms=share_of(lags, 1.0),
        errors=dict(errors),
    )


def share_of(in_order: Sequence[float], share: float) -> float | None:
    """The least value that so large a share of the sorted values does not exceed."""
    if not in_order:
        return None
    return in_order[max(0, math.ceil(share * len(in_order)) - 1)]


def _read(text: str, right: Right) -> Iterator[Sent]:
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        status = int(row["status"]) if row["status"] else None
        error = row["error"] or None
        if status is not None and status not in right.statuses:
            error = WRONG_STATUS
        elif status is not None and right.is_wrong_length(status, int(row["length"])):
            error = WRONG_LENGTH
        yield Sent(
            lag_ms=float(row["sent"]) - float(row["due"]),
            ended_ms=float(row["ended"]),
            latency_ms=float(row["ttime"]),
            status=status,
            error=error,
        )


def flaw(load: RateFigures) -> str | None:
    """Why a load that came to its end is not accepted, None where it is."""
    words = [f"{number:,} {kind}" for kind, number in sorted(load.errors.items())]
    return f"of {load.sent:,} requests: {', '.join(words)}" if words else None
