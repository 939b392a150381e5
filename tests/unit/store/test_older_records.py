"""Runs that older versions of this program have stored are read by every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.commands.runs import compared, exported, shown, table_text
from runner.measurement.records import LAUNCH_SCHEMA
from runner.options import ExportFormat, Format
from runner.store.records import RUN_SCHEMA
from runner.store.run_directory import RESULT

RECORDS = Path("tests/data/records")
RUNS = sorted(path.parent for path in RECORDS.glob("*/run.json"))
CELLS = ("py3.11-none", "py3.11-gevent25.9.1-gevent")
NEWEST = RECORDS / f"run-{RUN_SCHEMA}-launch-{LAUNCH_SCHEMA}"


def test_there_is_a_run_of_each_version() -> None:
    """A new version is added to the corpus when it is made."""
    runs = {json.loads((run / "run.json").read_text())["schema_version"] for run in RUNS}
    results = [path for run in RUNS for path in run.rglob(RESULT)]
    launches = {json.loads(path.read_text())["schema_version"] for path in results}
    assert runs == {*range(1, RUN_SCHEMA + 1)}
    assert launches == {*range(1, LAUNCH_SCHEMA + 1)}


@pytest.fixture(params=RUNS, ids=lambda path: path.name)
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("format_", [*Format])
def test_the_table(run: str, format_: Format, capsys: pytest.CaptureFixture[str]) -> None:
    text = table_text(RECORDS, run, format_=format_)
    assert "gevent" in text
    if format_ is Format.JSON:
        rows = json.loads(text)["rows"]
        assert [(row["cell"], row["launches"], row["outcome"]) for row in rows] == [
            (cell, 2, "ok") for cell in CELLS
        ]
        assert all(row["requests_per_second"] for row in rows)
        assert rows[1]["speedup"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell(run: str, cell: str) -> None:
    text = shown(RECORDS, run, cell, lock=False)
    assert "flask==3.1.2" in text
    assert "docker run" in text


@pytest.mark.parametrize("format_", [*ExportFormat])
def test_an_export(run: str, format_: ExportFormat) -> None:
    assert CELLS[0] in exported(RECORDS, run, format_, None)


def test_a_comparison_with_the_newest(run: str) -> None:
    text = compared(RECORDS, [run], [str(NEWEST)], delta={})
    assert "gevent" in text
