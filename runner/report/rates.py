"""At which rate a cell was loaded, if at a fixed one; one in per cent is known from launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median_high

from runner.matrix.cell import requests_due
from runner.measurement.records import LaunchRecord
from runner.outcome import NOT_MEASURED, worst
from runner.store.records import CellRecord, RunRecord


def load_of(cell: CellRecord, launches: Sequence[LaunchRecord]) -> tuple[float | None, int | None]:
    """The requests per second of a cell's load, if fixed, and how many requests it has uncut.

    None for what is not known.
    """
    if cell.load_s is None:
        return None, cell.requests
    found = [launch.rate.rate for launch in launches if launch.rate]
    rates = [cell.rate] if cell.rate is not None else found
    if not rates:
        return None, None
    return median_high(rates), median_high(requests_due(rate, cell.load_s) for rate in rates)


def why_not_launched(
    run: RunRecord, cell: CellRecord, launches: Mapping[str, Sequence[LaunchRecord]]
) -> str:
    """Why a cell has no launch: a rate in per cent may be of nothing."""
    made = [launch.outcome for launch in launches.get(cell.rate_of or "", ())]
    if cell.rate_share is None or any(outcome.has_figures for outcome in made):
        return NOT_MEASURED
    made += [base.outcome for base in run.unavailable if base.id == cell.rate_of]
    if not made:
        return NOT_MEASURED
    return (
        f"its rate is {100 * cell.rate_share:g}% of what {cell.rate_of} reaches, "
        f"which is {worst({*made})}"
    )
