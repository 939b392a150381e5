"""OpenMetrics, read by Prometheus's own parser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from runner.export import export
from runner.export.openmetrics import labels_of
from runner.options import ExportFormat
from runner.report.row import axes_of
from runner.report.run import Run, collate
from tests.support import golden
from tests.support.exported import FAST, SLOW, collated, published, text
from tests.support.samples import AXES, cell, launch, launches_of, run_record, traffic


def samples(run: Run) -> Iterator[Sample]:
    families = text_string_to_metric_families(export(run, ExportFormat.OPENMETRICS))
    return (sample for family in families for sample in family.samples)


def test_outcomes_and_figures() -> None:
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


def test_what_the_configuration_allows_is_exported_where_it_is_known() -> None:
    held = launch(FAST, rate=7.9).model_copy(update={"configuration_rps": 7.96})
    run = collate(run_record(FAST), {FAST.id: [held]})
    lines = export(run, ExportFormat.OPENMETRICS).splitlines()
    values = [line.rpartition(" ")[2] for line in lines if line.startswith("matrix_configuration_")]
    assert values == ["7.96"]


def test_names_that_must_be_escaped() -> None:
    name = 'a "b" \\n c\\ \n d'
    odd = FAST.model_copy(update={"server": name})
    run = collate(run_record(odd), {odd.id: [launch(odd)]})
    assert {sample.labels["server"] for sample in samples(run)} == {name}


# -- axes are labels -------------------------------------------------------------------------------


def test_every_axis_of_the_run_is_a_label() -> None:
    drivers = [
        cell("3.11", "none", further={"driver": driver}, suffix=f"-{driver}")
        for driver in ("pg8000", "psycopg")
    ]
    run = run_record(*drivers, axes=(*AXES, "driver"))
    found = [sample.labels for sample in samples(collate(run, launches_of(run)))]
    assert {(labels["cell"], labels["driver"]) for labels in found} == {
        ("py3.11-none-pg8000", "pg8000"),
        ("py3.11-none-psycopg", "psycopg"),
    }


def test_a_rate_is_a_label_as_the_matrix_file_has_it() -> None:
    run = traffic()
    found = [sample.labels for sample in samples(collate(run, launches_of(run)))]
    assert {(labels["rate"], labels["rate_rps"]) for labels in found} == {
        ("closed", ""),
        ("45", "45"),
    }


def test_an_axis_of_any_name_has_a_label_of_its_own() -> None:
    """Also one of a damaged record, whose name is empty."""
    odd_names = ("psycopg2-binary", "psycopg2_binary", "outcome", "cell", "3rd", "__x", "größe", "")
    axes = ("patch", *odd_names)
    names = labels_of(run_record(axes=axes))
    further = {axis: label for axis, label in names.items() if axis in axes}
    assert further == {
        "patch": "patch",
        "psycopg2-binary": "psycopg2_binary",
        "psycopg2_binary": "psycopg2_binary_",
        "outcome": "outcome_",
        "cell": "cell",
        "3rd": "axis_3rd",
        "__x": "axis_x",
        "größe": "gr__e",
        "": "axis_",
    }
    assert len({*names.values()}) == len(names)
    further_axes = {axis: f"value of {axis}" for axis in axes if axis not in {"patch", "cell"}}
    odd = cell("3.11", "none", further=further_axes)
    run = run_record(odd, axes=tuple(axis for axis in axes if axis != "cell"))
    for sample in samples(collate(run, launches_of(run))):
        assert sample.labels["cell"] == odd.id
        assert sample.labels["psycopg2_binary_"] == "value of psycopg2_binary"
        assert sample.labels["axis_3rd"] == "value of 3rd"


@pytest.mark.parametrize("name", golden.runs())
def test_every_published_run_can_be_read(name: str) -> None:
    run = published(name)
    outcomes = [s.labels for s in samples(run) if s.name == "matrix_cell_outcome_info"]
    assert [labels["cell"] for labels in outcomes] == [row.cell for row in run.rows]
    assert all({*axes_of(run.record)} <= labels.keys() for labels in outcomes)
    assert len({frozenset(labels.items()) for labels in outcomes}) == len(run.rows)


def test_the_sample_run_has_the_usual_labels() -> None:
    found = {frozenset(sample.labels) for sample in samples(collated())}
    usual = {"cell", "concurrency", "gevent", "grpcio", "patch", "python", "server", "workload"}
    assert found == {frozenset(usual), frozenset({*usual, "outcome"})}
