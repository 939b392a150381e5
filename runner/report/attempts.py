"""Attempts at launches: how many were made, and why some of them were rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from runner.measurement.records import LaunchRecord
from runner.measurement.resources import kinds_of_disturbance
from runner.report.row import Launches, Row
from runner.store.records import RunRecord
from runner.text import listed

#: Of a run that knows of no rejected attempt.
NONE_REJECTED: Final[Launches] = MappingProxyType({})
#: In place of the reasons, where only the number of the attempts is known.
WHY_NOT_KEPT: Final = "why was not kept"


def made(launches: Iterable[LaunchRecord], rejected: Iterable[LaunchRecord]) -> int:
    """How often a cell was attempted; a kept launch says how many attempts it took."""
    highest: dict[int, int] = {}
    for one in (*launches, *rejected):
        highest[one.launch] = max(one.attempt, highest.get(one.launch, 0))
    return sum(highest.values())


def reasons(rejected: Iterable[LaunchRecord]) -> dict[str, int]:
    """How many attempts were rejected for which reasons, without figures, the most common first."""
    counts = Counter(listed(kinds_of_disturbance(one.disturbed or "")) for one in rejected)
    return dict(counts.most_common())


def with_attempts(
    rows: Iterable[Row], run: RunRecord, launches: Launches, rejected: Launches
) -> list[Row]:
    """The rows with how many attempts were made and rejected.

    Nobody knows how often `ab` was started for a report that was made elsewhere.
    """
    if run.is_imported:
        return [*rows]
    return [
        _with_attempts(row, launches.get(row.cell, ()), rejected.get(row.cell, ())) for row in rows
    ]


def _with_attempts(
    row: Row, launches: Sequence[LaunchRecord], rejected: Sequence[LaunchRecord]
) -> Row:
    attempts, counts = made(launches, rejected), reasons(rejected)
    if (missing := attempts - len(launches) - len(rejected)) > 0:
        counts[WHY_NOT_KEPT] = missing
    return replace(row, attempts=attempts, rejected=_said(counts, attempts))


def _said(counts: Mapping[str, int], attempts: int) -> str | None:
    """`2 of 9 attempts: ab waited for a CPU; 1: other processes used the CPUs`."""
    if not counts:
        return None
    (why, number), *others = counts.items()
    first = f"{number} of {attempts} attempts: {why}"
    return "; ".join([first, *(f"{number}: {why}" for why, number in others)])
