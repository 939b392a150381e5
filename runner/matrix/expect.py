"""`expect:` of an experiment: what is known of its cells, checked after each run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runner.matrix.axes import SETTINGS, canonical_name
from runner.matrix.cell import Cell, Expectation
from runner.matrix.schema import ExpectSection, ExperimentSection
from runner.matrix.select import BY_ID, may_match
from runner.matrix.yaml_document import Document, KeyPath
from runner.options import DELTAS
from runner.outcome import Outcome
from runner.text import suggestion

#: Columns of the table that a bound may be set on.
COLUMNS = (
    "requests_per_second", "ceiling_rps", "efficiency", "configuration_rps", "speedup",
    "time_taken_s", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms", "failed_requests", "non_2xx",
    "cpu_ms_per_request", "peak_rss_mib", "peak_threads", "listen_overflows", "at_a_time",
    "in_flight", "tracebacks",
    *(f"{figure}_ratio{end}" for figure in DELTAS for end in ("", "_low", "_high")),
)  # fmt: skip
OUTCOMES = tuple(str(outcome) for outcome in Outcome if outcome.can_be_expected)
#: A `why:` of a cell that has no such line, and what is around a regular expression.
NO_LINE, SLASH = "none", "/"
BOUND = re.compile(r"\s*(?P<operator>>=|<=|>|<)\s*(?P<value>[0-9]+(\.[0-9]+)?)\s*")


def expectations(
    document: Document, section: ExperimentSection, axes: Sequence[str], cells: Sequence[Cell]
) -> tuple[Expectation, ...]:
    """The experiment's expectations; `SpecError` for one that matches or expects nothing."""
    return tuple(
        _expectation(document, ("expect", number), entry, axes, cells)
        for number, entry in enumerate(section.expect)
    )


def _expectation(
    document: Document,
    keys: KeyPath,
    entry: ExpectSection,
    axes: Sequence[str],
    cells: Sequence[Cell],
) -> Expectation:
    globs = _globs(document, (*keys, "cells"), entry, axes)
    for outcome in entry.outcome:
        if outcome not in OUTCOMES:
            hint = suggestion(outcome, OUTCOMES)
            document.fail((*keys, "outcome"), f"unknown outcome {outcome!r}{hint}")
    bounds = tuple(
        bound
        for column, text in entry.bounds.items()
        for bound in _bounds(document, keys, column, text)
    )
    for why in entry.why:
        _check_why(document, (*keys, "why"), why)
    if not entry.outcome and not bounds and not entry.why:
        document.fail(
            keys,
            "expects nothing: give an `outcome:`, a `why:` or a bound (`efficiency: '>= 0.9'`)",
        )
    if not any(may_match(cell, {axis: [glob] for axis, glob in globs.items()}) for cell in cells):
        shown = ", ".join(f"{axis} {glob}" for axis, glob in globs.items())
        document.fail((*keys, "cells"), f"matches no cell: {shown}; fix the values, or remove it")
    return Expectation(
        cells=tuple(globs.items()),
        outcomes=tuple(entry.outcome),
        whys=tuple(entry.why),
        bounds=bounds,
        place=document.position(keys),
    )


def _check_why(document: Document, keys: KeyPath, written: str) -> None:
    if not written.strip("/ "):
        document.fail(
            keys, "says nothing: give a part of the line, /a regular expression/, or `none`"
        )
    try:
        re.compile(pattern_of(written) or "")
    except re.error as error:
        document.fail(keys, f"{written!r} is not a regular expression: {error}")


def pattern_of(why: str) -> str | None:
    """The regular expression that a `why:` is, if it is one."""
    is_one = len(why) > 2 and why.startswith(SLASH) and why.endswith(SLASH)
    return why[1:-1] if is_one else None


def _globs(
    document: Document, keys: KeyPath, entry: ExpectSection, axes: Sequence[str]
) -> dict[str, str]:
    known = [*dict.fromkeys((BY_ID, *SETTINGS, *axes))]
    globs = {}
    for written, glob in entry.cells.items():
        name = canonical_name(written)
        if name not in known:
            hint = suggestion(name, known)
            document.fail((*keys, written), f"unknown axis {written!r}{hint}", key=True)
        globs[name] = glob
    return globs


def _bounds(
    document: Document, keys: KeyPath, column: str, text: str
) -> Iterator[tuple[str, str, float]]:
    if column not in COLUMNS:
        known = suggestion(column, ["cells", "outcome", "why", *COLUMNS])
        document.fail((*keys, column), f"unknown key {column!r}{known}", key=True)
    for part in text.split(","):
        match = BOUND.fullmatch(part)
        if match is None:
            document.fail(
                (*keys, column),
                f"{text!r} is not a bound: write '>= 0.9', or two of them: '>= 0.9, < 1.1'",
            )
        yield column, match["operator"], float(match["value"])
