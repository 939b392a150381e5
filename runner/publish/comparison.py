"""Two runs of a publication side by side, with the verdicts of `matrix compare`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from runner.outcome import Outcome
from runner.publish.publication import Publication
from runner.publish.signs import sign, style
from runner.publish.wording import code, counted, listed
from runner.report.compare import CellComparison, Change, RunComparison
from runner.report.statistics import Difference
from runner.report.tables import NOTHING, ratio

BETTER = {Change.BETTER, Difference.FASTER}


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """A cell of either run, in words. `anchor` is the newer run's cell in the page, if there."""

    cell: str
    anchor: str | None
    old: str
    new: str
    old_style: str
    new_style: str
    ratio: str
    verdict: str
    worse: bool
    better: bool


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """A heading, the sum of it, what casts doubt on it, and a line per cell, what changed first."""

    heading: str
    total: str
    doubts: tuple[str, ...]
    lines: tuple[ComparedCell, ...]


def side_by_side(comparison: RunComparison, published: Publication) -> SideBySide:
    """One comparison as the page shows it."""
    labels = {part.run.run_id: part.source.label for part in published.parts}
    anchors = {
        (part.run.run_id, cell.row.cell): cell.anchor
        for part in published.parts
        for cell in part.cells
    }
    old, new = comparison.old.run_id, comparison.new.run_id
    unchanged = {Difference.NONE_SHOWN, Difference.TOO_FEW}
    cells = sorted(comparison.cells, key=lambda c: (not c.is_regression, c.change in unchanged))
    return SideBySide(
        heading=f"{labels[new]}, against {labels[old]}",
        total=total(comparison),
        doubts=comparison.doubts,
        lines=tuple(_line(cell, anchors.get((new, cell.cell))) for cell in cells),
    )


def total(comparison: RunComparison) -> str:
    """How many cells became what, in a sentence."""
    counts = Counter(str(cell.change) for cell in comparison.cells)
    parts = [f"{number:,} {code(change)}" for change, number in counts.most_common()]
    ending = "Some cell is worse off" if comparison.has_regression else "No cell is worse off"
    return f"{ending}: of {counted(len(comparison.cells), 'cell')} {listed(parts)}."


def _line(cell: CellComparison, anchor: str | None) -> ComparedCell:
    return ComparedCell(
        cell=cell.cell,
        anchor=anchor,
        old=_outcome(cell.old),
        new=_outcome(cell.new),
        old_style=style(cell.old) if cell.old else "",
        new_style=style(cell.new) if cell.new else "",
        ratio=NOTHING if cell.ratio is None else ratio(cell.ratio),
        verdict=str(cell.change),
        worse=cell.is_regression,
        better=cell.change in BETTER,
    )


def _outcome(outcome: Outcome | None) -> str:
    return f"{sign(outcome)} {outcome}" if outcome else NOTHING
