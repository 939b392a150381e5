"""JUnit's XML, read by junitparser, and laid out as Apache Ant's tools and Jenkins read it."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from junitparser import JUnitXml, TestSuite

from runner.export import export
from runner.options import ExportFormat
from runner.outcome import Outcome
from runner.report.run import Run, collate
from runner.store.records import ExpectationRecord
from tests.support import golden
from tests.support.exported import FAST, HUNG, SLOW, collated, published
from tests.support.samples import launch, run_record

EXPECT = (
    ExpectationRecord(cells={"cell": FAST.id}, outcomes=("ok",), place="matrix.yaml:3:9"),
    ExpectationRecord(
        cells={"cell": FAST.id}, bounds=(("efficiency", ">=", 0.9),), place="matrix.yaml:3:9"
    ),
    ExpectationRecord(cells={"cell": HUNG.id}, outcomes=("ok",), place="matrix.yaml:4:9"),
)


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(golden.ROOT / "tests" / "data" / "exports" / "junit.xsd")


def suite_of(run: Run) -> TestSuite:
    """The run's suite, once it is known to be laid out as its readers want it."""
    text = export(run, ExportFormat.JUNIT)
    errors = schema().iter_errors(ET.fromstring(text))
    assert [f"{error.path}: {error.reason}" for error in errors] == []
    (suite,) = list(JUnitXml.fromstring(text.encode()))
    assert isinstance(suite, TestSuite)
    return suite


def test_without_expectations_each_cell_is_a_case() -> None:
    suite = suite_of(collated())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 0, 0, 1)
    assert f"sleep.{HUNG.id}" in {case.classname for case in suite}


def test_the_output_of_the_suite_says_how_each_cell_ended() -> None:
    root = ET.fromstring(export(collated(), ExportFormat.JUNIT))
    lines = (root.findtext("testsuite/system-out") or "").splitlines()
    assert f"{FAST.id}: ok" in lines
    hung = f"{HUNG.id}: hang-at-startup: "
    assert hung + 'in "connect" <b>&\N{REPLACEMENT CHARACTER}' in lines
    assert "py3.9-none: unavailable: no wheel" in lines
    assert "py3.13-none: not measured" in lines


def test_expectations_are_cases() -> None:
    suite = suite_of(collated(expect=EXPECT))
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 0)
    failed = [case for case in suite if case.result]
    assert [case.result[0].message for case in failed] == [
        'saw hang-at-startup: in "connect" <b>&\ufffd\n'
    ]
    assert failed[0].result[0].type == "expectation"
    assert HUNG.id in (failed[0].classname or "")


def test_what_the_machine_did_wrong_is_an_error_of_a_kind() -> None:
    broken = launch(FAST, outcome=Outcome.ENGINE_ERROR, reason="no space left")
    suite = suite_of(collate(run_record(FAST), {FAST.id: [broken]}))
    (case,) = suite
    assert (suite.errors, case.result[0].type) == (1, "engine-error")


def test_times_are_those_of_the_launches_each_counted_once() -> None:
    took = [launch(FAST, n).model_copy(update={"wall_s": 10.25}) for n in (1, 2)]
    elsewhere = launch(SLOW, rate=50.0)  # its report does not say more than the load's 100 s
    run = run_record(FAST, SLOW).model_copy(update={"expect": EXPECT})
    suite = suite_of(collate(run, {FAST.id: took, SLOW.id: [elsewhere]}))
    assert [(case.name, case.time) for case in suite] == [("ok", 20.5), ("efficiency >= 0.9", 0.0)]
    assert suite.time == 120.5
    without = suite_of(collate(run_record(FAST, SLOW), {FAST.id: took, SLOW.id: [elsewhere]}))
    assert Decimal(str(without.time)) == sum(Decimal(str(case.time)) for case in without)


def test_a_run_of_reports_made_elsewhere_needs_no_host() -> None:
    run = run_record(FAST).model_copy(update={"host": None, "engine": None})
    assert suite_of(collate(run, {FAST.id: [launch(FAST)]})).hostname == "localhost"


def test_the_moment_is_in_utc() -> None:
    """Ant's schema has no place for a time zone."""
    run = run_record(FAST).model_copy(update={"started_at": "2026-11-01T01:30:00+02:00"})
    assert suite_of(collate(run, {})).timestamp == "2026-10-31T23:30:00"


@pytest.mark.parametrize("name", golden.runs())
def test_every_published_run_is_valid(name: str) -> None:
    suite = suite_of(published(name))
    assert suite.tests == len(list(suite)) > 0
