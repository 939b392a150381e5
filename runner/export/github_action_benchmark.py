"""The format of github-action-benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence

from runner.measurement.records import LaunchRecord
from runner.report.row import Row, is_held_back
from runner.report.run import Run


def github_action_benchmark(run: Run) -> str:
    """JSON to be read with `tool: customBiggerIsBetter` (README of that action, "Examples").

    A list of objects with `name`, `unit`, `value`, and as text `range` and `extra`. The value is
    the rate; from five launches on the range is half the width of its 95 % interval, below that
    half the distance of its extremes. A single launch has no range: it shows no spread.
    """
    items = [_item(row, run.launches.get(row.cell, ())) for row in run.measured()]
    return json.dumps(items, indent=2) + "\n"


def _item(row: Row, launches: Sequence[LaunchRecord]) -> dict[str, str | float]:
    several = sum(launch.outcome.counts_as(row.outcome) for launch in launches) > 1
    item: dict[str, str | float | None] = {
        "name": row.cell,
        "unit": "requests/s",
        "value": _rounded(row.requests_per_second or 0, digits=6),
        "range": _range(row) if several else None,
        "extra": _extra(row),
    }
    return {key: value for key, value in item.items() if value is not None}


def _range(row: Row) -> str | None:
    spread = row.requests_per_second_spread
    for low, high in ((spread.low, spread.high), (spread.min, spread.max)):
        if low is not None and high is not None:
            return f"± {_rounded((high - low) / 2, digits=3)}"
    return None


def _rounded(value: float, *, digits: int) -> float:
    """To so many digits that count: a slow cell's spread is no 0.000 either."""
    return float(f"{value:.{digits}g}")


def _extra(row: Row) -> str:
    facts = {
        "outcome": row.outcome,
        "launches": row.launches,
        "ceiling": f"{row.ceiling_rps:.2f}/s" if row.ceiling_rps else None,
        "configuration": f"{row.configuration_rps:.2f}/s" if is_held_back(row) else None,
        "p50": f"{row.p50_ms:.0f} ms" if row.p50_ms is not None else None,
        "p99": f"{row.p99_ms:.0f} ms" if row.p99_ms is not None else None,
        "CPU": f"{row.cpu_ms_per_request:.3f} ms/request" if row.cpu_ms_per_request else None,
        "disturbed": row.disturbed,
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
