"""Runs to export: one of every kind of ending, and those that are published."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from runner.export import export
from runner.options import ExportFormat
from runner.outcome import Outcome
from runner.report.run import Run, collate, read_run
from runner.store.records import ExpectationRecord
from runner.store.run_directory import open_run
from tests.support.golden import ROOT
from tests.support.samples import cell, launch, run_record, unavailable

NASTY = 'in "connect" <b>&\x00\n'
FAST, SLOW, HUNG, NONE = (
    cell("3.11", "gevent"),
    cell("3.11", "none"),
    cell("3.13", "gevent"),
    cell("3.13", "none"),
)


def collated(rate: float = 48.0, expect: tuple[ExpectationRecord, ...] = ()) -> Run:
    """Six launches of a cell, one of another, a hang, a cell not measured, one not available."""
    run = run_record(
        FAST, SLOW, HUNG, NONE, missing=(unavailable(cell("3.9", "none"), "no wheel"),)
    )
    launches = {
        FAST.id: [launch(FAST, n, rate=rate + n / 100) for n in range(1, 7)],
        SLOW.id: [launch(SLOW, rate=24.0)],
        HUNG.id: [launch(HUNG, outcome=Outcome.HANG_AT_STARTUP, reason=NASTY)],
    }
    return collate(run.model_copy(update={"expect": expect}), launches)


def text(format_: ExportFormat, rate: float = 48.0) -> str:
    """That run in a format."""
    return export(collated(rate), format_)


@cache
def published(name: str) -> Run:
    """A published run."""
    results = Path(ROOT / "results")
    return read_run(open_run(results, str(results / "published" / name)))
