"""`matrix import-ab` on reports as logs, pages and programs hand them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Matrix, assert_error

REPORTS = Path(__file__).parents[2] / "data" / "reports"
REPORT = (REPORTS / "ansi.txt").read_text(encoding="utf-8")
REPORT = REPORT.replace("\x1b[32m", "").replace("\x1b[0m", "")
FAILURES = "Failed requests:        0\n"
NON_2XX = "Non-2xx responses:      1000"
RATE = "Requests per second:    215.81 [#/sec] (mean)"
STOPPED = (REPORTS / "interrupted-before-the-first-tenth.txt").read_text(encoding="utf-8")
#: What a load of many requests printed while it went on.
STEPS = "".join(f"Completed {n}00 requests\n" for n in range(1, 11))
BEGUN = "Benchmarking host.example (be patient)\n"


def row() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path("results/latest/table.json").read_text("utf-8"))
    [only] = table["rows"]
    return dict(only)


def written(text: str | bytes) -> str:
    Path("a.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "a.txt"


def changed(*changes: tuple[str, str]) -> str:
    text = REPORT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def lines(shape: Callable[[int, str], str]) -> str:
    return "\n".join(shape(n, line) for n, line in enumerate(REPORT.splitlines())) + "\n"


def as_row(_: int, line: str) -> str:
    """A line as a row of a table in Markdown: its name and its value, or its columns."""
    name, colon, value = line.partition(":")
    if not colon:
        name, percent, value = line.strip().partition("%")
        name += percent
    return f"| {name}{colon} | {' | '.join(value.split('  '))} |" if value else line


WRAPPED: dict[str, str | bytes] = {
    "GitLab": lines(lambda n, t: f"2026-11-27T09:59:{n:02}.{n}23456Z 00O {t}"),
    "Jenkins": lines(lambda n, t: f"[2026-11-27T09:59:{n:02}.0{n}Z] {t}"),
    "Jenkins, in parallel": lines(lambda n, t: f"[bench] {t}"),
    "Buildkite": lines(lambda n, t: f"\x1b_bk;t=17642{n}\x07{t}"),
    "kubectl": lines(lambda n, t: f"2026-11-27T09:59:{n:02}.{n:09}Z {t}"),
    "CRI": lines(lambda n, t: f"2026-11-27T09:59:{n:02}.{n:09}+01:00 stdout F {t}"),
    "the journal": lines(lambda n, t: f"Nov 27 09:59:{n:02} host ab[47{n}]: {t}"),
    "compose with times": lines(lambda n, t: f"bench-1  | 2026-11-27T09:59:{n:02}.{n}Z {t}"),
    "compose, padded": lines(lambda n, t: f"bench-1  | {t:<180}"),
    "durations": lines(lambda n, t: f"[{n}m{n}s] {t}"),
    "hours": lines(lambda n, t: f"1h{n}m{n}.5s | {t}"),
    "Docker's files": lines(
        lambda n, t: json.dumps({"log": f"{t}\n", "stream": "stdout", "time": f"2026-{n}"})
    ),
    "a list in JSON": lines(lambda _, t: f"        {json.dumps(t)},"),
    "a list in Python": lines(lambda _, t: f"    {t!r},"),
    "a box": lines(lambda _, t: f"│ {t:<80} │"),
    "grep": lines(lambda n, t: f"out.txt:{n}:{t}"),
    "diff": lines(lambda _, t: f"+{t}"),
    "bullets": lines(lambda _, t: f"* {t}" if t else ""),
    "a table": lines(as_row),
    "rows of lines": lines(lambda _, t: f"| {t:<80} |"),
    "all bold": lines(lambda _, t: f"**{t}**" if t else ""),
    "bold names": lines(lambda _, t: f"**{t.replace(':', ':**', 1)}" if ":" in t else t),
    "a bold line": changed((RATE, f"**{RATE}**"), ("Total:", "__Total:"), ("1202\n", "1202__\n")),
    "CRLF and a mark": b"\xef\xbb\xbf" + REPORT.replace("\n", "\r\n").encode(),
    "ends of lines shown": lines(lambda _, t: f"{t}$"),
    "zero-width spaces": lines(lambda _, t: "\u200b" + t.replace(":", ":\u200b\ufeff", 1)),
    "wide spaces": REPORT.replace("  ", "\u3000\u2009"),
    "no-break spaces": REPORT.replace(" ", "\u00a0"),
    "colours without their escape": lines(lambda _, t: f"[1;32m{t}[0m"),
    "escapes written out": lines(lambda n, t: ("^[[1m", "\\e[1m", "␛[1m")[n % 3] + t + "^[[0m"),
    "a remark on each number": lines(lambda _, t: f"{t}   <- 这里" if ":" in t else t),
    "another program's lines": REPORT
    + "\n  50%  635.91us\n  99%  1.20ms\nTotal: 12 tests\n100% |████| done\nTotal: 3.5 s\n",
    "its progress alone": changed((BEGUN, BEGUN + STEPS)),
    "ab -v": REPORT.replace("\n\nServer", "\nLOG: header received:\n" * 50_000 + "\nServer", 1),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_a_report_is_taken_out_of_what_is_around_it(matrix: Matrix, case: str) -> None:
    said = matrix("import-ab", "mine", written(WRAPPED[case]))
    assert (said.code, said.err) == (0, "")
    found = row()
    assert found["outcome"] == "ok"
    assert found["requests_per_second"] == pytest.approx(215.81, abs=0.005)
    times = [found[name] for name in ("mean_ms", "p50_ms", "p90_ms", "max_ms")]
    assert times == [223, 172, 221, 1202]


@pytest.mark.parametrize(
    "line",
    [NON_2XX, f"**{NON_2XX}**", f"[31m{NON_2XX}[0m", f"\u200b{NON_2XX}", f"| {NON_2XX} |"],
)
def test_a_stressed_line_of_failures_is_read(matrix: Matrix, line: str) -> None:
    matrix("import-ab", "mine", written(changed((FAILURES, f"{FAILURES}{line}\n"))))
    assert row()["reason"].startswith("1,000 answers with a status other than 2xx")


@pytest.mark.parametrize("before", ["=> ", "!! ", "2) ", "<<<"])
def test_a_line_of_failures_is_never_passed_over(matrix: Matrix, before: str) -> None:
    file = written(changed((FAILURES, f"{FAILURES}{before}{NON_2XX}\n")))
    assert_error(matrix("import-ab", "mine", file), "'Non-2xx responses' line begins with")
    explained = f"{FAILURES}# Non-2xx responses: how many were no success\n"
    assert matrix("import-ab", "mine", written(changed((FAILURES, explained)))).code == 0


@pytest.mark.parametrize("line", ["Write errors:           14", "Broken pipe errors:     14"])
def test_requests_that_were_not_sent_are_no_other_length(matrix: Matrix, line: str) -> None:
    failed = "Failed requests:        14\n   (Connect: 0, Receive: 0, Length: 14, Exceptions: 0)\n"
    file = written(changed((FAILURES, f"{failed}{line}\n")))
    matrix("import-ab", "mine", file, "--ignore-length")
    assert row()["reason"].startswith("14 requests could not be sent")
    matrix("import-ab", "mine", written(changed((FAILURES, f"{FAILURES}{line[:-2]}0\n"))))
    assert row()["outcome"] == "ok"


PARTS = {
    "a gap": (changed((FAILURES + "Total transferred:      408000 bytes\n", FAILURES)), "'Total t"),
    "tables of two": (changed((" 1202 (", " 1203 (")), "1202 ms by one table and 1203 ms"),
    "the tail of another": (REPORT + "\n\n" + REPORT[REPORT.index("Percentage") :], "two tables"),
    "another's last line": (REPORT + "\n 100%   1203 (longest request)\n", "two tables"),
    "stopped, in JSON": (
        "".join(json.dumps({"log": f"{t}\n"}) + "\n" for t in STOPPED.splitlines()),
        "stopped before its last request, 91 were complete",
    ),
    "nothing yet": (BEGUN.strip() + "...", "it ends where ab had begun"),
    "its progress": (BEGUN + STEPS + "Finished 1000 requests\n", "it ends where ab had begun"),
    "stopped at once": (
        BEGUN.strip() + "..." + REPORT[REPORT.index("\n\nServer") : REPORT.index("Requests per")]
        .replace("1000\n", "0\n").replace("408000 bytes", "0 bytes"),
        "stopped before its last request, 0 were complete",
    ),
    "too many clients": (
        "/usr/bin/ab: Cannot use concurrency level greater than total number of requests\nUsage: x",
        "ab printed no report: Cannot use concurrency level",
    ),
    "no ab": ("$ ab -n 5 -c 2\nbash: ab: command not found\n", "command not found"),
    "a file of NULs": (REPORT + "\0" * 9, "not a text (byte"),
}  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
def test_a_part_is_no_report(matrix: Matrix, case: str) -> None:
    text, words = PARTS[case]
    assert_error(matrix("import-ab", "mine", written(text)), words)
    assert not Path("results").exists()


@pytest.mark.parametrize("separator", "٬·´`˙，:;'\u202f\u2009")
def test_digits_behind_any_separator_belong_to_the_number(matrix: Matrix, separator: str) -> None:
    file = written(changed(("  1202 (", f" 1{separator}202 (")))
    assert_error(matrix("import-ab", "mine", file), "its '100%' is", "correct the line")


def test_nothing_complete_is_a_failure(matrix: Matrix) -> None:
    cut = REPORT[: REPORT.index("Requests per")].replace(BEGUN, BEGUN + "Finished 0 requests\n")
    for number in (" 1000\n", " 408000 ", " 223000 "):
        assert number in cut
        cut = cut.replace(number, " 0" + number[-1])
    said = matrix("import-ab", "mine", written(cut))
    assert said.code == 0, said.err
    assert row()["reason"].startswith("no request was completed")


def test_the_progress_of_a_second_load_is_none_of_the_first(matrix: Matrix) -> None:
    whole = STEPS + "Finished 1000 requests\n" + REPORT
    stopped = STEPS.partition("Completed 900")[0] + REPORT
    file = written(whole + stopped)
    assert_error(matrix("import-ab", "mine", file), "the output of 2 runs")
    said = matrix("import-ab", "mine", file, "--split")
    assert_error(said, "report 2 of 2", "stopped before its last request")
