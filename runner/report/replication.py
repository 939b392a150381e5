"""A run beside the one that it repeats, which another machine may have made.

Each cell's ratio to the baseline of its own run is compared: a machine that is slower for all cells
does not change it. The figures themselves are only shown, side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from tabulate import tabulate

from runner.report.compare import CellComparison, RunComparison, compare
from runner.report.comparison_text import intervals, outcomes, sums, undecided
from runner.report.figures import FIGURES, Figure
from runner.report.row import Row
from runner.report.run import Run
from runner.report.summary import ABSOLUTE
from runner.report.tables import NOTHING
from runner.text import counted

RATIOS: Final = (
    "Ratios to the baseline of their own run, there → here, and by how much they differ:"
)
FIGURES_THEMSELVES: Final = (
    "The figures themselves, there | here. Machines differ, and so nothing follows from these:"
)


def replication_text(there: Run, here: Run) -> str:
    """What `matrix run --like` prints below the table: `there` is the run that was repeated."""
    whole = compare([there], [here])
    both = [cell for cell in whole.cells if cell.old is not None and cell.new is not None]
    compared = replace(
        whole, cells=tuple(cell for cell in both if _has_baseline(cell, there, here))
    )
    return "\n".join(
        [
            f"there: {_where(there)}",
            f"here: {_where(here)}",
            *_left_out(whole),
            "",
            "What could explain a difference in results:",
            *(f"  {difference}" for difference in whole.setup_differences),
            *_of_ratios(compared, there, here),
            "",
            FIGURES_THEMSELVES,
            _absolute(both, there, here),
        ]
    )


def _where(run: Run) -> str:
    record = run.record
    machine = record.host.hostname if record.host else "machine not known"
    return f"{record.experiment}, run {record.run_id} on {machine}"


def _left_out(whole: RunComparison) -> Iterator[str]:
    if missing := sum(cell.new is None for cell in whole.cells):
        yield f"not measured here: {counted(missing, 'cell')} of {len(whole.cells)}"


def _has_baseline(cell: CellComparison, there: Run, here: Run) -> bool:
    """Whether the cell is compared with another one, in both runs."""
    return all(
        cell.cell in run.baselines and run.baselines[cell.cell].cell != cell.cell
        for run in (there, here)
    )


# -- ratios ----------------------------------------------------------------------------------------


def _of_ratios(compared: RunComparison, there: Run, here: Run) -> Iterator[str]:
    figures = [f for f in FIGURES if any(f.name in cell.contrasts for cell in compared.cells)]
    if not figures:
        return
    lines = [
        (cell.cell, outcomes(cell), *(_ratios(cell, f, there, here) for f in figures))
        for cell in compared.cells
    ]
    headings = ("cell", "outcome", *(figure.label for figure in figures))
    yield from ("", RATIOS, tabulate(lines, headings, disable_numparse=True), "")
    if any(found.level for cell in compared.cells for found in cell.contrasts.values()):
        yield intervals(compared)
    yield from undecided(compared)
    yield from sums(compared)


def _ratios(cell: CellComparison, figure: Figure, there: Run, here: Run) -> str:
    """Both ratios, and below them the one over the other: `0.988 [0.951–1.026] same`."""
    found = cell.contrasts.get(figure.name)
    if found is None:
        return NOTHING
    both = (_ratio(run.by_cell[cell.cell], figure) for run in (there, here))
    words = " → ".join(both)
    if found.low is None or found.high is None or found.ratio is None:
        return f"{words}\n{found.verdict}"
    verdict = str(found.verdict).replace("within δ", "").strip()
    return f"{words}\n{found.ratio:.3f} [{found.low:.3f}–{found.high:.3f}] {verdict}"


def _ratio(row: Row, figure: Figure) -> str:
    ratio = row.contrast(figure.name).ratio
    return NOTHING if ratio is None else f"× {ratio:.3f}"


# -- figures ---------------------------------------------------------------------------------------


def _absolute(cells: Sequence[CellComparison], there: Run, here: Run) -> str:
    lines = [
        (cell.cell, *(_side_by_side(cell, figure, there, here) for figure in FIGURES))
        for cell in cells
    ]
    headings = ("cell", *(ABSOLUTE[figure.name].heading for figure in FIGURES))
    return tabulate(lines, headings, disable_numparse=True)


def _side_by_side(cell: CellComparison, figure: Figure, there: Run, here: Run) -> str:
    return " | ".join(ABSOLUTE[figure.name].alone(run.by_cell[cell.cell]) for run in (there, here))
