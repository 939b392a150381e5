"""A page shows no latencies of a load that was cut: they belong to another one."""

from __future__ import annotations

from runner.outcome import Outcome
from runner.publish.charts.latency import _with_figures
from runner.publish.environments import Environment
from runner.publish.evidence import _without_doubt
from runner.report.run import collate
from tests.support.samples import cell, launch, run_record

NONE = cell("3.11", "none")
CUT = launch(NONE, outcome=Outcome.SERIALISED, rate=0.5, requests=120)
WHOLE = launch(NONE)


def test_not_in_a_dialog() -> None:
    row = collate(run_record(NONE), {NONE.id: [CUT]}).by_cell[NONE.id]
    shown = _without_doubt(row, CUT).ab
    assert shown
    assert (shown.p50_ms, shown.p90_ms, shown.p99_ms, shown.max_ms) == (None,) * 4
    assert shown.requests_per_second == 0.5
    assert _without_doubt(row, WHOLE) == WHOLE


def test_not_in_a_chart() -> None:
    for one, expected in ((CUT, 0), (WHOLE, 1)):
        row = collate(run_record(NONE), {NONE.id: [one]}).by_cell[NONE.id]
        assert len(_with_figures([Environment("3.11", (row,))])) == expected
