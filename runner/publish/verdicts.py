"""The page's first table: patch modes and loads against their baseline, linked to their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlencode

from runner.outcome import Outcome
from runner.publish.publication import Part
from runner.publish.tables import RUN, Heading, Line
from runner.report.axis_values import axis_text
from runner.report.expected import unmet_lines
from runner.report.figures import Figure
from runner.report.modes import Mode
from runner.report.sentences import sentences
from runner.report.statistics import Contrast, Verdict
from runner.report.summary import (
    ABSOLUTE,
    absolute_text,
    cells_text,
    contrast_of_mode,
    ratio_text,
    shown_figures,
    summary_of,
    threads_text,
    verdict_text,
)
from runner.report.tables import NOTHING, Table
from runner.text import one_line

#: What stands before a verdict, so that none is told by its colour alone.
_SIGNS: Final[Mapping[Verdict, str]] = {
    Verdict.HIGHER: "▲",
    Verdict.LOWER: "▼",
    Verdict.SAME: "=",
    Verdict.UNDECIDED: "?",
}
#: The classes of the style sheet with their signs and what they stand for, as a legend.
STYLES: Final = (
    ("better", "▲ ▼", "better than the baseline"),
    ("worse", "▲ ▼", "worse, with a bar"),
    ("same", "=", "the same within δ"),
    ("undecided", "?", "undecided"),
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A figure against its baseline in words, and the verdict's sign and class.

    `cells` is the range of the cells' ratios where they disagree, else empty.
    """

    ratio: str
    verdict: str
    sign: str
    style: str
    cells: str = ""


def judged(figure: Figure, contrast: Contrast, delta: float, cells: str = "") -> Judged:
    """A contrast that has a verdict, as the page shows it."""
    return Judged(
        ratio=ratio_text(contrast),
        verdict=verdict_text(contrast, delta),
        sign=_SIGNS[contrast.verdict or Verdict.UNDECIDED],
        style=_style(figure, contrast.verdict),
        cells=cells,
    )


def _style(figure: Figure, verdict: Verdict | None) -> str:
    """More of a rate is better, more of a cost is worse."""
    if verdict is Verdict.SAME:
        return "same"
    if verdict in {Verdict.HIGHER, Verdict.LOWER}:
        return "better" if (verdict is Verdict.HIGHER) == figure.more_is_better else "worse"
    return "undecided"


# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModeLine:
    """A patch mode and load: its values on the axes, its outcomes, and a text for each column.

    `view` are the filters that leave its cells in the table of all cells, key and value each.
    Where a figure is compared it is `Judged`, else a text.
    """

    values: Mapping[str, str]
    outcomes: Sequence[tuple[Outcome, str]]
    figures: Sequence[Judged | str]
    threads: str
    cells: int
    view: Sequence[tuple[str, str]]

    @property
    def address(self) -> str:
        """The view as the page's address has it behind the `#`."""
        return urlencode(self.view, quote_via=quote, safe="")

    @property
    def anchor(self) -> str:
        """The id of the place that the address leads to, where the page's script does not run."""
        return unquote(self.address)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a run says: a few sentences, the table of its modes, and how to read that.

    `unmet` begins with how many expectations were not met, and is empty where there are none.
    `table` is the same as `headings` and `lines`, for where there are no links and colours. There
    is neither where nothing is compared.
    """

    part: Part
    sentences: Sequence[str]
    unmet: Sequence[str]
    axes: Sequence[str]
    headings: Sequence[str]
    lines: Sequence[ModeLine]
    table: Table | None
    reading: Sequence[str]


def answer(part: Part, headings: Sequence[Heading] = (), lines: Sequence[Line] = ()) -> Answer:
    """The answer of a run; `headings` and `lines` are all cells of the page that links to them."""
    found = part.modes
    table = summary_of(part.run, found)
    figures = shown_figures(found)
    said = sentences(part.run, found)
    of_cells = {line.row.cell: line for line in lines if line.part is part}
    return Answer(
        part=part,
        sentences=said,
        unmet=unmet_lines(part.run),
        axes=[*found[0].values] if table else [],
        headings=[ABSOLUTE[figure.name].heading for figure in figures],
        lines=[
            _line(part, mode, figures, _view(mode, headings, of_cells)) for mode in found if table
        ],
        table=table,
        reading=[
            item
            for note in (table.notes if table else ())
            for item in note.items
            if item not in said
        ],
    )


def _line(
    part: Part, mode: Mode, figures: Sequence[Figure], view: Sequence[tuple[str, str]]
) -> ModeLine:
    total = sum(mode.outcomes.values())
    return ModeLine(
        values={
            axis: NOTHING if value is None else one_line(axis_text(value))
            for axis, value in mode.values.items()
        },
        outcomes=[(outcome, f"{outcome} {n}/{total}") for outcome, n in mode.outcomes.items()],
        figures=[_figure(part, mode, figure) for figure in figures],
        threads=threads_text(mode),
        cells=len(mode.rows),
        view=view,
    )


def _figure(part: Part, mode: Mode, figure: Figure) -> Judged | str:
    contrast = contrast_of_mode(mode, figure)
    if contrast is None:
        return absolute_text(mode, figure)
    delta = part.run.deltas[figure.name]
    return judged(figure, contrast, delta, cells_text(mode.disagreement(figure, delta)))


def _view(
    mode: Mode, headings: Sequence[Heading], of_cells: Mapping[str, Line]
) -> list[tuple[str, str]]:
    """The mode's values, as the table of all cells has them."""
    line, wanted = of_cells.get(mode.rows[0].cell), {RUN.key, *mode.values}
    return [
        (heading.key, text)
        for heading, text in zip(headings, line.texts if line else (), strict=True)
        if heading.key in wanted
    ]
