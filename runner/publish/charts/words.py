"""Numbers and counts in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runner.report.rows import Row


def number(value: float) -> str:
    """A figure with as many digits as a sentence needs: 0.30, 48.7, 1,234."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def between(values: Sequence[float]) -> str:
    """`at 48.6` or `between 48.6 and 48.7`, of one value or more."""
    low, high = number(min(values)), number(max(values))
    return f"at {low}" if low == high else f"between {low} and {high}"


def one_or_more(noun: str, values: Sequence[float]) -> str:
    """`a ceiling of 49.0` or `ceilings between 1.00 and 49.0`."""
    words = between(values)
    return words.replace("at", f"a {noun} of", 1) if words[:2] == "at" else f"{noun}s {words}"


def count(quantity: int, noun: str) -> str:
    """`1 cell`, `2 cells`, `2 launches`."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{quantity:,} {noun}{'' if quantity == 1 else plural}"


def outcome_of(row: Row) -> str:
    """The row's outcome as a word."""
    return str(row.outcome or "not measured")


def without_figures(rows: Sequence[Row]) -> list[str]:
    """`hang-at-startup: 3 cells`, for each outcome of rows without a rate."""
    counts = Counter(outcome_of(row) for row in rows if row.requests_per_second is None)
    return [f"{outcome}: {count(quantity, 'cell')}" for outcome, quantity in counts.most_common()]
