"""`expect:` of an experiment: what is known of its cells, checked after each run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from runner.matrix.axes import canonical
from runner.matrix.cell import Cell, Expectation
from runner.matrix.schema import ExpectSection, ExperimentSection
from runner.matrix.yaml_document import Document, Place, suggestion
from runner.outcome import Outcome

#: Columns of the table that a bound may be set on.
COLUMNS = (
    "requests_per_second", "ceiling_rps", "efficiency", "speedup", "time_taken_s", "mean_ms",
    "p50_ms", "p90_ms", "p99_ms", "max_ms", "failed_requests", "non_2xx", "cpu_ms_per_request",
    "peak_rss_mib", "peak_threads", "listen_overflows",
)  # fmt: skip
OUTCOMES = tuple(str(outcome) for outcome in Outcome if outcome.can_be_expected)
BOUND = re.compile(r"\s*(?P<operator>>=|<=|>|<)\s*(?P<value>[0-9]+(\.[0-9]+)?)\s*")


def expectations(
    found: Document, section: ExperimentSection, axes: Sequence[str], cells: Sequence[Cell]
) -> tuple[Expectation, ...]:
    """The experiment's expectations; `SpecError` for one that says nothing or matches no cell."""
    return tuple(
        _expectation(found, ("expect", number), entry, axes, cells)
        for number, entry in enumerate(section.expect)
    )


def _expectation(
    found: Document,
    place: Place,
    entry: ExpectSection,
    axes: Sequence[str],
    cells: Sequence[Cell],
) -> Expectation:
    globs = tuple(_globs(found, (*place, "cells"), entry, axes))
    outcomes = tuple(entry.outcome or ())
    for outcome in outcomes:
        if outcome not in OUTCOMES:
            hint = suggestion(outcome, OUTCOMES)
            found.fail((*place, "outcome"), f"unknown outcome {outcome!r}{hint}")
    bounds = tuple(
        bound
        for column, text in (entry.__pydantic_extra__ or {}).items()
        for bound in _bounds(found, place, column, text)
    )
    if not outcomes and not bounds:
        found.fail(place, "expects nothing: give an `outcome:` or a bound (`efficiency: '>= 0.9'`)")
    expected = Expectation(
        cells=globs, outcomes=outcomes, bounds=bounds, place=found.position(place)
    )
    if not any(may_concern(expected, cell) for cell in cells):
        said = ", ".join(f"{axis} {glob}" for axis, glob in globs)
        found.fail((*place, "cells"), f"matches no cell: {said}; mend the values, or remove it")
    return expected


def _globs(
    found: Document, place: Place, entry: ExpectSection, axes: Sequence[str]
) -> list[tuple[str, str]]:
    known = [*dict.fromkeys(("cell", "python", "patch", "server", "workload", *axes))]
    globs = []
    for written, glob in entry.cells.items():
        axis = canonical(written)
        if axis not in known:
            found.fail(
                (*place, written), f"unknown axis {written!r}{suggestion(axis, known)}", key=True
            )
        globs.append((axis, glob))
    return globs


def _bounds(found: Document, place: Place, column: str, text: str) -> list[tuple[str, str, float]]:
    if column not in COLUMNS:
        known = suggestion(column, ["cells", "outcome", *COLUMNS])
        found.fail((*place, column), f"unknown key {column!r}{known}", key=True)
    bounds = []
    for part in text.split(","):
        match = BOUND.fullmatch(part)
        if match is None:
            found.fail(
                (*place, column),
                f"{text!r} is no bound: write '>= 0.9', or two of them: '>= 0.9, < 1.1'",
            )
        bounds.append((column, match["operator"], float(match["value"])))
    return bounds


def may_concern(expected: Expectation, cell: Cell) -> bool:
    """Whether an expectation is about a cell; one whose versions are not exact yet may be."""
    return all(
        fnmatchcase((cell.id if axis == "cell" else cell.axis(axis)) or "", glob)
        or any(r.exact is None for r in cell.requirements if axis in {r.name, "cell"})
        for axis, glob in expected.cells
    )
