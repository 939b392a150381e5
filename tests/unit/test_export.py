"""Each format, read by the program it is for where that can be installed."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyperf
import pytest
from junitparser import JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from runner.export import export
from runner.options import ExportFormat
from runner.outcome import Outcome
from runner.report.run import Run, collate
from runner.store.records import ExpectationRecord
from tests.support.samples import cell, launch, run_record, unavailable

NASTY = 'in "connect" <b>&\x00\n'
FAST, SLOW, HUNG, NONE = (
    cell("3.11", "gevent"),
    cell("3.11", "none"),
    cell("3.13", "gevent"),
    cell("3.13", "none"),
)


def collated(rate: float = 48.0, expect: tuple[ExpectationRecord, ...] = ()) -> Run:
    run = run_record(
        FAST, SLOW, HUNG, NONE, missing=(unavailable(cell("3.9", "none"), "no wheel"),)
    )
    launches = {
        FAST.id: [launch(FAST, n, rate=rate + n / 100) for n in range(1, 7)],
        SLOW.id: [launch(SLOW, n, rate=24.0) for n in range(1, 3)],
        HUNG.id: [launch(HUNG, outcome=Outcome.HANG_AT_STARTUP, reason=NASTY)],
    }
    return collate(run.model_copy(update={"expect": expect}), launches)


def text(format_: ExportFormat, rate: float = 48.0) -> str:
    return export(collated(rate), format_)


def test_what_the_configuration_allows_is_exported_where_it_is_less() -> None:
    assert "configuration" not in text(ExportFormat.GITHUB_ACTION_BENCHMARK)
    held = launch(FAST, rate=7.9).model_copy(update={"configuration_rps": 7.96})
    run = collate(run_record(FAST), {FAST.id: [held]})
    [item] = json.loads(export(run, ExportFormat.GITHUB_ACTION_BENCHMARK))
    assert "ceiling: 49.02/s\nconfiguration: 7.96/s\n" in item["extra"]
    lines = export(run, ExportFormat.OPENMETRICS).splitlines()
    values = [line.rpartition(" ")[2] for line in lines if line.startswith("matrix_configuration_")]
    assert values == ["7.96"]


def test_github_action_benchmark() -> None:
    items = json.loads(text(ExportFormat.GITHUB_ACTION_BENCHMARK))
    assert [item["name"] for item in items] == [SLOW.id, FAST.id]
    for item in items:  # the shape its README gives
        assert set(item) == {"name", "unit", "value", "range", "extra"}
        assert isinstance(item["value"], float)
        assert {type(item[key]) for key in ("name", "unit", "range", "extra")} == {str}
    assert items[1]["value"] == pytest.approx(48.035)
    assert items[0]["range"] == "± 0.000"


def test_bencher() -> None:
    report = json.loads(text(ExportFormat.BENCHER))
    assert set(report) == {FAST.id, SLOW.id}
    for measures in report.values():
        assert set(measures) <= {"latency", "throughput"}
        for measure in measures.values():
            assert set(measure) <= {"value", "lower_value", "upper_value"}
            assert all(isinstance(value, float) for value in measure.values())
    row = next(row for row in collated().rows if row.cell == FAST.id)
    assert row.mean_ms
    assert report[FAST.id]["latency"]["value"] == row.mean_ms * 1e6
    assert report[FAST.id]["throughput"]["lower_value"] <= report[FAST.id]["throughput"]["value"]


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
    assert len(suite.get_benchmark(SLOW.id).get_runs()) == 2


def test_csv_is_the_tables() -> None:
    rows = list(csv.DictReader(io.StringIO(text(ExportFormat.CSV), newline="")))
    assert len(rows) == 5
    by_cell = {row["cell"]: row for row in rows}
    assert float(by_cell[FAST.id]["requests_per_second"]) == pytest.approx(48.035)
    assert by_cell[HUNG.id]["requests_per_second"] == ""


def test_junit_without_expectations() -> None:
    xml = JUnitXml.fromstring(text(ExportFormat.JUNIT).encode())
    (suite,) = list(xml)
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 0, 0, 1)
    said = {case.classname: case.system_out or "" for case in suite}
    assert 'in "connect" <b>&\N{REPLACEMENT CHARACTER}' in said[f"sleep.{HUNG.id}"]


def test_junit_of_expectations() -> None:
    expect = (
        ExpectationRecord(cells={"cell": FAST.id}, outcomes=("ok",), place="matrix.yaml:3:9"),
        ExpectationRecord(cells={"cell": HUNG.id}, outcomes=("ok",), place="matrix.yaml:4:9"),
    )
    xml = JUnitXml.fromstring(export(collated(expect=expect), ExportFormat.JUNIT).encode())
    (suite,) = list(xml)
    assert (suite.tests, suite.failures, suite.errors) == (2, 1, 0)
    failed = [case for case in suite if case.result]
    assert [case.result[0].message for case in failed] == [
        'saw hang-at-startup: in "connect" <b>&\ufffd\n'
    ]
    assert HUNG.id in failed[0].classname


def test_openmetrics() -> None:
    families = {f.name: f for f in text_string_to_metric_families(text(ExportFormat.OPENMETRICS))}
    rates = families["matrix_requests_per_second"].samples
    assert {sample.labels["cell"]: sample.value for sample in rates} == {
        FAST.id: pytest.approx(48.035),
        SLOW.id: 24.0,
    }
    outcomes = families["matrix_cell_outcome"].samples
    assert sorted(sample.labels["outcome"] for sample in outcomes) == [
        "hang-at-startup",
        "not measured",
        "ok",
        "ok",
        "unavailable",
    ]
    assert all(s.value < 10 for s in families["matrix_latency_p50_seconds"].samples)
    held = {s.labels["cell"]: s.value for s in families["matrix_peak_resident_bytes"].samples}
    assert held[FAST.id] == pytest.approx(61.4 * 2**20)


def test_openmetrics_of_names_that_must_be_escaped() -> None:
    name = 'a "b" \\n c\\ \n d'
    odd = FAST.model_copy(update={"server": name})
    run = collate(run_record(odd), {odd.id: [launch(odd)]})
    families = text_string_to_metric_families(export(run, ExportFormat.OPENMETRICS))
    samples = [sample for family in families for sample in family.samples]
    assert {sample.labels["server"] for sample in samples} == {name}
