"""JSON of github-action-benchmark, to be read with `tool: customBiggerIsBetter`.

A list of objects with `name`, `unit`, `value`, and as text `range` and `extra` (README of that
action, "Examples", custom benchmark results). The value is the rate; from five launches on the
range is half the width of its 95 % interval, below that half the distance of its extremes.
"""

from __future__ import annotations

import json

from runner.export.source import Source
from runner.report.row import Row


def export(source: Source) -> str:
    """Requests per second of each cell with figures."""
    items = [
        {
            "name": row.cell,
            "unit": "requests/s",
            "value": round(row.requests_per_second or 0, 3),
            "range": _range(row),
            "extra": _extra(row),
        }
        for row in source.measured()
    ]
    return json.dumps(items, indent=2) + "\n"


def _range(row: Row) -> str:
    for low, high in (
        (row.requests_per_second_low, row.requests_per_second_high),
        (row.requests_per_second_min, row.requests_per_second_max),
    ):
        if low is not None and high is not None:
            return f"± {(high - low) / 2:.3f}"
    return "± 0"


def _extra(row: Row) -> str:
    facts = {
        "outcome": row.outcome,
        "launches": row.launches,
        "ceiling": f"{row.ceiling_rps:.2f}/s" if row.ceiling_rps else None,
        "p50": f"{row.p50_ms:.0f} ms" if row.p50_ms is not None else None,
        "p99": f"{row.p99_ms:.0f} ms" if row.p99_ms is not None else None,
        "CPU": f"{row.cpu_ms_per_request:.3f} ms/request" if row.cpu_ms_per_request else None,
        "disturbed": row.disturbed,
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
