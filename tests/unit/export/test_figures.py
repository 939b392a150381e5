"""The formats that hold figures alone.

pyperf reads its own. github-action-benchmark and Bencher's client are in no package index: their
formats are checked against schemas that were written from what these programs read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyperf
import pytest
from jsonschema import Draft202012Validator

from runner.errors import UsageError
from runner.export import export
from runner.options import ExportFormat
from runner.outcome import Outcome
from runner.report.run import Run, collate
from tests.support import golden
from tests.support.exported import FAST, SLOW, collated, published, text
from tests.support.samples import launch, run_record

FIGURES_ALONE = (
    ExportFormat.BENCHER,
    ExportFormat.GITHUB_ACTION_BENCHMARK,
    ExportFormat.PYPERF,
)
EVERY_RUN = pytest.mark.parametrize("name", golden.runs())


@pytest.mark.parametrize("format_", FIGURES_ALONE)
def test_a_run_without_figures_is_an_error_and_no_empty_list(format_: ExportFormat) -> None:
    hung = launch(FAST, outcome=Outcome.HANG_AT_STARTUP, reason="no answer")
    run = collate(run_record(FAST, SLOW), {FAST.id: [hung]})
    with pytest.raises(UsageError) as error:
        export(run, format_)
    assert str(error.value) == (
        f"--format {format_}: run 20261101T120000Z has no figures: none of its 2 cells ended ok, "
        "limited or serialised; csv, junit and openmetrics hold other outcomes, too"
    )


@pytest.mark.parametrize("format_", sorted({*ExportFormat} - {*FIGURES_ALONE}))
def test_other_formats_have_the_outcomes_of_such_a_run(format_: ExportFormat) -> None:
    hung = launch(FAST, outcome=Outcome.HANG_AT_STARTUP, reason="no answer")
    exported = export(collate(run_record(FAST), {FAST.id: [hung]}), format_)
    assert "hang-at-startup" in exported


def as_its_reader_takes_it(run: Run, format_: ExportFormat) -> Any:
    """The run in this format, once it is known to be valid."""
    schema = golden.ROOT / "tests" / "data" / "exports" / f"{format_}.schema.json"
    exported = json.loads(export(run, format_), parse_constant=pytest.fail)  # no NaN
    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    assert [error.message for error in validator.iter_errors(exported)] == []
    return exported


# -- github-action-benchmark -----------------------------------------------------------------------


def test_github_action_benchmark() -> None:
    slow, fast = as_its_reader_takes_it(collated(), ExportFormat.GITHUB_ACTION_BENCHMARK)
    assert [slow["name"], fast["name"]] == [SLOW.id, FAST.id]
    assert fast["value"] == pytest.approx(48.035)
    assert fast["range"] == "± 0.025"


def test_a_single_launch_has_no_range() -> None:
    """`± 0.000` would claim that it is exact."""
    slow, _ = json.loads(text(ExportFormat.GITHUB_ACTION_BENCHMARK))
    assert "range" not in slow


def test_a_slow_cell_has_as_many_digits() -> None:
    """`± 0.000` would claim that its launches were all the same."""
    launches = [launch(SLOW, number, rate=0.02499 + number / 5e6) for number in range(1, 7)]
    run = collate(run_record(SLOW), {SLOW.id: launches})
    [item] = as_its_reader_takes_it(run, ExportFormat.GITHUB_ACTION_BENCHMARK)
    assert (item["value"], item["range"]) == (0.0249907, "± 5e-07")


@EVERY_RUN
def test_github_action_benchmark_takes_every_published_run(name: str) -> None:
    """It finds a cell of an earlier run by its name alone."""
    items = as_its_reader_takes_it(published(name), ExportFormat.GITHUB_ACTION_BENCHMARK)
    assert len({item["name"] for item in items}) == len(items)


def test_what_the_configuration_allows_is_exported_where_it_is_less() -> None:
    assert "configuration" not in text(ExportFormat.GITHUB_ACTION_BENCHMARK)
    held = launch(FAST, rate=7.9).model_copy(update={"configuration_rps": 7.96})
    run = collate(run_record(FAST), {FAST.id: [held]})
    [item] = json.loads(export(run, ExportFormat.GITHUB_ACTION_BENCHMARK))
    assert "ceiling: 49.02/s\nconfiguration: 7.96/s\n" in item["extra"]


# -- Bencher ---------------------------------------------------------------------------------------


def test_bencher() -> None:
    report = as_its_reader_takes_it(collated(), ExportFormat.BENCHER)
    assert set(report) == {FAST.id, SLOW.id}
    assert report[FAST.id]["throughput"]["lower_value"] <= report[FAST.id]["throughput"]["value"]


@EVERY_RUN
def test_bencher_takes_every_published_run(name: str) -> None:
    run = published(name)
    report = as_its_reader_takes_it(run, ExportFormat.BENCHER)
    assert [*report] == [row.cell for row in run.measured()]
    for figures in report.values():
        rate = figures["throughput"]
        value = rate["value"]
        assert rate.get("lower_value", value) <= value <= rate.get("upper_value", value)


def test_bencher_has_latencies_to_the_microsecond() -> None:
    """Of a fast server the mean, which `ab` has in whole milliseconds, would be 0 or 1 ms."""
    made = launch(FAST)
    assert made.ab
    fast = made.model_copy(update={"ab": made.ab.model_copy(update={"p50_ms": 0.8127})})
    run = collate(run_record(FAST), {FAST.id: [fast]})
    assert json.loads(export(run, ExportFormat.BENCHER))[FAST.id]["latency"] == {"value": 813_000}
    [row] = run.rows
    without = replace(run, rows=(replace(row, p50_ms=None, mean_ms=1.0),))
    measures = json.loads(export(without, ExportFormat.BENCHER))[FAST.id]
    assert measures["latency"] == {"value": 1_000_000}


# -- pyperf ----------------------------------------------------------------------------------------


def test_pyperf_compares_two_runs(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(text(ExportFormat.PYPERF, 48.0), encoding="utf-8")
    new.write_text(text(ExportFormat.PYPERF, 24.0), encoding="utf-8")
    command = [sys.executable, "-m", "pyperf", "compare_to", str(old), str(new), "--table"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert FAST.id in result.stdout
    assert "2.00x slower" in result.stdout
    suite = pyperf.BenchmarkSuite.load(str(old))
    fast = suite.get_benchmark(FAST.id)
    assert len(fast.get_runs()) == 6
    assert fast.median() == pytest.approx(1 / 48.035)
    assert len(suite.get_benchmark(SLOW.id).get_runs()) == 1


def test_pyperf_leaves_out_a_launch_that_answered_nothing() -> None:
    run = collated()
    (first, *_) = run.launches[FAST.id]
    assert first.ab
    ab = first.ab.model_copy(update={"requests_per_second": 0.0, "time_taken_s": 0.0})
    several = [*run.launches[FAST.id], first.model_copy(update={"ab": ab})]
    more = replace(run, launches={**run.launches, FAST.id: several})
    suite = json.loads(export(more, ExportFormat.PYPERF))
    runs = {one["metadata"]["name"]: one["runs"] for one in suite["benchmarks"]}
    assert len(runs[FAST.id]) == len(several) - 1


@EVERY_RUN
def test_pyperf_reads_every_published_run(name: str, tmp_path: Path) -> None:
    run, path = published(name), tmp_path / "run.json"
    path.write_text(export(run, ExportFormat.PYPERF), encoding="utf-8")
    suite = pyperf.BenchmarkSuite.load(str(path))
    assert suite.get_benchmark_names() == [row.cell for row in run.measured()]
