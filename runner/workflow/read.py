"""`matrix table` and `matrix show`: what a run left, read again."""

from __future__ import annotations

from pathlib import Path

from runner.report.render import render
from runner.report.rows import collate
from runner.report.show import show as show_cell
from runner.store.run_directory import open_run
from runner.workflow.by_hand import commands


def table(results: Path, run: str, *, format_: str, pivot: str | None, sort: str | None) -> str:
    """The run's table, collated anew from its launches."""
    directory = open_run(results, run)
    record = directory.read_run()
    rows = collate(record, directory.launches())
    return render(rows, record, format=format_, pivot=pivot, sort=sort).rstrip("\n")


def show(results: Path, run: str, cell: str) -> str:
    """Everything about one cell of a run."""
    directory = open_run(results, run)
    return show_cell(directory, cell, commands(directory.read_run(), cell))
