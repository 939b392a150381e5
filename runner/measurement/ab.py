"""Read what `ab` prints: its report and its percentile file, whole or broken off."""

from __future__ import annotations

import csv
import io
import re

from runner.measurement.records import AbFigures

REPORT_LINE = re.compile(r"^(?P<name>[A-Z][^:\n]*):[ \t]+(?P<value>.*?)[ \t]*$", re.MULTILINE)
PERCENTAGE_LINE = re.compile(r"^\s*(?P<share>\d+)%\s+(?P<ms>\d+)", re.MULTILINE)
FIRST_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

#: Exit statuses are APR's: an errno of the system, or 1 for a report cut short by a signal.
EXIT_REASONS = {
    104: "connection reset by the server",
    111: "connection refused",
    119: "no socket moved within ab's timeout",
}
#: ab's way of saying that no answer came within `-s` seconds.
POLL_TIMEOUT = 119


#: Up to this many requests the percentile file cannot be used: for share p of n requests `ab` takes
#: the sorted time number ⌊0.5 + p n⌋, which for p = 0.99 and n ≤ 50 is one past the last.
TOO_FEW_FOR_FILE = 50


class AbReportError(ValueError):
    """A text that is not a complete report of `ab`; the message says what is missing."""


def _fields(report: str) -> dict[str, str]:
    """`Name:  value` lines; of a name that comes twice, the first."""
    fields: dict[str, str] = {}
    for match in REPORT_LINE.finditer(report):
        fields.setdefault(match["name"], match["value"])
    return fields


def _mean_ms(fields: dict[str, str]) -> float:
    """The mean latency in ms, from the table `Connection Times` (min, mean, sd, median, max).

    Not `Time per request`: that is `c × T / n`, which is no latency at all where `ab` sends its
    first request alone.
    """
    columns = fields.get("Total", "").split()
    return float(columns[1]) if len(columns) == 5 else _number(fields, "Time per request")


def _number(fields: dict[str, str], name: str) -> float:
    match = FIRST_NUMBER.search(fields.get(name, ""))
    if match is None:
        raise AbReportError(f"the report has no {name!r} line")
    return float(match.group())


def _percentiles(report: str, percentiles_csv: str | None) -> dict[int, float]:
    """Percentage → ms: to the µs from the percentile file, else whole ms from the report."""
    if percentiles_csv:
        try:
            rows = list(csv.reader(io.StringIO(percentiles_csv)))[1:]
            return {int(row[0]): float(row[1]) for row in rows if len(row) == 2}
        except (ValueError, csv.Error) as error:
            raise AbReportError(f"the percentile file is none of ab's: {error}") from None
    return {int(m["share"]): float(m["ms"]) for m in PERCENTAGE_LINE.finditer(report)}


def parse(report: str, percentiles_csv: str | None = None) -> AbFigures:
    """Figures of a report of ApacheBench 2.3; raise `AbReportError` where it is not one.

    A report of a single request has no percentile table: its mean then stands for each of them.
    """
    fields = _fields(report)
    mean_ms = _mean_ms(fields)
    complete = int(_number(fields, "Complete requests"))
    percentiles = _percentiles(report, percentiles_csv if complete > TOO_FEW_FOR_FILE else None)

    def at(share: int) -> float:
        return percentiles.get(share, mean_ms)

    return AbFigures(
        time_taken_s=_number(fields, "Time taken for tests"),
        complete=complete,
        failed=int(_number(fields, "Failed requests")),
        non_2xx=int(_number(fields, "Non-2xx responses")) if "Non-2xx responses" in fields else 0,
        requests_per_second=_number(fields, "Requests per second"),
        mean_ms=mean_ms,
        p50_ms=at(50),
        p90_ms=at(90),
        p99_ms=at(99),
        max_ms=at(100),
        server_software=fields.get("Server Software") or None,
    )


def exit_reason(code: int | None, stderr: str) -> str:
    """One line for an `ab` that failed: what the exit status means and what it printed last."""
    meaning = EXIT_REASONS.get(code or 0, f"exit status {code}")
    last = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "")
    return f"ab: {meaning}" + (f" ({last})" if last else "")
