"""The page's tables: the pivot's cells, all cells with their columns, and two runs side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.measurement.records import LaunchRecord
from runner.outcome import Kind, Outcome, outcome_text
from runner.publish.publication import Part, Publication
from runner.report.axis_values import natural_key
from runner.report.compare import CellComparison, Change, RunComparison
from runner.report.comparison_text import basis, ending, reading, sums
from runner.report.figures import Figure
from runner.report.ledger import COMPARED, CellLedger, Ledger
from runner.report.row import Row
from runner.report.run import Run
from runner.report.statistics import Verdict
from runner.report.tables import (
    ATTEMPTS,
    FIGURE_COLUMNS,
    NOTHING,
    OUTCOME,
    VERDICT,
    Column,
    Table,
    columns_for,
)
from runner.text import one_line

#: Columns that only the page has.
RUN: Final = Column(key="run", heading="run")
DISTURBED: Final = Column(key="disturbed", heading="disturbed")
REASON: Final = Column(key="reason", heading="reason")
WHY: Final = Column(key="why", heading="why")
CELL: Final = Column(key="cell", heading="cell")

_STYLES: Final[Mapping[Kind, str]] = {
    Kind.FIGURES: "ok",
    Kind.HANG: "hang",
    Kind.FAILURE: "failed",
    Kind.UNAVAILABLE: "unknown",
    Kind.MACHINE: "unknown",
}


def style(outcome: Outcome | None) -> str:
    """The outcome's class in the style sheet."""
    if outcome in {Outcome.LIMITED, Outcome.SERIALISED}:
        return "serial"
    return _STYLES[outcome.kind] if outcome else "unknown"


def sign(outcome: Outcome | None) -> str:
    """The outcome's sign, so that no outcome is told by its colour alone."""
    return outcome.sign if outcome else "?"


def legend(rows: Sequence[Row]) -> list[Outcome | None]:
    """The outcomes that there are, in the order of the list of outcomes."""
    seen = {row.outcome for row in rows}
    return [outcome for outcome in (*Outcome, None) if outcome in seen]


# -- all cells -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A column of all cells; `choices` are the values to filter by, empty where it is no filter."""

    key: str
    text: str
    numeric: bool
    hidden: bool
    choices: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A cell: its run, its row, and the texts of its columns."""

    part: Part
    row: Row
    texts: Sequence[str]

    @property
    def launches(self) -> Sequence[LaunchRecord]:
        """The cell's launches."""
        return self.part.run.launches.get(self.row.cell, ())


def all_cells(published: Publication) -> tuple[list[Heading], list[Line]]:
    """The columns of `matrix table` and a few more, with a line for every cell."""
    columns = _columns(published)
    lines = [
        Line(part=part, row=row, texts=[_text(column, part, row) for column in columns])
        for part in published.parts
        for row in part.run.rows
    ]
    return [_heading(column, place, lines) for place, column in enumerate(columns)], lines


def _columns(published: Publication) -> list[Column]:
    """Axes, outcome, figures; one run's axis may be no axis of another's."""
    axes: dict[str, Column] = {RUN.key: RUN} if published.has_several else {}
    others: dict[str, Column] = {}
    for part in published.parts:
        columns = columns_for(part.run.rows, part.run.record)
        place = columns.index(OUTCOME)
        axes |= {column.key: column for column in columns[:place]}
        others |= {column.key: column for column in columns[place:]}
    if any(row.disturbed for part in published.parts for row in part.run.rows):
        axes[OUTCOME.key], axes[DISTURBED.key] = OUTCOME, DISTURBED
    return [*axes.values(), *(c for key, c in others.items() if key not in axes), REASON, WHY, CELL]


def _text(column: Column, part: Part, row: Row) -> str:
    if column is RUN:
        return part.label
    if column is OUTCOME:
        return outcome_text(row.outcome)
    if column is DISTURBED:
        return "yes" if row.disturbed else "no"
    try:
        return one_line(column.text(row))
    except KeyError:  # an axis of another run of the page
        return NOTHING


def _heading(column: Column, place: int, lines: Sequence[Line]) -> Heading:
    texts = {line.texts[place] for line in lines}
    choices = _choices(column, texts)
    return Heading(
        key=column.key,
        text=column.heading,
        numeric=column.show is not None,
        hidden=_is_hidden(column, texts, choices),
        choices=choices,
    )


def _choices(column: Column, texts: Collection[str]) -> list[str]:
    """The values to filter by in a reader's order."""
    if column is OUTCOME:
        return [text for text in map(outcome_text, (*Outcome, None)) if text in texts]
    if column in {RUN, VERDICT, DISTURBED}:
        return sorted(texts)
    if column.show or column in {REASON, WHY, CELL}:
        return []
    return sorted(texts, key=lambda text: natural_key(column.key, _value(text)))


def _is_hidden(column: Column, texts: Collection[str], choices: Sequence[str]) -> bool:
    """Whether a reader must ask for the column: one of equal values, or of none, tells nothing."""
    if column is OUTCOME:
        return False
    return len(choices) == 1 or column is CELL or set(texts) == {NOTHING}


def _value(text: str) -> str | int | None:
    if text == NOTHING:
        return None
    return int(text) if text.isdecimal() else text


# -- attempts --------------------------------------------------------------------------------------


def attempts(run: Run) -> Table | None:
    """A line per cell with rejected attempts: medians of those kept, rejected, and made first.

    None where no rejected attempt was stored: there is nothing to set beside those kept.
    """
    ledger = Ledger(run=run)
    if not ledger.reasons:
        return None
    known = {column.key: column for column in FIGURE_COLUMNS}
    figures = [known[key] for key in COMPARED if _is_known(ledger.cells, key)]
    return Table(
        headings=(
            *("cell", "attempts"),
            *(f"{column.heading}, {which}" for column in figures for which in _CHOICES),
            "rejected",
        ),
        numeric=(False, False, *(True,) * len(_CHOICES) * len(figures), False),
        lines=tuple(_ledger_line(cell, figures) for cell in ledger.cells),
        notes=(),
    )


#: What a figure is the median of, in the order of `_ledger_line`.
_CHOICES: Final = ("kept", "rejected", "first")


def _is_known(cells: Sequence[CellLedger], key: str) -> bool:
    return any(cell.kept.value(key) is not None for cell in cells)


def _ledger_line(cell: CellLedger, figures: Sequence[Column]) -> tuple[str, ...]:
    choices = (cell.kept, cell.rejected, cell.first)
    return (
        cell.kept.cell,
        ATTEMPTS.text(cell.kept),
        *(column.alone(row) if row else NOTHING for column in figures for row in choices),
        one_line(cell.kept.rejected or NOTHING),
    )


# -- two runs side by side -------------------------------------------------------------------------


def heading_of(comparison: RunComparison, published: Publication) -> str:
    """Which two runs are compared."""
    labels = {part.run.record.run_id: part.label for part in published.parts}
    [old], [new] = comparison.old, comparison.new
    return f"{labels[new.run_id]}, against {labels[old.run_id]}"


def summary_of(comparison: RunComparison) -> list[str]:
    """What is compared, how to read it, how many cells became what, and whether that is bad."""
    return [basis(comparison), *reading(comparison), *sums(comparison), ending(comparison)]


def changes(comparison: RunComparison) -> list[CellComparison]:
    """A line per cell, what changed first."""
    return sorted(
        comparison.cells, key=lambda cell: (not cell.is_regression, not _is_changed(cell))
    )


def _is_changed(cell: CellComparison) -> bool:
    shown = {Verdict.HIGHER, Verdict.LOWER}
    verdicts = {found.verdict for found in cell.contrasts.values()}
    return cell.change is not Change.NONE or bool(shown & verdicts)


def style_of_outcomes(cell: CellComparison) -> str:
    """The class of a changed outcome in the style sheet, empty for neither better nor worse."""
    if cell.change is Change.WORSE:
        return "hang"
    return "ok" if cell.change is Change.BETTER else ""


def style_of_change(cell: CellComparison, figure: Figure) -> str:
    """The class of a figure's change: whether it is for the better depends on the figure."""
    verdict = cell.verdict(figure)
    if verdict not in {Verdict.HIGHER, Verdict.LOWER}:
        return ""
    return "hang" if verdict is figure.worse else "ok"
