"""The ledger of a run: all attempts at its launches, and what the rejected ones would change.

An attempt is rejected for what else happened on the machine, never for its figures. But that has
an effect on its figures too, so a reader must be able to see those of the rejected attempts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from runner.measurement.records import LaunchRecord
from runner.report.attempts import reasons
from runner.report.row import Launches, Row
from runner.report.rows import rows_of
from runner.report.run import Run
from runner.text import counted, listed

#: The figures that are compared, keys of a row, with what a sentence calls them.
COMPARED: Final[Mapping[str, str]] = {
    "requests_per_second": "requests/s",
    "cpu_ms_per_request": "CPU ms/request",
    "p99_ms": "p99 ms",
}


@dataclass(frozen=True, kw_only=True)
class CellLedger:
    """A cell with rejected attempts, as a row of each of three choices among all its attempts.

    `kept` is the run's own row, `rejected` that of the rejected attempts that are stored, None
    without any, and `first` that of each launch's first attempt, as if none had been rejected. It
    is None where one of them was not stored: the others would be a selection again.
    """

    kept: Row
    rejected: Row | None
    first: Row | None

    def change(self, figure: str) -> float | None:
        """By what share of the kept median that of the first attempts is higher."""
        kept, first = self.kept.value(figure), self.first and self.first.value(figure)
        if not isinstance(kept, int | float) or not isinstance(first, int | float) or not kept:
            return None
        return first / kept - 1

    @property
    def has_another_outcome(self) -> bool:
        """Whether the cell would have another outcome by its first attempts."""
        return self.first is not None and self.first.outcome is not self.kept.outcome


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The attempts of a run. Those of an imported run are not known: its launches are counted."""

    run: Run

    @property
    def made(self) -> int:
        """All attempts."""
        return sum(row.launches if row.attempts is None else row.attempts for row in self.run.rows)

    @property
    def kept(self) -> int:
        """The launches that the run's figures are of."""
        return sum(row.launches for row in self.run.rows)

    @property
    def kept_disturbed(self) -> int:
        """Those that were disturbed too, but not repeated any more."""
        return sum(bool(one.disturbed) for one in _all(self.run.launches))

    @property
    def rejected(self) -> int:
        """The attempts that were disturbed and repeated."""
        return self.made - self.kept

    @cached_property
    def reasons(self) -> Mapping[str, int]:
        """The rejected attempts that are stored, counted by reason."""
        return reasons(_all(self.run.rejected))

    @property
    def not_stored(self) -> int:
        """The rejected attempts of which nothing is known but that they were made."""
        return self.rejected - sum(self.reasons.values())

    @cached_property
    def cells(self) -> Sequence[CellLedger]:
        """The cells with rejected attempts, in table order."""
        kept = [row for row in self.run.rows if (row.attempts or 0) > row.launches]
        first = _rows(self.run, {row.cell: _first_attempts(self.run, row.cell) for row in kept})
        rejected = _rows(self.run, self.run.rejected)
        return [
            CellLedger(kept=row, rejected=rejected.get(row.cell), first=first.get(row.cell))
            for row in kept
        ]


def _all(launches: Launches) -> Iterator[LaunchRecord]:
    return chain.from_iterable(launches.values())


def _first_attempts(run: Run, cell: str) -> Sequence[LaunchRecord]:
    """The first attempt at each of a cell's launches; none if not all of them are stored."""
    known = [*run.launches.get(cell, ()), *run.rejected.get(cell, ())]
    first = {one.launch: one for one in known if one.attempt == 1}
    return [] if {one.launch for one in known} - first.keys() else list(first.values())


def _rows(run: Run, launches: Launches) -> dict[str, Row]:
    """The rows of some cells, had these been their launches."""
    known = {cell: of_cell for cell, of_cell in launches.items() if of_cell}
    cells = tuple(cell for cell in run.record.cells if cell.id in known)
    record = run.record.model_copy(update={"cells": cells, "unavailable": ()})
    return {row.cell: row for row in rows_of(record, known)}


# -- in words --------------------------------------------------------------------------------------


def sentences(ledger: Ledger) -> Iterator[str]:
    """How many attempts were rejected, why, and what difference it makes; nothing for none."""
    stored, missing = ledger.rejected - ledger.not_stored, ledger.not_stored
    if stored:
        why = "; ".join(f"{number} because {why}" for why, number in ledger.reasons.items())
        yield f"{stored:,} of {counted(ledger.made, 'attempt')} {_were(stored)} rejected: {why}."
    if missing:
        of = "further" if stored else f"of {ledger.made:,}"
        noun = "attempt" if stored and missing == 1 else "attempts"
        whose = "its" if missing == 1 else "their"
        yield f"{missing:,} {of} {noun} {_were(missing)} rejected; {whose} figures were not kept."
    yield from _consequences(ledger.cells)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _consequences(cells: Sequence[CellLedger]) -> Iterator[str]:
    """What using the first attempts would do, as if none had been rejected."""
    largest = [text for figure in COMPARED if (text := _largest_change(cells, figure))]
    if largest:
        changes = ", ".join(largest)
        yield f"The first attempts in place of those kept change a median by at most: {changes}."
    if others := [cell.kept.cell for cell in cells if cell.has_another_outcome]:
        yield f"By the first attempts {listed(others)} would have another outcome."


def _largest_change(cells: Sequence[CellLedger], figure: str) -> str | None:
    """`p99 ms +1.25% (py3.11-none)`."""
    changes = {one.kept.cell: one.change(figure) for one in cells}
    known = {cell: change for cell, change in changes.items() if change is not None}
    if not known:
        return None
    cell = max(known, key=lambda cell: abs(known[cell]))
    return f"{COMPARED[figure]} {known[cell]:+.2%} ({cell})"
