"""`matrix import-ab` through the real command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.outcome import Outcome
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.command_line import Matrix, assert_error
from tests.support.samples import cell, launch, run_record

ARTICLE = Path(__file__).parents[3] / "docs" / "article"
REPORT = (ARTICLE / "ab-gevent.txt").read_text(encoding="utf-8")
SAID = ("patch=gevent,server=werkzeug", "patch=grpc,server=werkzeug")
FILES = (f"{SAID[0]}:{ARTICLE}/ab-gevent.txt", f"{SAID[1]}:{ARTICLE}/ab-grpc_gevent.txt")
SLEEP = ("--workload", "sleep", "--seconds", "2")


def rows(results: Path = Path("results")) -> dict[str, dict[str, Any]]:
    table = json.loads((results / "latest" / "table.json").read_text(encoding="utf-8"))
    return {row["cell"]: row for row in table["rows"]}


def stored() -> RunRecord:
    return RunDirectory(results=Path("results"), path=Path("results/latest")).read_run()


def written(name: str, text: str = REPORT, changes: Mapping[str, str] | None = None) -> str:
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_the_articles_reports_are_a_run(matrix: Matrix) -> None:
    said = matrix("import-ab", "article-2023", *FILES, *SLEEP, "--note", "From the article.")
    assert said.code == 0, said.err
    found = rows()
    assert [*found] == ["gevent-werkzeug", "grpc-werkzeug"]
    assert [round(row["requests_per_second"], 2) for row in found.values()] == [49.77, 49.83]
    assert {row["ceiling_rps"] for row in found.values()} == {50.0}
    assert {row["outcome"] for row in found.values()} == {"ok"}
    assert {row["concurrency"] for row in found.values()} == {100}
    unknown = {"python", "gevent", "grpcio", "cpu_ms_per_request", "peak_rss_mib", "speedup"}
    assert {row[key] for row in found.values() for key in unknown} == {None}
    for words in ("Imported from ab reports made elsewhere", "not known", "From the article."):
        assert words in said.out


def test_the_command_that_the_guide_gives(
    matrix: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (ARTICLE / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    [line] = [line for line in guide.splitlines() if line.startswith("matrix import-ab")]
    monkeypatch.chdir(ARTICLE.parents[1])
    assert matrix(*shlex.split(line)[1:], "--results", str(tmp_path)).code == 0
    assert {row["ceiling_rps"] for row in rows(tmp_path).values()} == {50.0}


def test_what_is_not_said_is_not_in_the_record(matrix: Matrix) -> None:
    matrix("import-ab", "article-2023", *FILES, *SLEEP)
    run = stored()
    assert run.is_imported
    assert run.method.ab_first_request_alone is False
    facts = (run.host, run.engine, run.limits, run.jobs, run.seed, run.method.ab_version)
    assert {*facts} == {None}
    assert {(c.python, c.environment, c.image) for c in run.cells} == {(None, None, None)}


def article_of_today(results: Path) -> str:
    """Path of a run of the experiment `article`, with the ceiling of today's ab."""

    def of(patch: str, server: str) -> CellRecord:
        return cell("3.11", patch, further={"server": server}, suffix=f"-{server}")

    cells = [
        of(patch, server)
        for patch in ("none", "gevent", "grpc")
        for server in ("werkzeug", "werkzeug-single")
    ]
    run = run_record(*cells, axes=("python", "patch", "server"))
    directory = RunDirectory(results=results, path=results / "article" / run.run_id)
    directory.path.mkdir(parents=True)
    directory.write_run(run.model_copy(update={"experiment": "article"}))
    for made in cells:
        single = made.server == "werkzeug-single"
        record = launch(
            made,
            rate=0.5 if single else 48.9,
            outcome=Outcome.SERIALISED if single else Outcome.OK,
        )
        directory.write_launch(record.model_copy(update={"ceiling_rps": 5000 / 102}), {})
    return str(directory.path)


def test_the_article_beside_a_run_of_today(matrix: Matrix, tmp_path: Path) -> None:
    matrix("import-ab", "article-2023", *FILES, *SLEEP)
    old = str(Path("results/latest").resolve())
    said = matrix("compare", old, article_of_today(tmp_path))
    assert said.code == 0
    for line in (
        "  method version: none (imported from ab reports) → 1",
        "  baseline: no cell → patch none",
        "  host: not known → bench",
        "  engine: not known → 20.10.24",
        "  ab sends its first request alone: False → True",
        "  all 2 cells: versions of Python and packages: not known → locked",
    ):
        assert line in said.out.splitlines(), line
    assert "  all 2 cells: ceiling: 50.00/s → 49.02/s: 2.0 % of difference is the load" in said.out
    assert "CPUs" not in said.out
    table = [line.split("  ") for line in said.out.splitlines() if "werkzeug" in line]
    labels = [cells[0] for cells in table]
    assert "gevent-werkzeug → py3.11-gevent-werkzeug" in labels
    assert "grpc-werkzeug → py3.11-grpc-werkzeug" in labels
    assert "undecided: requests/s, p99 of gevent-werkzeug → py3.11-gevent-werkzeug" in said.out
    assert "outcomes: 4 new, 2 same outcome\n" in said.out
    assert said.out.endswith("no regression\n")
    back = matrix("compare", str(tmp_path / "article" / "20261101T120000Z"), old)
    assert "py3.11-gevent-werkzeug → gevent-werkzeug" in back.out
    assert "49.02/s → 50.00/s" in back.out


def test_show_prints_the_report_and_says_that_nothing_reproduces_it(matrix: Matrix) -> None:
    matrix("import-ab", "article-2023", *FILES, *SLEEP)
    said = matrix("show", "latest", "gevent-werkzeug")
    assert "Time taken for tests:   100.455 seconds" in said.out
    assert "Python not known, patch gevent, server werkzeug" in said.out
    assert "server software: Werkzeug/2.2.3" in said.out
    assert "started at not known" in said.out
    assert said.out.rstrip().endswith("no commands can reproduce it")


@pytest.mark.parametrize("format_", ["pyperf", "junit", "openmetrics", "csv", "bencher"])
def test_exports_and_tables_take_it(matrix: Matrix, format_: str) -> None:
    matrix("import-ab", "mine", *FILES)
    assert matrix("export", "--format", format_).code == 0
    assert matrix("table", "--pivot", "patch").code == 0


def test_without_a_service_time_there_is_no_ceiling(matrix: Matrix) -> None:
    matrix("import-ab", "mine", str(ARTICLE / "ab-gevent.txt"))
    [(name, row)] = rows().items()
    assert name == "ab-gevent"
    assert (row["ceiling_rps"], row["workload"], row["patch"]) == (None, None, None)
    assert stored().method.ab_first_request_alone is None


@pytest.mark.parametrize(
    ("changes", "seconds", "ceiling", "alone"),
    [
        ({}, "2", 50.0, False),
        # Either kind of ab can have taken so long.
        ({"100.455": "102.400", "49.77": "48.83"}, "2", None, None),
        ({}, "1.9", None, None),
    ],
)
def test_how_ab_began_is_told_by_the_time_alone(
    matrix: Matrix,
    changes: dict[str, str],
    seconds: str,
    ceiling: float | None,
    alone: bool | None,
) -> None:
    file = written("a.txt", changes=changes)
    matrix("import-ab", "mine", file, "--seconds", seconds)
    assert rows()["a"]["ceiling_rps"] == ceiling
    assert stored().method.ab_first_request_alone is alone


def test_where_both_kinds_of_ab_need_the_same_the_ceiling_is_known(matrix: Matrix) -> None:
    changes = {"requests:      5000": "requests:      5001", "100.455": "102.100"}
    changes |= {"49.77": "48.98"}
    matrix("import-ab", "mine", written("a.txt", changes=changes), "--seconds", "2")
    assert rows()["a"]["ceiling_rps"] == 5001 / 102
    assert stored().method.ab_first_request_alone is None


def test_the_ceiling_of_a_server_that_takes_one_request_at_a_time(matrix: Matrix) -> None:
    said = f"server=werkzeug-single:{written('a.txt')}"
    matrix("import-ab", "mine", said, "--seconds", "0.02")
    row = rows()["werkzeug-single"]
    # Which kind of ab this was cannot be told: it takes 100 s either way.
    assert (row["configuration_rps"], row["ceiling_rps"], row["efficiency"]) == (50, None, None)


def test_efficiency_is_against_what_the_clients_could_get(matrix: Matrix) -> None:
    """Sixteen at a time need 626 s, or 628 s if the first request is sent alone."""
    file = written("a.txt", changes={"100.455": "627.000", "49.77": "7.97"})
    said = f"server=gunicorn-gthread-w1-t16:{file}"
    assert matrix("import-ab", "mine", said, "--seconds", "2").code == 0
    row = rows()["gunicorn-gthread-w1-t16"]
    assert (row["ceiling_rps"], row["configuration_rps"]) == (50, pytest.approx(5000 / 626))
    assert row["efficiency"] == pytest.approx(5000 / 627 / 50)


@pytest.mark.parametrize(
    ("changes", "figures"),
    [
        (
            {"Level:      100": "Level:      50"},
            (
                "ab reports 5,000 requests of 2,006 ms in the mean, and that 50 clients sent them "
                "in 100.455 s, which cannot be: the latencies add up to 10,030.0 s, and so many "
                "clients have 5,022.8 s in that time"
            ),
        ),
        (
            {"100.455": "2.000", "49.77": "2500.00", "Level:      100": "Level:      9000"},
            "ab reports a request of 2,051 ms in a load of 2.000 s, which cannot be",
        ),
    ],
)
def test_a_report_that_cannot_be_is_refused(
    matrix: Matrix, changes: dict[str, str], figures: str
) -> None:
    said = matrix("import-ab", "mine", *FILES, written("cooked.txt", changes=changes))
    assert_error(said, f"cooked.txt: {figures}")
    assert not Path("results").exists()


def test_reports_of_one_cell_are_its_launches(matrix: Matrix) -> None:
    files = [written(f"{n}.txt", changes={"100.455": f"100.45{n}"}) for n in range(6, 9)]
    said = matrix("import-ab", "mine", *(f"python=3.11,patch=none:{f}" for f in files))
    assert rows()["py3.11-none"]["launches"] == 3
    assert "each cell launched 3 times" in said.out
    path = Path("results/latest/cells/py3.11-none/launch-02")
    assert (path / "ab.txt").read_text(encoding="utf-8") == Path(files[1]).read_text("utf-8")


def test_concurrency_is_an_axis_where_it_differs(matrix: Matrix) -> None:
    other = written("b.txt", changes={"Level:      100": "Level:      200"})
    files = [f"Flask=2.2.5,patch=none:{file}" for file in (written("a.txt"), other)]
    matrix("import-ab", "mine", *files)
    assert [*rows()] == ["flask2.2.5-none-c100", "flask2.2.5-none-c200"]
    assert stored().axes == ("flask", "patch", "concurrency")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Failed requests:        0": "Failed requests:        7"}, "7 failed requests"),
        ({"Total transferred": "Non-2xx responses:      3\nTotal transferred"}, "other than 2xx"),
    ],
)
def test_what_ab_counts_as_success_and_is_none(
    matrix: Matrix, changes: dict[str, str], reason: str
) -> None:
    said = matrix("import-ab", "mine", written("a.txt", changes=changes), *SLEEP)
    assert rows()["a"]["outcome"] == "failed-requests"
    assert rows()["a"]["requests_per_second"] is None
    assert reason in said.out


def test_a_windows_file_is_a_report_too(matrix: Matrix) -> None:
    Path("a.txt").write_bytes(b"\xef\xbb\xbf" + REPORT.replace("\n", "\r\n").encode())
    assert matrix("import-ab", "mine", "a.txt").code == 0
    assert rows()["a"]["max_ms"] == 2051


BROKEN = {
    "an empty file": ("", "no 'Concurrency Level' line"),
    "foreign": ("Running 30s test @ 127.0.0.1\n  2 threads\n", "not a complete report of ab"),
    "ab gave up": (
        "apr_socket_recv: Connection refused (111)\nTotal of 81 requests completed\n",
        "gave up after 81 requests",
    ),
    "cut off early": (REPORT.partition("Connection Times")[0], "no 'Total' line"),
    "cut off late": (REPORT.partition("  75%")[0], "breaks off in its table of percentiles"),
    "interrupted": (
        f"Benchmarking 127.0.0.1 (be patient)\nCompleted 500 requests\n^C\n{REPORT}",
        "stopped before its last request",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_whole_report(matrix: Matrix, case: str) -> None:
    text, words = BROKEN[case]
    said = matrix("import-ab", "mine", written("a.txt", text))
    assert_error(said, "a.txt", words)


def test_a_whole_report_with_its_progress(matrix: Matrix) -> None:
    started = "This is ApacheBench, Version 2.3 <$Revision: 1430300 $>\n"
    progress = (
        "Benchmarking 127.0.0.1 (be patient)\nCompleted 500 requests\nFinished 500 requests\n"
    )
    assert matrix("import-ab", "mine", written("a.txt", f"{started}{progress}{REPORT}")).code == 0
    assert stored().method.ab_version == "2.3"


LINES: dict[str, tuple[tuple[str, ...], *tuple[str, ...]]] = {
    "no such file": (("nowhere.txt",), "nowhere.txt: no such file", "AXIS=VALUE"),
    "a directory": (("results",), "results: cannot be read"),
    "misspelt axis": (("pach=none:a.txt",), "pach: unknown axis", "did you mean 'patch'"),
    "misspelt patch": (("patch=gevnet:a.txt",), "patch: unknown", "did you mean 'gevent'"),
    "misspelt server": (("server=werkzeg:a.txt",), "did you mean 'werkzeug'"),
    "no Python": (("python=2:a.txt",), "python:", "X.Y"),
    "no exact version": (("gevent=22.*:a.txt",), "gevent: give the exact version"),
    "no value": (("patch=:a.txt",), "patch: give a value"),
    "said twice": (("patch=none,patch=grpc:a.txt",), "patch is given twice"),
    "a load that is in the report": (("concurrency=5:a.txt",), "in the report"),
    "no workload": (("a.txt", "--workload", "slep"), "--workload", "did you mean 'sleep'"),
    "no seconds": (("a.txt", "--seconds", "two"), "--seconds", "'two'"),
    "too long": (("a.txt", "--seconds", "3"), "5000 requests of 3 s", "150 s", "--seconds"),
    "the same report": (("a.txt", "b.txt"), "b.txt: the same report as a.txt"),
    "another load": (
        ("patch=none:a.txt", "patch=none:c.txt"),
        "-n 5000",
        "-n 4000",
        "label them differently",
    ),
    "not UTF-8": (("d.txt",), "d.txt: not UTF-8"),
    "too large": (("e.txt",), "e.txt: more than 16 MiB"),
}


@pytest.mark.parametrize("case", LINES)
def test_bad_lines_leave_nothing(matrix: Matrix, case: str) -> None:
    arguments, *words = LINES[case]
    Path("results").mkdir()
    written("a.txt")
    written("b.txt")
    written("c.txt", changes={"requests:      5000": "requests:      4000", "49.77": "39.82"})
    Path("d.txt").write_bytes(REPORT.encode("utf-16"))
    written("e.txt", REPORT + " " * 2**24)
    assert_error(matrix("import-ab", "mine", *arguments), *words)
    assert list(Path("results").iterdir()) == []


@pytest.mark.parametrize("name", ["latest", "../up", "", "a b"])
def test_a_name_that_is_no_directory(matrix: Matrix, name: str) -> None:
    assert_error(matrix("import-ab", name, written("a.txt")), "cannot be called", "letters")
