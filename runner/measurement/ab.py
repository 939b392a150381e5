"""Read what `ab` prints: its report and its percentile file, whole or broken off."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass

from runner.measurement.records import AbFigures

REPORT_LINE = re.compile(r"^(?P<name>[A-Z][^:\n]*):[ \t]+(?P<value>.*?)[ \t]*$", re.MULTILINE)
PERCENTAGE_LINE = re.compile(r"^\s*(?P<share>\d+)%\s+(?P<ms>\d+)", re.MULTILINE)
FIRST_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
VERSION = re.compile(r"This is ApacheBench, Version (\S+)")
GAVE_UP = re.compile(r"^Total of (\d+) requests completed", re.MULTILINE)
#: What `ab` prints while it goes on, and once more when all is done: below 150 requests on standard
#: output, above on standard error, so that a report alone may hold neither.
GOING_ON = re.compile(r"\(be patient\)\.\.\.|^Completed \d+ requests", re.MULTILINE)
DONE = re.compile(r"\.\.done|^Finished \d+ requests", re.MULTILINE)
PERCENTAGES = "Percentage of the requests served"

#: Exit statuses are APR's: an errno of the system, or 1 for a report cut short by a signal.
EXIT_REASONS = {
    104: "connection reset by the server",
    111: "connection refused",
}


#: Up to this many requests the percentile file cannot be used: for share p of n requests `ab` takes
#: the sorted time number ⌊0.5 + p n⌋, which for p = 0.99 and n ≤ 50 is one past the last.
TOO_FEW_FOR_FILE = 50


class AbReportError(ValueError):
    """A text that is not a complete report of `ab`; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class WholeReport:
    """A report from its first to its last line. `version` is that of `ab`, if it is printed."""

    concurrency: int
    figures: AbFigures
    version: str | None


def _fields(report: str) -> dict[str, str]:
    """`Name:  value` lines; of a name that comes twice, the first."""
    fields: dict[str, str] = {}
    for match in REPORT_LINE.finditer(report):
        fields.setdefault(match["name"], match["value"])
    return fields


def _connection_times(fields: dict[str, str]) -> tuple[float, float | None, float | None]:
    """Mean, median and maximum in ms, from the table `Connection Times`.

    Its columns are min, mean, sd, median, max, or with `ab -S` min, mean, max. The mean is not
    `Time per request`, but where there is nothing else: that is `c × T / n`, which is no latency
    at all where `ab` sends its first request alone.
    """
    columns = [float(match) for match in FIRST_NUMBER.findall(fields.get("Total", ""))]
    if len(columns) == 5:
        return columns[1], columns[3], columns[4]
    if len(columns) == 3:
        return columns[1], None, columns[2]
    return _number(fields, "Time per request"), None, None


def _number(fields: dict[str, str], name: str) -> float:
    match = FIRST_NUMBER.search(fields.get(name, ""))
    if match is None:
        raise AbReportError(f"the report has no {name!r} line")
    number = float(match.group())
    if not math.isfinite(number):
        raise AbReportError(f"the report's {name!r} is no number that ab could print")
    return number


def _count(fields: dict[str, str], name: str) -> int | None:
    """A line that not every report has (`Document Length:  Variable` with `ab -l` is no number)."""
    match = FIRST_NUMBER.match(fields.get(name, ""))
    return int(float(match.group())) if match else None


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
    """Figures of a report of ApacheBench 2.3; raise `AbReportError` if it is not one.

    A report of a single request has no percentile table: its mean is used for each of them. Nor
    has one made with `ab -d`: there are but the median and the maximum of its connection times.
    """
    fields = _fields(report)
    mean_ms, median_ms, max_ms = _connection_times(fields)
    complete = int(_number(fields, "Complete requests"))
    percentiles = _percentiles(report, percentiles_csv if complete > TOO_FEW_FOR_FILE else None)
    if complete == 1:
        percentiles = dict.fromkeys((50, 90, 99, 100), mean_ms) | percentiles
    return AbFigures(
        time_taken_s=_number(fields, "Time taken for tests"),
        complete=complete,
        failed=int(_number(fields, "Failed requests")),
        non_2xx=int(_number(fields, "Non-2xx responses")) if "Non-2xx responses" in fields else 0,
        requests_per_second=_number(fields, "Requests per second"),
        mean_ms=mean_ms,
        p50_ms=percentiles.get(50, median_ms),
        p90_ms=percentiles.get(90),
        p99_ms=percentiles.get(99),
        max_ms=percentiles.get(100, max_ms),
        server_software=fields.get("Server Software") or None,
        document_length=_count(fields, "Document Length"),
        html_bytes=_count(fields, "HTML transferred"),
    )


def parse_whole(report: str) -> WholeReport:
    """Read a report without its percentile file; raise `AbReportError` for one broken off."""
    if (given_up := GAVE_UP.search(report)) and "Complete requests" not in report:
        raise AbReportError(f"ab gave up after {given_up[1]} requests and printed no report")
    fields = _fields(report)
    for name in ("Concurrency Level", "Time taken for tests", "Complete requests", "Total"):
        _number(fields, name)
    if PERCENTAGES in report and 100 not in _percentiles(report, None):
        raise AbReportError("the report breaks off in its table of percentiles")
    if GOING_ON.search(report) and not DONE.search(report):
        complete = fields["Complete requests"]
        raise AbReportError(f"ab was stopped before its last request, {complete} were complete")
    version = VERSION.search(report)
    return WholeReport(
        concurrency=int(_number(fields, "Concurrency Level")),
        figures=parse(report),
        version=version[1] if version else None,
    )


def exit_reason(code: int | None, stderr: str) -> str:
    """One line for an `ab` that failed: what the exit status means and what it printed last."""
    meaning = EXIT_REASONS.get(code or 0, f"exit status {code}")
    last = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "")
    return f"ab: {meaning}" + (f" ({last})" if last else "")
