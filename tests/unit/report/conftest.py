from __future__ import annotations

import pytest

from runner.outcome import Outcome
from runner.report.row import Row
from runner.report.run import Run, collate
from runner.store.records import CellRecord, RunRecord
from tests.support.samples import cell, launch, run_record, unavailable

NO_WHEEL = "no wheel | of gevent\n25.9.1 for <3.9>"


@pytest.fixture
def run() -> RunRecord:
    """Two Pythons, two gevents, one grpcio, not in order; Python 3.9 lacks the newer gevent."""
    return run_record(
        _cell("3.11", "gevent+grpc", "25.9.1", "1.76.0"),
        _cell("3.11", "gevent", "25.9.1"),
        _cell("3.11", "gevent", "22.10.2"),
        _cell("3.11", "none"),
        _cell("3.9", "none"),
        _cell("3.9", "gevent", "22.10.2"),
        missing=(
            unavailable(_cell("3.9", "gevent", "25.9.1"), NO_WHEEL),
            unavailable(_cell("3.9", "gevent+grpc", "25.9.1", "1.76.0"), NO_WHEEL),
            unavailable(
                _cell("3.11", "gevent+grpc", "22.10.2", "1.76.0"), "no room", Outcome.BUILD_FAILED
            ),
        ),
    )


def _cell(
    python: str, patch: str, gevent: str | None = None, grpcio: str | None = None
) -> CellRecord:
    return cell(python, patch, gevent=gevent, grpcio=grpcio)


@pytest.fixture
def collated(run: RunRecord) -> Run:
    """The cell of both patches hangs, Python 3.9 serialises, one launch was disturbed."""
    both, new, old, none, none39, old39 = run.cells
    return collate(
        run,
        {
            both.id: [launch(both, outcome=Outcome.HANG_AT_STARTUP, reason="no answer in 30 s")],
            new.id: [launch(new, rate=49.014)],
            old.id: [launch(old, rate=24.0, disturbed="load generator busy 95 %")],
            none.id: [launch(none, rate=48.0)],
            none39.id: [launch(none39, rate=40.0)],
            old39.id: [launch(old39, rate=0.5, outcome=Outcome.SERIALISED, requests=120)],
        },
    )


@pytest.fixture
def rows(collated: Run) -> tuple[Row, ...]:
    return collated.rows
