"""Read what `ab` prints: its report and its percentile file, whole or broken off."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.measurement.records import AbFigures
from runner.text import last_line

REPORT_LINE = re.compile(r"^(?P<name>[A-Z][^:\n]*):[ \t]*(?P<value>.*?)[ \t]*$", re.MULTILINE)
PERCENTAGE_LINE = re.compile(r"\s*(?P<share>[0-9]{1,3})%\s+(?P<ms>\S.*)")
#: A number up to its end: a unit or a remark may follow, but nothing that could be more of it.
NUMBER = re.compile(
    r"(?P<number>-?[0-9]{1,15}(?:\.(?P<decimals>[0-9]{1,15}))?)"
    r"(?![0-9A-Za-z_.,'’])(?!\s*[^\s\w(\[{<#/\\|\"*=~（-]?[0-9])"
)
#: The numbers that a line of the table `Connection Times` begins with.
COLUMNS = re.compile(r"(?:(?:^|[\s|]+)-?[0-9]+(?:\.[0-9]+)?(?![-0-9A-Za-z_.,'’]))*")
VERSION = re.compile(r"This is ApacheBench, Version (\S+)")
GAVE_UP = re.compile(r"^Total of (\d+) requests completed", re.MULTILINE)
PATIENT = "(be patient)"
#: What `ab` prints while it goes on, and once more when all is done: below 150 requests on standard
#: output, above on standard error, so that a report alone may hold neither.
GOING_ON = re.compile(r"\(be patient\)\.\.\.|^Completed \d+ requests", re.MULTILINE)
STEP = re.compile(r"^Completed (\d+) requests", re.MULTILINE)
DONE = re.compile(r"\.\.done|^Finished \d+ requests", re.MULTILINE)
#: More than so many requests were asked for where no dots follow these words.
MANY = re.compile(r"\(be patient\)[ \t]*$", re.MULTILINE)
MANY_ABOVE = 150
#: A load that `ab -t` ended took a whole number of seconds, and up to this much more.
LATE_S = 0.05
PERCENTAGES = "Percentage of the requests served"
PRINTED_100 = re.compile(r"^\s*100%.*\((?:longest|last) request\)", re.MULTILINE)
REPORT_BEGINS = re.compile(r"^(?:Server Software|Concurrency Level):", re.MULTILINE)
FAILURES = re.compile(r"\((Connect: [0-9]{1,15}(?:, [A-Z][a-z]+: [0-9]{1,15})+)\)")
#: Lines that not every report has, by what they say; a report that seems to have none may hide one.
FLAWS = re.compile(r"\b(Non-2xx responses|Write errors|Broken pipe errors):\s*[1-9]")
#: What `ab` or a shell says where it cannot even begin.
NOT_BEGUN = re.compile(r"^(?:.*[\s/\\])?ab(?:\.exe)?: (\S.*)$", re.MULTILINE)
#: An error that `ab` ended with, in the form that APR gives it, and other lines that say nothing.
APR_ERROR = re.compile(r"^(?:.*\(be patient\)\.*)?[ \t]*(\S.*\([0-9]+\))[ \t]*$", re.MULTILINE)
NO_WORDS = re.compile(
    r"This is Apache|Copyright |Licensed |Benchmarking |Completed |Finished |Total of "
)
#: As many numbers the last line of that table has, also where two of them touch each other.
LEAST_COLUMNS = 2
#: Requests that could not be written, as `ab` 2.0 and 1.3 count them.
UNSENT = ("Write errors", "Broken pipe errors")
#: Lines of which a report has one.
ONCE = frozenset(
    {"Concurrency Level", "Time taken for tests", "Complete requests", "Failed requests",
     "Non-2xx responses", "Total transferred", "Requests per second", "Total"}
)  # fmt: skip

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
    """A report from its first to its last line. `version` is that of `ab`, if it is printed.

    `failures` are the failed requests by kind, as far as they are printed, `unsent` those that
    could not be written, `received_bytes` all that came back. A report that breaks off before its
    table of times has no latencies.
    """

    concurrency: int
    figures: AbFigures
    version: str | None
    failures: Mapping[str, int] = field(default_factory=dict)
    unsent: int = 0
    received_bytes: int | None = None
    has_latencies: bool = True


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A number as it is printed: up to half a unit of its last digit away from what it was."""

    value: float
    decimals: str

    @property
    def half_unit(self) -> float:
        """By how much it may have been rounded."""
        return 0.5 * 10.0 ** -len(self.decimals)

    @property
    def unpadded(self) -> Printed:
        """Seconds with microseconds behind them, as `ab` 2.0.40 prints 4.051029: as 4.51029."""
        whole = int(self.value)
        decimals = self.decimals.rjust(6, "0")
        return Printed(value=float(f"{whole}.{decimals}"), decimals=decimals)


# -- lines and numbers -----------------------------------------------------------------------------


def _fields(report: str) -> dict[str, str]:
    """`Name:  value` lines; of a name that may come twice, the first.

    Other programs print a `Total:`, too; that of `ab` has a row of numbers.
    """
    fields: dict[str, str] = {}
    for match in REPORT_LINE.finditer(report):
        if match["name"] == "Total" and len(_row(match["value"])) < LEAST_COLUMNS:
            continue
        first = fields.setdefault(match["name"], match["value"])
        if match["name"] in ONCE and first != match["value"]:
            raise AbReportError(
                f"it has two {match['name']!r} lines, {first!r} and {match['value']!r}; "
                "keep the lines of one report"
            )
    return fields


def _printed(fields: Mapping[str, str], name: str) -> Printed:
    """The number of a line; `AbReportError` if it is not there, or not a number as a whole."""
    if name not in fields:
        raise AbReportError(f"the report has no {name!r} line")
    match = NUMBER.match(fields[name])
    if match is None:
        raise _not_a_number(name, fields[name])
    return Printed(value=float(match["number"]), decimals=match["decimals"] or "")


def _not_a_number(name: str, text: str) -> AbReportError:
    return AbReportError(
        f"its {name!r} is {text[:40]!r}, which is not a number as ab prints one; correct the line"
    )


def _number(fields: Mapping[str, str], name: str) -> float:
    return _printed(fields, name).value


def _count(fields: Mapping[str, str], name: str) -> int:
    number = _printed(fields, name)
    if number.decimals or number.value < 0:
        raise _not_a_number(name, fields[name])
    return int(number.value)


def _optional_count(fields: Mapping[str, str], name: str) -> int | None:
    """A line that not every report has (`Document Length:  Variable` with `ab -l` is no number)."""
    return _count(fields, name) if fields.get(name, "")[:1].isdecimal() else None


def _row(text: str) -> list[float]:
    """The numbers that a line of the table `Connection Times` begins with."""
    match = COLUMNS.match(text)
    return [float(word) for word in match[0].replace("|", " ").split()] if match else []


def _connection_times(
    fields: Mapping[str, str],
) -> tuple[float | None, float | None, float | None]:
    """Mean, median and maximum in ms, from the table `Connection Times`, None for what it has not.

    Its columns are min, mean, sd, median, max, or with `ab -S` min, mean, max. With `-S` nothing
    separates a mean and a maximum of five digits. The line `Time per request` is no substitute for
    the mean: it is `c × T / n`, which is no latency where `ab` sends its first request alone.
    """
    columns = _row(fields.get("Total", ""))
    if len(columns) == 5:
        return columns[1], columns[3], columns[4]
    if len(columns) == 3:
        return columns[1], None, columns[2]
    return None, None, None


def _percentiles(report: str, percentiles_csv: str | None = None) -> dict[int, float]:
    """Percentage → ms: to the µs from the percentile file, else whole ms from the report."""
    if percentiles_csv:
        try:
            rows = list(csv.reader(io.StringIO(percentiles_csv)))[1:]
            return {int(row[0]): float(row[1]) for row in rows if len(row) == 2}
        except (ValueError, csv.Error) as error:
            raise AbReportError(f"the percentile file is none of ab's: {error}") from None
    found: dict[int, float] = {}
    for text in report.partition(PERCENTAGES)[2].splitlines():
        line = PERCENTAGE_LINE.match(text)
        if line is None and 100 in found:
            break  # what follows is another program's
        if line:
            name = f"{line['share']}%"
            ms = _number({name: line["ms"]}, name)
            if found.setdefault(int(line["share"]), ms) != ms:
                raise AbReportError(f"it has two {name!r} lines; keep the lines of one report")
    return found


# -- reports ---------------------------------------------------------------------------------------


def parse(report: str, percentiles_csv: str | None = None) -> AbFigures:
    """Figures of a report of ApacheBench 2.3; raise `AbReportError` if it is not one.

    A report of a single request has no percentile table, and its table of times is in whole ms:
    its `Time per request` is the time of that request. Nor has one made with `ab -d` a percentile
    table: there are but the median and the maximum of its connection times.
    """
    fields = _fields(report)
    complete = _count(fields, "Complete requests")
    mean_ms, median_ms, max_ms = _connection_times(fields)
    percentiles = _percentiles(report, percentiles_csv if complete > TOO_FEW_FOR_FILE else None)
    if complete == 1:
        if fields.get("Concurrency Level", "").split()[:1] == ["1"]:
            mean_ms = _number(fields, "Time per request")
        if mean_ms is not None:
            percentiles = dict.fromkeys((50, 90, 99, 100), mean_ms)
    return AbFigures(
        time_taken_s=_number(fields, "Time taken for tests"),
        complete=complete,
        failed=_count(fields, "Failed requests"),
        non_2xx=_count(fields, "Non-2xx responses") if "Non-2xx responses" in fields else 0,
        requests_per_second=_number(fields, "Requests per second") if complete else 0.0,
        mean_ms=mean_ms,
        p50_ms=percentiles.get(50, median_ms),
        p90_ms=percentiles.get(90),
        p99_ms=percentiles.get(99),
        max_ms=percentiles.get(100, max_ms),
        server_software=fields.get("Server Software") or None,
        document_length=_optional_count(fields, "Document Length"),
        html_bytes=_optional_count(fields, "HTML transferred"),
    )


def parse_whole(text: str) -> WholeReport:
    """Read a report without its percentile file; raise `AbReportError` for one broken off.

    Lines before the report are not read as part of it: with `ab -v` they hold whole answers.
    """
    begins = REPORT_BEGINS.search(text)
    report = text[begins.start() :] if begins else text
    fields = _fields(report)
    if begins is None:
        _refuse_given_up(text)
    concurrency = _count(fields, "Concurrency Level")
    if not concurrency:
        raise _not_a_number("Concurrency Level", fields["Concurrency Level"])
    time_s = _agreed_time(fields)
    figures = parse(report).model_copy(update={"time_taken_s": time_s})
    _refuse_parts(report, fields)
    if _was_stopped(text, figures):
        raise AbReportError(
            f"ab was stopped before its last request, {figures.complete} were complete; "
            "give a report of a whole load"
        )
    version, failures = VERSION.search(text), FAILURES.search(report)
    return WholeReport(
        concurrency=concurrency,
        figures=figures,
        version=version[1] if version else None,
        failures=_kinds(failures[1]) if failures else {},
        unsent=sum(_count(fields, name) for name in UNSENT if name in fields),
        received_bytes=_optional_count(fields, "Total transferred"),
        has_latencies="Total" in fields,
    )


def _refuse_parts(report: str, fields: Mapping[str, str]) -> None:
    """`AbReportError` for a report that lacks lines, or has those of two."""
    shares = _percentiles(report)
    if PERCENTAGES in report and 100 not in shares:
        raise AbReportError(
            "the report breaks off in its table of percentiles; give all that ab printed"
        )
    if "Total transferred" not in fields:  # where it should be are lines that tell of failures
        raise AbReportError("the report has no 'Total transferred' line; give all that ab printed")
    for line in FLAWS.finditer(report):
        if line[1] not in fields:
            raise AbReportError(
                f"its {line[1]!r} line begins with something else; give it as ab printed it"
            )
    if len(PRINTED_100.findall(report)) > 1:
        raise AbReportError("it has two tables of percentiles; keep the lines of one report")
    _, _, longest = _connection_times(fields)
    if longest is not None and longest != shares.get(100, longest):
        raise AbReportError(
            f"its longest request took {longest:g} ms by one table and {shares[100]:g} ms by the "
            "other; keep the lines of one report"
        )


def _kinds(text: str) -> dict[str, int]:
    pairs = (pair.split(": ") for pair in text.split(", "))
    return {kind: int(number) for kind, number in pairs}


def _agreed_time(fields: Mapping[str, str]) -> float:
    """The time that a load took, in seconds; `AbReportError` if the printed rate contradicts it.

    `ab` 2.0.40 prints microseconds without leading zeros, which the rate tells, too.
    """
    taken, complete = _printed(fields, "Time taken for tests"), _count(fields, "Complete requests")
    if not complete:
        return taken.value  # `ab` prints no rate of nothing
    rate = _printed(fields, "Requests per second")
    for time in (taken, taken.unpadded):
        if time.value >= 0 and _agree(complete, time, rate):
            return time.value
    raise AbReportError(
        f"{complete} requests in {taken.value:g} s are not the {rate.value:g} per second that it "
        "says; correct what is not as ab printed it"
    )


def _agree(complete: int, time: Printed, rate: Printed) -> bool:
    """Whether requests ÷ time can be the rate: some values that round to those printed must."""
    longest, shortest = time.value + time.half_unit, time.value - time.half_unit
    slack = 1 + 1e-9  # the bounds themselves are possible
    is_low_enough = complete / longest <= (rate.value + rate.half_unit) * slack
    return is_low_enough and (rate.value - rate.half_unit) * max(shortest, 0) <= complete * slack


def _was_stopped(text: str, figures: AbFigures) -> bool:
    """Whether a signal ended `ab` early: it began to show its progress, and never that it is done.

    Before a tenth of many requests there is no progress to show, but that they were many is known.
    """
    if DONE.search(text) or _went_to_its_end(text, figures.complete):
        return False
    if GOING_ON.search(text):
        return True
    seconds = figures.time_taken_s
    may_be_limited = seconds >= 1 and seconds % 1 <= LATE_S
    return bool(MANY.search(text)) and figures.complete <= MANY_ABOVE and not may_be_limited


def _went_to_its_end(text: str, complete: int) -> bool:
    """Whether the progress reached the last of ten steps, of which the last words may be cut."""
    steps = [int(number) for number in STEP.findall(text)]
    return bool(steps) and 10 * min(steps) <= max(steps) == complete


def _refuse_given_up(text: str) -> None:
    """`AbReportError` with the last words of an `ab` that gave up, if this is one's output."""
    if not_begun := NOT_BEGUN.search(text):
        raise AbReportError(f"ab printed no report: {not_begun[1]}")
    given_up, words = GAVE_UP.search(text), _last_words(text)
    if not given_up and PATIENT not in text:
        return
    if not given_up and not words:
        raise AbReportError("it ends where ab had begun; give a report of a whole load")
    after = f" after {given_up[1]} requests" if given_up else ""
    raise AbReportError(f"ab gave up{after} and printed no report" + (words and f": {words}"))


def _last_words(text: str) -> str:
    """The error that `ab` ended with, or else its last line that is no progress."""
    if errors := APR_ERROR.findall(text):
        return str(errors[-1])
    lines = [line.partition(PATIENT)[2].strip(".") or line for line in text.splitlines()]
    said = [line.strip() for line in lines if not NO_WORDS.match(line)]
    return next((line for line in reversed(said) if any(map(str.isalpha, line))), "")


def exit_reason(code: int | None, stderr: str) -> str:
    """One line for an `ab` that failed: what the exit status means and what it printed last."""
    meaning = EXIT_REASONS.get(code or 0, f"exit status {code}")
    last = last_line(stderr)
    return f"ab: {meaning}" + (f" ({last})" if last else "")
