"""Environment × patch mode, as the page's first picture of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.publish.answers import shown_outcome
from runner.publish.publication import Part, PublishedCell
from runner.publish.signs import SIGNS, sign, style
from runner.publish.wording import named, shown
from runner.report.rows import Row
from runner.report.tables import Grid, grid, percent, two_decimals


@dataclass(frozen=True, kw_only=True)
class Square:
    """One cell in the grid. `share` is its efficiency, 0 to 1, None where it has no figures."""

    anchor: str
    cell: str
    sign: str
    style: str
    outcome: str
    rate: str
    efficiency: str
    share: float | None
    disturbed: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """One environment: its values on the grid's axes, those repeated from above marked, squares."""

    labels: tuple[tuple[str, bool], ...]
    squares: tuple[Square | None, ...]


@dataclass(frozen=True, kw_only=True)
class Pivot:
    """The headings of environments and of patch modes, and the lines.

    `throughout` is what all environments share, in words.
    """

    throughout: str
    axes: tuple[str, ...]
    patches: tuple[str, ...]
    lines: tuple[Line, ...]


def pivot(part: Part) -> Pivot:
    """A run's cells by environment and patch mode."""
    cells = {cell.row.cell: cell for cell in part.cells}
    laid_out = grid(part.source.rows, part.run, "patch")
    varying = _varying(laid_out)
    lines, above = [], ("",) * len(varying)
    for values, found in laid_out.lines:
        labels = tuple(shown(values[place]) for place in varying)
        lines.append(Line(labels=_marked(labels, above), squares=_squares(found, cells)))
        above = labels
    return Pivot(
        throughout=_throughout(laid_out, varying),
        axes=tuple(laid_out.axes[place] for place in varying),
        patches=tuple(map(str, laid_out.columns)),
        lines=tuple(lines),
    )


def _varying(laid_out: Grid) -> list[int]:
    """Places of the axes that tell environments apart; the first where there is but one."""
    columns = enumerate(zip(*(values for values, _ in laid_out.lines), strict=True))
    return [place for place, values in columns if len(set(values)) > 1] or [0]


def _throughout(laid_out: Grid, varying: Sequence[int]) -> str:
    first = laid_out.lines[0][0]
    return ", ".join(
        f"{named(axis)} {shown(first[place])}"
        for place, axis in enumerate(laid_out.axes)
        if place not in varying and first[place] is not None
    )


def legend(rows: Iterable[Iterable[Row]]) -> tuple[tuple[str, str, str], ...]:
    """(sign, style, outcome) of each outcome that there is, from the mildest to the worst."""
    seen = {row.outcome for of_run in rows for row in of_run}
    return tuple((*SIGNS[outcome], shown_outcome(outcome)) for outcome in SIGNS if outcome in seen)


def _marked(labels: Sequence[str], above: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Each label with whether it and all left of it are as on the line above."""
    return tuple(
        (label, tuple(labels[: n + 1]) == tuple(above[: n + 1])) for n, label in enumerate(labels)
    )


def _squares(
    found: Sequence[Row | None], cells: Mapping[str, PublishedCell]
) -> tuple[Square | None, ...]:
    return tuple(None if row is None else _square(row, cells[row.cell]) for row in found)


def _square(row: Row, cell: PublishedCell) -> Square:
    share = row.efficiency
    return Square(
        anchor=cell.anchor,
        cell=row.cell,
        sign=sign(row.outcome),
        style=style(row.outcome),
        outcome=shown_outcome(row.outcome),
        rate="" if row.requests_per_second is None else two_decimals(row.requests_per_second),
        efficiency="" if share is None else percent(share),
        share=None if share is None else max(0.0, min(1.0, share)),
        disturbed=row.disturbed is not None,
    )
