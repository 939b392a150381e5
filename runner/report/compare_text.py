"""A comparison of two runs for people."""

from __future__ import annotations

from collections import Counter

from tabulate import tabulate

from runner.report.columns import NOTHING
from runner.report.compare import CellComparison, Change, RunComparison
from runner.report.text import one_line


def text(comparison: RunComparison) -> str:
    """Doubts first, then a line per cell, then the sum."""
    old, new = comparison.old, comparison.new
    lines = [f"old: {old.experiment}, run {old.run_id}", f"new: {new.experiment}, run {new.run_id}"]
    if comparison.doubts:
        lines += ["", "Not measured alike, so a difference may come from this:"]
        lines += [f"  {doubt}" for doubt in comparison.doubts]
    headings = ("cell", "old", "/s", "new", "/s", "new / old", "verdict")
    table = tabulate([_line(cell) for cell in comparison.cells], headings, disable_numparse=True)
    counts = Counter(str(cell.change) for cell in comparison.cells)
    total = ", ".join(f"{number} {change}" for change, number in counts.most_common())
    ending = "regression" if comparison.has_regression else "no regression"
    return "\n".join([*lines, "", table, "", *_reasons(comparison), f"{ending}: {total}"])


def _line(cell: CellComparison) -> tuple[str, ...]:
    return (
        cell.cell,
        str(cell.old or NOTHING),
        _figure(cell.old_rate, 2),
        str(cell.new or NOTHING),
        _figure(cell.new_rate, 2),
        _figure(cell.ratio, 3),
        str(cell.change),
    )


def _figure(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _reasons(comparison: RunComparison) -> list[str]:
    """Why cells ended otherwise than before, or worse."""
    told = [
        f"{cell.cell}: {one_line(cell.reason)}"
        for cell in comparison.cells
        if cell.reason and (cell.is_regression or cell.change is Change.OTHER)
    ]
    return [*told, ""] if told else []
