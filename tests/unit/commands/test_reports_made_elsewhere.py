"""`matrix import-ab` on reports as people publish them, and on others of the same kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Matrix, assert_error

REPORTS = Path(__file__).parents[2] / "data" / "reports"
WHOLE = "short-run-1000-in-0.086s.txt"


def rows() -> list[dict[str, Any]]:
    table: dict[str, Any] = json.loads(Path("results/latest/table.json").read_text("utf-8"))
    return list(table["rows"])


def text_of(name: str) -> str:
    return (REPORTS / name).read_text(encoding="utf-8")


def written(text: str | bytes, name: str = "a.txt") -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def with_changes(changes: dict[str, str], name: str = WHOLE) -> str:
    text = text_of(name)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def two_reports() -> list[str]:
    other = with_changes({"11572.60": "11573.60"})
    return [written(text_of(WHOLE), "1.txt"), written(other, "2.txt")]


TAKEN = {
    "ab-2.0.40-seconds.txt": 1234.25,
    "ab-2.0.40-t30-annotated.txt": 34.24,
    "ab-2.0.40-blog.txt": 66.29,
    "short-run-100-in-0.049s.txt": 2061.73,
    WHOLE: 11572.60,
    "one-request-0.030s.txt": 32.91,
    "indented.md": 20835.24,
    "actions-log.txt": 2126.66,
    "comment-prefix.txt": 95.00,
    "ansi.txt": 215.81,
    "one-request-0.238ms.txt": 4201.68,
    "S-columns-run-together.txt": 0.09,
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_rate_is_the_more_exact_one(matrix: Matrix, name: str) -> None:
    said = matrix("import-ab", "mine", str(REPORTS / name))
    assert (said.code, said.err) == (0, "")
    [row] = rows()
    assert row["outcome"] == "ok"
    assert row["requests_per_second"] == pytest.approx(TAKEN[name], abs=0.005)


FAILED = {
    "not-one-byte-answered.txt": "of 500,000 requests, none was answered: ab received 0 bytes",
    "ssl-handshake-failed.txt": "of 5 requests, none was answered: ab received 0 bytes",
    "docker-compose-prefix.txt": "158,534 answers with a status other than 2xx",
    "quoted.md": "32 answers with a status other than 2xx",
    "one-length-failure-in-10000.txt": "1 of 10,000, by its length",
}


@pytest.mark.parametrize("name", FAILED)
def test_failed_requests_say_how(matrix: Matrix, name: str) -> None:
    said = matrix("import-ab", "mine", str(REPORTS / name))
    assert said.code == 0, said.err
    [row] = rows()
    assert (row["outcome"], row["requests_per_second"]) == ("failed-requests", None)
    assert FAILED[name] in row["reason"]
    assert FAILED[name] in said.out


REFUSED = {
    "two-reports-in-one-file.txt": ("2 runs of ab", "--split"),
    "two-reports-only-the-second-has-non-2xx.txt": ("2 runs of ab", "--split"),
    "two-reports-only-the-second-has-failures.txt": ("2 runs of ab", "--split"),
    "number-with-a-space-in-it.txt": ("'Time taken for tests' is '7. 379 seconds'",),
    "thousands-separator.txt": ("'Complete requests' is '1,000'",),
    "utf16-powershell.txt": ("UTF-16", "save it as UTF-8"),
    "cut-before-connection-times.txt": ("no 'Total' line", "give all that ab printed"),
    "cut-and-br.md": ("in HTML", "give the text that ab prints"),
    "html-w.html": ("in HTML", "ab -w"),
    "interrupted-before-the-first-tenth.txt": ("stopped before its last request, 91 were",),
    "annotated-stopped.txt": ("stopped before its last request, 1286 were complete",),
    "timeout-70007.txt": ("apr_pollset_poll: The timeout specified has expired (70007)",),
    "connection-refused.txt": ("apr_socket_recv: Connection refused (111)",),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_one_clear_error(matrix: Matrix, name: str) -> None:
    assert_error(matrix("import-ab", "mine", str(REPORTS / name)), name, *REFUSED[name])
    assert not Path("results").exists()


def test_every_report_here_has_its_answer() -> None:
    names = {path.name for path in REPORTS.iterdir() if path.is_file()} - {"README.md"}
    assert names == {*TAKEN, *FAILED, *REFUSED}


# -- several reports -------------------------------------------------------------------------------


def test_a_file_that_is_split_has_a_launch_for_each_report(matrix: Matrix) -> None:
    file = str(REPORTS / "two-reports-in-one-file.txt")
    assert matrix("import-ab", "mine", file, "--split").code == 0
    [row] = rows()
    assert (row["launches"], row["outcome"]) == (2, "ok")
    assert row["requests_per_second"] == pytest.approx((1470.81 + 1439.69) / 2)
    launches = Path("results/latest/cells").glob("*/launch-*/ab.txt")
    paths = [path.read_text(encoding="utf-8").count("Requests per second") for path in launches]
    assert paths == [1, 1]


def test_of_a_split_file_each_report_has_its_own_failures(matrix: Matrix) -> None:
    file = str(REPORTS / "two-reports-only-the-second-has-non-2xx.txt")
    assert matrix("import-ab", "mine", file, "--split").code == 0
    [row] = rows()
    assert row["reason"].startswith("1 of 2 launches: ok; 1: failed-requests (1,000 answers with")


def test_of_a_split_file_an_error_names_the_report(matrix: Matrix) -> None:
    file = written(text_of(WHOLE) + text_of("connection-refused.txt"))
    assert_error(matrix("import-ab", "mine", file), "2 runs of ab")
    assert_error(matrix("import-ab", "mine", file, "--split"), "report 2 of 2", "refused (111)")


def test_interleaved_reports_are_not_mixed(matrix: Matrix) -> None:
    one = text_of(WHOLE).splitlines()
    two = with_changes({"11572.60": "11627.91"}).splitlines()
    lines = [line for pair in zip(one, two, strict=True) for line in pair]
    file = written("\n".join(lines))
    assert_error(matrix("import-ab", "mine", file), "runs of ab")
    assert_error(matrix("import-ab", "mine", file, "--split"), "report 1 of")


def test_a_second_figure_in_a_report_is_refused(matrix: Matrix) -> None:
    rate = "Requests per second:    11601.00 [#/sec] (mean)\n"
    assert_error(
        matrix("import-ab", "mine", written(text_of(WHOLE) + rate)),
        "two 'Requests per second' lines", "11601.00", "one report",
    )  # fmt: skip
    share = " 99%      9\n"
    file = written(text_of(WHOLE) + share)
    assert_error(matrix("import-ab", "mine", file), "two '99%' lines")


SAME_NAME = [str(path) for path in sorted((REPORTS / "same-name").glob("*/test0.txt"))]


def test_reports_of_one_file_name_need_a_word(matrix: Matrix) -> None:
    said = matrix("import-ab", "mine", *SAME_NAME)
    assert_error(said, "one file name", "label=NAME:FILE", "--launches-of-one-cell")
    same = [f"python=3.11:{file}" for file in SAME_NAME]
    assert_error(matrix("import-ab", "mine", *same), "one file name")


def test_that_they_are_launches_of_one_cell_can_be_said(matrix: Matrix) -> None:
    assert matrix("import-ab", "mine", *SAME_NAME, "--launches-of-one-cell").code == 0
    [row] = rows()
    assert (row["cell"], row["launches"]) == ("test0", 4)
    assert matrix("import-ab", "mine", *two_reports(), "--launches-of-one-cell").code == 0
    assert [row["launches"] for row in rows()] == [2]


@pytest.mark.parametrize("label", ["server", "label", "framework"])
def test_four_servers_are_four_rows(matrix: Matrix, label: str) -> None:
    files = [f"{label}={Path(file).parent.name}:{file}" for file in SAME_NAME]
    said = matrix("import-ab", "mine", *files)
    assert said.code == 0, said.err
    found = {row[label]: round(row["requests_per_second"], 2) for row in rows()}
    assert found == {"apache": 207.82, "go": 215.81, "nginx": 278.29, "node": 263.02}
    table = said.out.splitlines()
    assert label in table[0].split()
    assert "cell" not in table[0].split()


def test_equal_labels_make_launches_and_a_remark(matrix: Matrix) -> None:
    two = [
        written(text_of(WHOLE), "1.txt"),
        written(with_changes({"11572.60": "11573.60"}), "2.txt"),
    ]
    said = matrix("import-ab", "mine", *(f"label=x:{file}" for file in two))
    assert [row["launches"] for row in rows()] == [2]
    assert said.err == "2 reports are launches of one cell, x: label=x:1.txt, label=x:2.txt\n"


# -- what a row is ---------------------------------------------------------------------------------


def test_rows_that_nothing_else_tells_apart_have_their_name(matrix: Matrix) -> None:
    names = ["one.txt", "two.txt", "three.txt"]
    rates = ["11572.60", "11573.60", "11574.60"]
    for name, rate in zip(names, rates, strict=True):
        written(with_changes({"11572.60": rate}), name)
    said = matrix("import-ab", "mine", *names)
    assert said.out.split()[0] == "cell"
    assert {line.split()[0] for line in said.out.splitlines()[2:5]} == {"one", "two", "three"}
    pivoted = matrix("table", "--pivot", "concurrency").out
    assert all(name.removesuffix(".txt") in pivoted for name in names)


def test_labels_of_ones_own_are_columns(matrix: Matrix) -> None:
    labels = ("framework=Go,uvicorn=0.30.1", "label=with cache (warm),uvicorn=0.31")
    files = [":".join(pair) for pair in zip(labels, two_reports(), strict=True)]
    assert matrix("import-ab", "mine", *files).code == 0
    by_cell = {row["cell"]: row for row in rows()}
    assert by_cell.keys() == {"framework-Go-uvicorn0.30.1", "with-cache-warm-uvicorn0.31"}
    assert by_cell["framework-Go-uvicorn0.30.1"]["framework"] == "Go"
    assert by_cell["framework-Go-uvicorn0.30.1"]["uvicorn"] == "0.30.1"
    assert by_cell["with-cache-warm-uvicorn0.31"]["label"] == "with cache (warm)"
    assert matrix("table", "--pivot", "framework").code == 0
    assert matrix("export", "--format", "openmetrics").code == 0


def test_a_label_is_no_package_even_if_it_is_a_number(matrix: Matrix) -> None:
    assert matrix("import-ab", "mine", f"label=2.0:{written(text_of(WHOLE))}").code == 0
    run = json.loads(Path("results/latest/run.json").read_text(encoding="utf-8"))
    [cell] = run["cells"]
    assert (cell["id"], cell["axes"], cell["packages"]) == ("2.0", {"label": "2.0"}, {})


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("labl=x", "did you mean 'label'"),
        ("servers=nginx", "did you mean 'server'"),
        ("server=werkzeg", "did you mean 'werkzeug'"),
        ("outcome=ok", "the table has such a column"),
        ("seconds=2", "--seconds"),
        (f"label={'x' * 61}", "1 to 60 characters"),
        ("gunicorn=new", "not a version"),
    ],
)
def test_labels_that_cannot_be_meant(matrix: Matrix, label: str, words: str) -> None:
    assert_error(matrix("import-ab", "mine", f"{label}:{written(text_of(WHOLE))}"), words)


def test_different_labels_that_come_to_one_name(matrix: Matrix) -> None:
    files = [
        written(text_of(WHOLE), "1.txt"),
        written(with_changes({"11572.60": "11573.60"}), "2.txt"),
    ]
    said = matrix("import-ab", "mine", f"label=a b:{files[0]}", f"label=a-b:{files[1]}")
    assert_error(said, "both be called a-b", "label one of them differently")


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    ["1 000", "1'000", "1_000", "1.000", "1000.5", "1e3", "1\u00a0000", "１０００", "1000k", ""],
)
def test_a_number_is_read_whole_or_refused(matrix: Matrix, number: str) -> None:
    text = with_changes({"requests:      1000": f"requests:      {number}"})
    assert_error(matrix("import-ab", "mine", written(text)), "'Complete requests' is")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("0.086 seconds", "0,086 seconds", "Time taken for tests"),
        ("11572.60 [", "11 572.60 [", "Requests per second"),
        ("Level:      10", "Level:      1,0", "Concurrency Level"),
        ("Level:      10", "Level:      0", "Concurrency Level"),
        ("Failed requests:        0", "Failed requests:        0.0", "Failed requests"),
        ("transferred:      2785000", "transferred:      2,785,000", "Total transferred"),
        ("100%      3 (", "100%      1,003 (", "100%"),
    ],
)
def test_the_same_of_every_figure(matrix: Matrix, old: str, new: str, name: str) -> None:
    file = written(with_changes({old: new}))
    assert_error(matrix("import-ab", "mine", file), f"its '{name}' is", "correct the line")


@pytest.mark.parametrize("remark", ["   # all of them", "  <- here", "（全部）", " //总数 1000"])
def test_a_remark_behind_a_number_is_none_of_it(matrix: Matrix, remark: str) -> None:
    text = with_changes({"requests:      1000": f"requests:      1000{remark}"})
    assert matrix("import-ab", "mine", written(text)).code == 0
    assert rows()[0]["requests"] == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"0.086 seconds": "0.096 seconds"},
        {"requests:      1000": "requests:      1010"},
        {"11572.60 [": "11720.00 ["},
        {"0.086 seconds": "1.86 seconds"},
    ],
)
def test_time_and_rate_must_agree(matrix: Matrix, changes: dict[str, str]) -> None:
    said = matrix("import-ab", "mine", written(with_changes(changes)))
    assert_error(said, "requests in", "are not the", "per second that it says")


# -- what ab said ----------------------------------------------------------------------------------


def test_a_failure_by_length_can_be_accepted(matrix: Matrix) -> None:
    file = str(REPORTS / "one-length-failure-in-10000.txt")
    said = matrix("import-ab", "mine", file, "--ignore-length")
    [row] = rows()
    assert (row["outcome"], row["failed_requests"]) == ("ok", 1)
    assert row["requests_per_second"] == pytest.approx(572.52, abs=0.005)
    assert "accepted as right (--ignore-length)" in said.out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Receive: 0, Length: 1": "Receive: 1, Length: 0"}, "1 failed requests (Receive 1)"),
        (
            {"requests:        1\n": "requests:        2\n", "Receive: 0": "Receive: 1"},
            "2 failed requests (Receive 1, Length 1)",
        ),
        ({"   (Connect: 0, Receive: 0, Length: 1, Exceptions: 0)\n": ""}, "1 failed requests"),
    ],
)
def test_other_failures_are_not_accepted(
    matrix: Matrix, changes: dict[str, str], reason: str
) -> None:
    file = written(with_changes(changes, "one-length-failure-in-10000.txt"))
    matrix("import-ab", "mine", file, "--ignore-length")
    [row] = rows()
    assert row["outcome"] == "failed-requests"
    assert reason in row["reason"]


def test_several_failures_by_length(matrix: Matrix) -> None:
    changes = {"requests:        1\n": "requests:        1800\n", "Length: 1,": "Length: 1800,"}
    matrix("import-ab", "mine", written(with_changes(changes, "one-length-failure-in-10000.txt")))
    assert rows()[0]["reason"].startswith("1,800 of 10,000, by their length")


def test_fewer_bytes_than_answers(matrix: Matrix) -> None:
    changes = {"2785000 bytes": "3000 bytes"}
    matrix("import-ab", "mine", written(with_changes(changes)))
    assert (
        rows()[0]["reason"] == "of 1,000 requests, not all were answered: ab received 3,000 bytes"
    )


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("apr_socket_connect(): Connection refused (61)", ": apr_socket_connect(): Connection"),
        (
            "\nTest aborted after 10 failures\n\napr_socket_connect(): Operation timed out (60)",
            "(60)",
        ),
        (
            "apr_poll: Timeout (70007)\nTotal of 3 requests completed",
            "after 3 requests and printed",
        ),
        ("\nCompleted 100 requests\nSSL read failed (5) - closing connection", "SSL read failed"),
        ("\nsocket: Too many open files (24)\nuser@host:~$", ": socket: Too many open files (24)"),
    ],
)
def test_the_last_words_of_an_ab_that_gave_up(matrix: Matrix, ending: str, words: str) -> None:
    start = text_of("connection-refused.txt").partition("apr_")[0]
    assert_error(matrix("import-ab", "mine", written(start + ending)), "ab gave up", words)


def test_a_report_cut_off_early_is_no_ab_that_gave_up(matrix: Matrix) -> None:
    text = text_of(WHOLE).partition("Concurrency Level")[0]
    assert_error(matrix("import-ab", "mine", written(text)), "no 'Concurrency Level' line")


def test_few_requests_of_a_load_limited_in_time_are_a_whole_load(matrix: Matrix) -> None:
    changes = {"0.996 seconds": "1.001 seconds", "91.37 [": "90.91 ["}
    text = with_changes(changes, "interrupted-before-the-first-tenth.txt")
    assert matrix("import-ab", "mine", written(text)).code == 0


def test_no_mean_is_made_up(matrix: Matrix) -> None:
    matrix("import-ab", "mine", str(REPORTS / "S-columns-run-together.txt"))
    [row] = rows()
    assert (row["mean_ms"], row["p50_ms"], row["max_ms"]) == (None, 11002, 11002)


@pytest.mark.parametrize(
    ("name", "ms"), [("one-request-0.238ms.txt", 0.238), ("one-request-0.030s.txt", 30.389)]
)
def test_the_time_of_a_single_request(matrix: Matrix, name: str, ms: float) -> None:
    matrix("import-ab", "mine", str(REPORTS / name))
    [row] = rows()
    assert (row["mean_ms"], row["p50_ms"], row["max_ms"]) == (ms, ms, ms)


def test_what_is_in_front_of_a_verbose_report_is_no_part_of_it(matrix: Matrix) -> None:
    text = with_changes({"\n\nServer Software": "\nTotal:  1 2 3 4 5\n 99%  7\n\nServer Software"})
    assert matrix("import-ab", "mine", written(text)).code == 0
    assert (rows()[0]["mean_ms"], rows()[0]["max_ms"]) == (1, 3)


@pytest.mark.parametrize("others", ["2026-02-30", "1-2-3", "12-5 of 9", "-5-5"])
def test_another_programs_total_is_none_of_ab_s(matrix: Matrix, others: str) -> None:
    text = with_changes({"\nConcurrency Level": f"\nTotal:  {others}\nConcurrency Level"})
    assert matrix("import-ab", "mine", written(text)).code == 0
    assert (rows()[0]["mean_ms"], rows()[0]["max_ms"]) == (1, 3)


# -- prefixes --------------------------------------------------------------------------------------

PREFIXES = {
    "a tab": "\t",
    "quoted twice": "> > ",
    "a list in a quote": ">     ",
    "comments of C": "// ",
    "of SQL": "-- ",
    "compose, version 2": "bench-1  | ",
    "coloured compose": "\x1b[36mab_1  |\x1b[0m ",
    "Kubernetes": "[pod/ab-7d9f/ab] ",
    "a step of a job": "build\tRun ab\t2024-03-01T09:59:5{0}.12345{0}Z ",
    "a time": "[09:5{0}:0{0}] ",
    "syslog": "Mar  1 09:59:5{0} host ab[4711]: ",
    "seconds since the start": "#8 {0}.{0}12 ",
    "numbers of lines": "  {n}\t",
    "a level": "INFO  2024-03-01 09:59:5{0},12{0} - ",
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_common_prefix_is_taken_off(matrix: Matrix, prefix: str) -> None:
    text = text_of("ansi.txt")
    lines = [
        f"{PREFIXES[prefix].format(n % 10, n=n)}{line}".rstrip()
        for n, line in enumerate(text.splitlines(), start=8)
    ]
    said = matrix("import-ab", "mine", written("\n".join(lines)))
    assert said.code == 0, said.err
    [row] = rows()
    assert row["requests_per_second"] == pytest.approx(215.81, abs=0.005)
    assert (row["mean_ms"], row["p50_ms"], row["p99_ms"], row["max_ms"]) == (223, 172, 1186, 1202)


def test_other_programs_lines_in_a_log_are_none_of_the_report(matrix: Matrix) -> None:
    lines = text_of("docker-compose-prefix.txt").splitlines()
    other = [f"web_1        | {line}" for line in ("Total:  9 9 9 9 9", " 99%  9", "GET / 404")]
    noisy = [text for line in lines for text in (line, *other)]
    assert matrix("import-ab", "mine", written("\n".join(noisy))).code == 0
    assert "158,534 answers" in rows()[0]["reason"]


@pytest.mark.parametrize(
    ("encoding", "end", "words"),
    [
        ("utf-16", "", "not UTF-8 but UTF-16"),
        ("utf-16-le", "", "not UTF-8 but UTF-16"),
        ("utf-16-be", "", "not UTF-8 but UTF-16"),
        ("latin-1", "\u00e9", "not UTF-8 (byte"),
    ],
)
def test_another_encoding_is_named(matrix: Matrix, encoding: str, end: str, words: str) -> None:
    file = written((text_of(WHOLE) + end).encode(encoding))
    assert_error(matrix("import-ab", "mine", file), words, "save it as UTF-8")
