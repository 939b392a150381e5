from __future__ import annotations

import pytest

from runner.errors import UsageError
from runner.report.formats import render
from runner.report.rows import Row
from runner.report.run import collate
from runner.report.tables import pivot_table
from runner.store.records import RunRecord
from tests.support.samples import AXES, cell, launch, run_record


def test_the_shared_baseline_stands_on_every_line_of_its_python(
    rows: tuple[Row, ...], run: RunRecord
) -> None:
    table = pivot_table(rows, run, "patch")
    assert table.headings == ("python", "gevent", "grpcio", "none", "gevent", "gevent+grpc")
    assert table.lines == (
        ("3.9", "22.10.2", "–", "40.00", "serialised 0.50", "–"),
        ("3.9", "25.9.1", "1.76.0", "40.00", "–", "–"),
        ("3.11", "22.10.2", "1.76.0", "48.00", "24.00", "build-failed"),
        ("3.11", "25.9.1", "1.76.0", "48.00", "49.01", "hang-at-startup"),
    )


def test_a_cell_without_the_axis_stands_in_every_column(
    rows: tuple[Row, ...], run: RunRecord
) -> None:
    table = pivot_table(rows, run, "gevent")
    assert table.headings == ("python", "grpcio", "patch", "22.10.2", "25.9.1")
    assert ("3.9", "–", "none", "40.00", "40.00") in table.lines
    assert ("3.11", "–", "gevent", "24.00", "49.01") in table.lines


def test_columns_are_in_the_order_of_versions(rows: tuple[Row, ...], run: RunRecord) -> None:
    table = pivot_table(rows, run, "python")
    assert table.headings[-2:] == ("3.9", "3.11")
    assert table.lines[0] == ("–", "–", "none", "40.00", "48.00")


def test_numbers_are_in_their_own_order() -> None:
    cells = [cell("3.11", "none", concurrency=n, suffix=f"-c{n}") for n in (100, 20)]
    run = run_record(*cells, axes=(*AXES, "concurrency"))
    rows = collate(run, {c.id: [launch(c, rate=float(c.concurrency))] for c in cells}).rows
    table = pivot_table(rows, run, "concurrency")
    assert table.headings[-2:] == ("20", "100")
    assert table.lines == (("3.11", "–", "–", "none", "20.00", "100.00"),)


def test_a_cell_that_was_not_measured_is_a_dash(run: RunRecord) -> None:
    lines = pivot_table(collate(run, {}).rows, run, "patch").lines
    assert lines[-1] == ("3.11", "25.9.1", "1.76.0", "–", "–", "–")


def test_what_a_cell_shows_is_said_below(rows: tuple[Row, ...], run: RunRecord) -> None:
    text = render(rows, run, format="plain", pivot="patch")
    assert "Cells show requests/s by patch:" in text
    assert "Unavailable:" in text


@pytest.mark.parametrize(
    ("axis", "message"),
    [("pyton", "unknown axis 'pyton'; did you mean 'python'"), ("zzz", "known: python, gevent")],
)
def test_an_unknown_axis_is_refused(
    rows: tuple[Row, ...], run: RunRecord, axis: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        pivot_table(rows, run, axis)


def test_an_axis_without_values_is_refused() -> None:
    run = run_record(cell("3.11", "none"))
    with pytest.raises(UsageError, match="no cell of this run has a value on the axis 'gevent'"):
        pivot_table(collate(run, {}).rows, run, "gevent")
