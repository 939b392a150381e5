from __future__ import annotations

from runner.report.baseline import CanonicalIndex
from runner.report.run import collate
from tests.support.samples import cell, run_record

AXES = ["python", "gevent", "grpcio"]


def test_the_row_that_carries_most_axes_is_meant_and_dropped_axes_do_not_matter() -> None:
    bare, full = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
    rows = collate(run_record(full, bare), {}).rows
    index = CanonicalIndex(rows, AXES)

    def found(python: str, gevent: str | None) -> str | None:
        point = {"python": python, "gevent": gevent, "grpcio": "1.76.0"}
        row = index.find(point.__getitem__)
        return row.cell if row else None

    assert found("3.11", "25.9.1") == full.id
    assert found("3.11", "22.10.2") == bare.id
    assert found("3.11", None) == bare.id
    assert found("3.9", "25.9.1") is None
