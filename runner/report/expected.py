"""The expectations of the matrix file, compared with what was measured."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from textwrap import shorten
from typing import Final

from runner.matrix.expect import NO_LINE, pattern_of
from runner.report.row import Row
from runner.report.run import Run
from runner.store.records import ExpectationRecord
from runner.text import counted, without_backticks

#: More unmet expectations than this are counted, not told one by one.
MOST_TOLD: Final = 8
#: A reason is whole in the table's notes.
LONGEST: Final = 160

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One expectation of one cell: what, whether it is met, what was seen, where it is written."""

    cell: str
    expected: str
    met: bool
    seen: str
    place: str

    def __str__(self) -> str:
        return f"{self.cell}: expected {self.expected}, saw {self.seen} ({self.place})"


def check(run: Run) -> list[Checked]:
    """Each expectation of the run for each cell it is about that was measured or is unavailable.

    A cell that was not measured, because it was not selected or the run was interrupted, is neither
    met nor unmet.
    """
    return [
        checked
        for expectation in run.record.expect
        for row in run.rows
        if row.outcome is not None and _concerns(expectation, row)
        for checked in _checked(expectation, row)
    ]


def unmet_lines(run: Run) -> tuple[str, ...]:
    """How many expectations were not met, then which, a line each; no lines if all were met.

    Names stand between backticks, as in `runner.report.sentences`.
    """
    checked = check(run)
    unmet = [one for one in checked if not one.met]
    if not unmet:
        return ()
    more = f", the first {MOST_TOLD} of them" if len(unmet) > MOST_TOLD else ""
    were = "was" if len(unmet) == 1 else "were"
    return (
        f"{len(unmet)} of {counted(len(checked), 'expectation')} {were} not met{more}:",
        *(
            f"`{one.cell}`: expected {_plain(one.expected)}, saw {_plain(one.seen)} "
            f"({_plain(one.place)})"
            for one in unmet[:MOST_TOLD]
        ),
    )


def _plain(text: str) -> str:
    """A text on one line without backticks, not longer than `LONGEST` characters."""
    return shorten(without_backticks(text), LONGEST, placeholder=" […]")


def _concerns(expectation: ExpectationRecord, row: Row) -> bool:
    return all(
        fnmatchcase(str(row.values().get(axis) or ""), glob)
        for axis, glob in expectation.cells.items()
    )


def _explains(line: str | None, wanted: str) -> bool:
    if line is None or wanted == NO_LINE:
        return line is None and wanted == NO_LINE
    pattern = pattern_of(wanted)
    return wanted in line if pattern is None else re.search(pattern, line) is not None


def _checked(expectation: ExpectationRecord, row: Row) -> Iterator[Checked]:
    if expectation.outcomes:
        seen = str(row.outcome)
        yield Checked(
            cell=row.cell,
            expected=" or ".join(expectation.outcomes),
            met=seen in expectation.outcomes,
            seen=f"{seen}: {row.reason}" if row.reason else seen,
            place=expectation.place,
        )
    if expectation.whys:
        yield Checked(
            cell=row.cell,
            expected=f"why {' or '.join(expectation.whys)}",
            met=any(_explains(row.why, wanted) for wanted in expectation.whys),
            seen=f"why: {row.why}" if row.why else f"{row.outcome} without a why",
            place=expectation.place,
        )
    if expectation.outcomes and not (row.outcome and row.outcome.has_figures):
        return  # the outcome was the question; without figures there is nothing to bound
    for column, sign, bound in expectation.bounds:
        value = row.value(column)
        known = isinstance(value, (int, float))
        yield Checked(
            cell=row.cell,
            expected=f"{column} {sign} {bound:g}",
            met=known and OPERATORS[sign](float(value or 0), bound),
            seen=f"{value:.4g}" if isinstance(value, (int, float)) else f"none ({row.outcome})",
            place=expectation.place,
        )
