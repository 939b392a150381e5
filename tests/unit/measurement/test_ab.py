from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.measurement import ab
from runner.measurement.records import rate_of

DATA = Path(__file__).parents[2] / "data"


def text(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def test_a_report_of_2023() -> None:
    figures = ab.parse(text("ab-2.3-werkzeug-2.2.txt"))
    assert figures.model_dump() == {
        "time_taken_s": 100.455,
        "complete": 5000,
        "failed": 0,
        "non_2xx": 0,
        "requests_per_second": 49.77,
        "mean_ms": 2006.0,
        "p50_ms": 2002.0,
        "p90_ms": 2024.0,
        "p99_ms": 2048.0,
        "max_ms": 2051.0,
        "server_software": "Werkzeug/2.2.3",
        "document_length": 11,
        "html_bytes": 55000,
    }


def test_the_percentile_file_is_finer_than_the_report() -> None:
    report, percentiles = text("ab-2.4.71.txt"), text("percentiles-2.4.71.csv")
    coarse, fine = ab.parse(report), ab.parse(report, percentiles)
    assert (coarse.p50_ms, coarse.max_ms) == (221, 252)
    assert (fine.p50_ms, fine.max_ms) == (220.879, 251.538)
    assert fine.mean_ms == coarse.mean_ms


def test_the_mean_is_a_latency_and_not_ab_s_time_per_request() -> None:
    report = text("ab-2.4.71.txt")
    per_request = float(report.partition("Time per request:")[2].split()[0])
    figures = ab.parse(report)
    assert (figures.p50_ms or 0) <= (figures.mean_ms or 0) <= (figures.max_ms or 0) < per_request


@pytest.mark.parametrize(
    ("complete", "seconds", "printed", "rate"),
    [
        (5000, 100.455, 49.77, 5000 / 100.455),
        (100, 0.049, 2061.73, 2061.73),
        (10000, 17.467, 572.52, 572.52),
        (1000, 17.467, 57.25, 1000 / 17.467),
        (1, 0.0, 4201.68, 4201.68),
    ],
)
def test_the_rate_is_the_more_exact_of_the_printed_and_that_by_the_time(
    complete: int, seconds: float, printed: float, rate: float
) -> None:
    figures = ab.parse(text("ab-2.4.71.txt"))
    changes = {"complete": complete, "time_taken_s": seconds, "requests_per_second": printed}
    assert rate_of(figures.model_copy(update=changes)) == rate


def test_failures_and_other_statuses() -> None:
    report = text("ab-2.3-werkzeug-2.2.txt").replace(
        "Failed requests:        0\n",
        "Failed requests:        7\n"
        "   (Connect: 0, Receive: 0, Length: 7, Exceptions: 0)\n"
        "Non-2xx responses:      3\n",
    )
    figures = ab.parse(report)
    assert (figures.failed, figures.non_2xx) == (7, 3)


def test_a_single_request_has_no_percentiles() -> None:
    report = text("ab-2.3-werkzeug-2.2.txt").partition("Percentage of")[0]
    figures = ab.parse(report.replace("requests:      5000", "requests:      1"))
    assert figures.p50_ms == figures.p99_ms == figures.max_ms == figures.mean_ms == 2006


def test_without_percentiles_nothing_is_made_up() -> None:
    report = text("ab-2.3-werkzeug-2.2.txt").partition("Percentage of")[0]
    figures = ab.parse(report)
    assert (figures.p50_ms, figures.p90_ms, figures.p99_ms, figures.max_ms) == (
        2002, None, None, 2051,
    )  # fmt: skip


def test_an_interrupted_report_tells_how_far_it_came() -> None:
    report = text("ab-2.3-werkzeug-2.2.txt").replace("requests:      5000", "requests:      81")
    assert ab.parse(report).complete == 81


@pytest.mark.parametrize(
    "report",
    [
        "",
        "Usage: ab [options] [http[s]://]hostname[:port]/path",
        "apr_socket_recv: Connection refused (111)\n",
        "Benchmarking 127.0.0.1 (be patient)\nTotal of 81 requests completed\n",
    ],
)
def test_what_is_no_report(report: str) -> None:
    with pytest.raises(ab.AbReportError, match="the report has no"):
        ab.parse(report)


@given(st.text(), st.none() | st.text())
def test_any_text_is_a_report_or_is_refused(report: str, percentiles: str | None) -> None:
    for start in ("", text("ab-2.4.71.txt")):
        _parsed_or_refused(start + report, percentiles)


def _parsed_or_refused(report: str, percentiles: str | None) -> None:
    try:
        ab.parse(report, percentiles)
    except ab.AbReportError:
        return


def test_exit_reasons() -> None:
    refused = "\n\napr_socket_connect(): Connection refused (111)\n"
    assert ab.exit_reason(111, refused).startswith("ab: connection refused (apr_socket_connect")
    assert ab.exit_reason(104, "") == "ab: connection reset by the server"
    assert ab.exit_reason(22, "") == "ab: exit status 22"
