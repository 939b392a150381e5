"""The table as CSV, read by Python's own reader and by pandas."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pytest

from runner.export import export
from runner.options import ExportFormat
from runner.report.run import collate
from tests.support.exported import FAST, HUNG, collated, text
from tests.support.golden import ROOT
from tests.support.samples import cell, launches_of, run_record

#: The documents that say how pandas keeps versions.
DOCUMENTS = ("README.md", "docs/commands.md")


def test_csv_is_the_tables() -> None:
    rows = list(csv.DictReader(io.StringIO(text(ExportFormat.CSV), newline="")))
    assert len(rows) == 5
    by_cell = {row["cell"]: row for row in rows}
    assert float(by_cell[FAST.id]["requests_per_second"]) == pytest.approx(48.035)
    assert by_cell[HUNG.id]["requests_per_second"] == ""


def test_pandas_reads_figures_as_numbers() -> None:
    table = pd.read_csv(io.StringIO(text(ExportFormat.CSV))).set_index("cell")
    assert table.loc[FAST.id, "requests_per_second"] == pytest.approx(48.035)
    assert table["requests_per_second"].isna().sum() == 3
    assert list(table.index) == [row.cell for row in collated().rows]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_pandas_keeps_versions_as_the_documents_say(document: str) -> None:
    run = run_record(cell("3.10", "none"), cell("3.11", "none"))
    table = export(collate(run, launches_of(run)), ExportFormat.CSV)
    [arguments] = re.findall(
        r'pd\.read_csv\("table\.csv", (.+)\)', (ROOT / document).read_text(encoding="utf-8")
    )
    read = eval(f"pd.read_csv(io.StringIO(table), {arguments})")
    assert list(read["python"]) == ["3.10", "3.11"]
    assert list(pd.read_csv(io.StringIO(table))["python"]) == [3.1, 3.11]  # what it is for
