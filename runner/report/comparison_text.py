"""A comparison of runs for people: doubts first, then a line per cell, then the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tabulate import tabulate

from runner.outcome import outcome_text
from runner.report.compare import CellComparison, Change, RunComparison
from runner.report.figures import FIGURES, Figure
from runner.report.side import Measured
from runner.report.statistics import CONFIDENCE, Verdict
from runner.report.tables import NOTHING, two_decimals
from runner.store.records import RunRecord
from runner.text import counted, listed, one_line, percent

#: What is printed is not wider, where cells are called no longer than usual.
WIDEST: Final = 160


def comparison_text(comparison: RunComparison) -> str:
    """What `matrix compare` prints."""
    return "\n".join(
        [
            f"old: {_runs(comparison.old)}",
            f"new: {_runs(comparison.new)}",
            basis(comparison),
            "",
            "What could explain a difference in results:",
            *(f"  {difference}" for difference in comparison.setup_differences),
            "",
            _table(comparison),
            "",
            *reading(comparison),
            *_reasons(comparison),
            *sums(comparison),
            ending(comparison),
        ]
    )


def _runs(records: Sequence[RunRecord]) -> str:
    experiments = ", ".join(dict.fromkeys(record.experiment for record in records))
    ids = ", ".join(record.run_id for record in records)
    return f"{experiments}, run{'s' * (len(records) > 1)} {ids}"


def basis(comparison: RunComparison) -> str:
    """What is compared: the figures, or their ratios to the baseline, which itself has none."""
    if comparison.absolute:
        return "compared: the figures themselves, each run counted as one value"
    return (
        "compared: each cell's ratio to the baseline of its own run; a baseline, or a cell without "
        "one, shows its own figures, undecided"
    )


# -- a line per cell -------------------------------------------------------------------------------


def _table(comparison: RunComparison) -> str:
    """The intervals go below their ratios where beside them they would be too wide."""
    lines = _lines(comparison)
    if max(map(len, lines.splitlines()), default=0) > WIDEST:
        return _lines(comparison, narrow=True)
    return lines


def _lines(comparison: RunComparison, *, narrow: bool = False) -> str:
    figures = telling(comparison)
    headings = (
        "cell",
        "outcome",
        "requests/s\nold",
        "requests/s\nnew",
        *(heading(figure, narrow=narrow) for figure in figures),
    )
    lines = [
        (
            cell.cell,
            outcomes(cell),
            _rate(cell.old),
            _rate(cell.new),
            *(change_text(cell, figure, narrow=narrow) for figure in figures),
        )
        for cell in comparison.cells
    ]
    return tabulate(lines, headings, disable_numparse=True)


def telling(comparison: RunComparison) -> list[Figure]:
    """The figures of which some cell shows a difference: those that a column is for."""
    return [
        figure
        for figure in FIGURES
        if any(
            found.is_shown
            for cell in comparison.cells
            if (found := cell.contrasts.get(figure.name))
        )
    ]


def heading(figure: Figure, *, narrow: bool = False) -> str:
    """The heading of a figure's column."""
    return f"{figure.label}\nnew / old" if narrow else f"{figure.label}, new / old"


def outcomes(cell: CellComparison) -> str:
    """The outcome before and now, once if it is the same."""
    if cell.old is None or cell.new is None:
        return f"{cell.change}: {outcome_of(cell.new or cell.old)}"
    old, new = outcome_of(cell.old), outcome_of(cell.new)
    if cell.change in {Change.BETTER, Change.WORSE}:
        return f"{old} → {new}: {'better' if cell.change is Change.BETTER else 'worse'}"
    return old if old == new else f"{old} → {new}"


def outcome_of(measured: Measured | None) -> str:
    """The outcome; where launches ended differently, how many ended so: `serialised 1/7`."""
    if measured is None:
        return NOTHING
    ended, launches = measured.counts
    share = f" {ended}/{launches}" if ended < launches else ""
    return f"{outcome_text(measured.outcome)}{share}"


def change_text(cell: CellComparison, figure: Figure, *, narrow: bool = False) -> str:
    """`0.813 [0.790–0.840] lower`; if `narrow`, with the interval on a line of its own."""
    found = cell.contrasts.get(figure.name)
    if found is None:
        return NOTHING
    ratio = NOTHING if found.ratio is None else f"{found.ratio:.3f}"
    if found.low is None or found.high is None:
        return f"{ratio} {found.verdict}"
    word = "same" if found.verdict is Verdict.SAME else found.verdict
    interval = f"[{found.low:.3f}–{found.high:.3f}]"
    return f"{ratio} {word}\n{interval}" if narrow else f"{ratio} {interval} {word}"


def _rate(measured: Measured | None) -> str:
    return NOTHING if measured is None or measured.rate is None else two_decimals(measured.rate)


# -- how to read it, and the sum -------------------------------------------------------------------


def reading(comparison: RunComparison) -> Iterator[str]:
    """What the ratios and intervals are, where there are any; why there are none elsewhere."""
    if telling(comparison):
        yield intervals(comparison)
        if not comparison.absolute:
            yield "A regression by CPU per request or p99 takes three runs a side."
    yield from undecided(comparison)


def intervals(comparison: RunComparison) -> str:
    """How to read an interval, and the word `same`."""
    deltas = ", ".join(f"{f.label} {percent(comparison.deltas[f.name])}" for f in FIGURES)
    return (
        f"[low–high]: all intervals of a figure hold together with {percent(CONFIDENCE)}. "
        f"`same`: within δ of 1 ({deltas})."
    )


def undecided(comparison: RunComparison) -> Iterator[str]:
    """Why figures have no interval, and of which cells."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in comparison.cells:
        for reason, figures in _undecided(cell).items():
            found.setdefault((", ".join(f.label for f in figures), reason), []).append(cell.cell)
    for (figures_of, reason), cells in found.items():
        yield f"undecided: {figures_of} of {', '.join(cells)}: {reason}"


def _undecided(cell: CellComparison) -> dict[str, list[Figure]]:
    """Why figures of the cell have no interval, and which."""
    found: dict[str, list[Figure]] = {}
    for figure in FIGURES:
        contrast = cell.contrasts.get(figure.name)
        if contrast and contrast.reason:
            found.setdefault(contrast.reason, []).append(figure)
    return found


def _reasons(comparison: RunComparison) -> list[str]:
    """Why cells ended otherwise than before, or worse."""
    return [
        f"{cell.cell}: {one_line(cell.new.reason)}"
        for cell in comparison.cells
        if cell.new and cell.new.reason
        if cell.is_regression or cell.change is Change.OTHER
    ]


def sums(comparison: RunComparison) -> Iterator[str]:
    """How many cells became what, a line for the outcomes and one for each figure."""
    changes = Counter(str(cell.change) for cell in comparison.cells)
    yield f"outcomes: {_counted(changes)}"
    for figure in FIGURES:
        verdicts = Counter(
            str(verdict).replace("δ", percent(comparison.deltas[figure.name]))
            for cell in comparison.cells
            if (verdict := cell.verdict(figure))
        )
        if verdicts:
            yield f"{figure.label}: {_counted(verdicts)}"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in counts.most_common())


def ending(comparison: RunComparison) -> str:
    """Whether there is a regression, and what it is."""
    counts = {"outcome worse": sum(cell.change is Change.WORSE for cell in comparison.cells)}
    for figure in FIGURES:
        number = sum(figure in cell.worse for cell in comparison.cells)
        counts[f"{figure.label} {figure.worse}"] = number
    parts = [f"{what} in {counted(number, 'cell')}" for what, number in counts.items() if number]
    return f"regression: {listed(parts)}" if parts else "no regression"
