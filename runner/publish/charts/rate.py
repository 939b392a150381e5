"""Requests per second of each cell against the most that the load can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from runner.publish.charts.chart import Chart, chart
from runner.publish.charts.labels import cell_labels, in_groups
from runner.publish.charts.style import WIDTH, patch_scales
from runner.publish.source import PublishedRun
from runner.report.columns import FIGURES
from runner.report.row import Row

TITLE: Final = "Requests per second against the ceiling of the load"
ROW_HEIGHT: Final = 17
#: Ceilings or rates this many times apart need a logarithmic axis.
WIDE: Final = 20
_RATE: Final = FIGURES[0]


def rate_chart(runs: Sequence[PublishedRun]) -> Chart:
    """A row per cell, one panel per run."""
    rows = [row for run in runs for row in run.rows]
    patches = [row.patch for row in rows]
    panels = [_panel(run, patches, named=len(runs) > 1) for run in runs]
    return chart("rate", TITLE, TITLE, alt.vconcat(*panels, spacing=24))


def _panel(run: PublishedRun, patches: Sequence[str], *, named: bool) -> alt.LayerChart:
    labels = cell_labels(run)
    data = alt.InlineData(values=[_datum(row, labels[row.cell]) for row in in_groups(run)])
    color, shape = patch_scales(patches)
    y = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(grid=True, ticks=False))
    x = alt.X("rate:Q", title="requests/s", scale=_scale(run.rows))
    base = alt.Chart(data).encode(y=y)
    layers = [
        base.mark_rule(strokeWidth=1.2).encode(x=alt.X("min:Q"), x2="max:Q"),
        base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_tick(thickness=2, size=ROW_HEIGHT - 3).encode(x=alt.X("ceiling:Q")),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=x,
            color=alt.Color("patch:N", title="patch", scale=color),
            shape=alt.Shape("patch:N", title="patch", scale=shape),
            tooltip=["cell:N", "figures:N", "ceiling:Q", "disturbed:N"],
        ),
        base.mark_text(align="left", dx=8)
        .encode(x=alt.value(WIDTH), text="figures:N")
        .transform_filter("isValid(datum.rate)"),
        base.mark_text(align="left", dx=6, fontStyle="italic")
        .encode(x=alt.value(0), text="outcome:N", tooltip=["cell:N", "outcome:N", "reason:N"])
        .transform_filter("!isValid(datum.rate)"),
    ]
    title = run.label if named else alt.Undefined
    return alt.LayerChart(layer=layers, width=WIDTH, height=alt.Step(ROW_HEIGHT), title=title)


def _datum(row: Row, label: str) -> dict[str, Any]:
    datum: dict[str, Any] = {"cell": row.cell, "label": label, "patch": row.patch}
    if row.requests_per_second is None:
        return datum | {"outcome": str(row.outcome or "not measured"), "reason": row.reason}
    interval = row.requests_per_second_low is not None
    ends = ("low", "high") if interval else ("min", "max")
    spread = {end: row.value(f"requests_per_second_{end}") for end in ends}
    return (
        datum
        | spread
        | {
            "rate": row.requests_per_second,
            "ceiling": row.ceiling_rps,
            "figures": _RATE.text(row),
            "disturbed": row.disturbed,
        }
    )


def _scale(rows: Sequence[Row]) -> alt.Scale:
    """From zero, unless the loads themselves are so far apart that only a logarithm shows all."""
    loads = [load for row in rows if (load := row.ceiling_rps or row.requests_per_second)]
    if loads and max(loads) > WIDE * min(loads):
        return alt.Scale(type="log", nice=True)
    return alt.Scale(zero=True, nice=True)
