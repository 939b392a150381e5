"""`matrix table`, `matrix compare` and `matrix show`: what runs left, read again."""

from __future__ import annotations

from pathlib import Path

from runner.commands.by_hand import commands
from runner.errors import RegressionError, UsageError
from runner.report.compare import compare as compare_runs
from runner.report.compare_text import text
from runner.report.render import render
from runner.report.rows import collate
from runner.report.show import show as show_cell
from runner.store.run_directory import open_run


def table(
    results: Path,
    run: str,
    *,
    format_: str,
    pivot: str | None,
    sort: str | None,
    columns: str | None,
    threshold: float,
) -> str:
    """The run's table, collated anew from its launches."""
    directory = open_run(results, run)
    record = directory.read_run()
    rows = collate(record, directory.launches(), threshold=checked_threshold(threshold))
    text = render(rows, record, format=format_, pivot=pivot, sort=sort, columns=columns)
    return text.rstrip("\n")


def compare(results: Path, old: str, new: str, *, threshold: float) -> str:
    """What changed from one run to another; `RegressionError` carries it where a cell is worse."""
    runs = [open_run(results, run) for run in (old, new)]
    before, after = [(run.read_run(), run.launches()) for run in runs]
    comparison = compare_runs(before, after, threshold=checked_threshold(threshold))
    if comparison.has_regression:
        raise RegressionError(text(comparison))
    return text(comparison)


def checked_threshold(threshold: float) -> float:
    """The threshold, a share; `UsageError` for what is none."""
    if not 0 <= threshold < 1:
        raise UsageError(f"--threshold {threshold:g}: give a share from 0 to 1, e.g. 0.02 for 2 %")
    return threshold


def show(results: Path, run: str, cell: str, *, lock: bool) -> str:
    """Everything about one cell of a run; with `lock` the hashes of what it was locked to."""
    directory = open_run(results, run)
    return show_cell(directory, cell, commands(directory.read_run(), cell), hashes=lock)
