"""The rates of a large run: a tile for each cell, coloured by how near it comes to its ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import altair as alt

from runner.publish.charts.chart import inline
from runner.publish.charts.labels import PATCH, in_groups, label, ordered, varying_axes
from runner.publish.charts.style import INK, outcome_scale
from runner.publish.charts.words import outcome_of
from runner.publish.source import PublishedRun
from runner.report.rows import Row
from runner.report.tables import FIGURES

TILE: Final = 14
_RATE: Final = FIGURES[0]


def efficiency_panel(run: PublishedRun) -> alt.LayerChart:
    """Patch modes across, and as many further axes as it takes to keep the panel low."""
    down, across = _layout(run)
    rows = in_groups(run)
    base = alt.Chart().encode(
        x=alt.X("across:N", sort=_labels(rows, across), title=None, axis=_axis(angle=-60)),
        y=alt.Y("down:N", sort=_labels(rows, down), title=None, axis=_axis(angle=0)),
    )
    tiles = base.transform_filter("isValid(datum.efficiency)").mark_rect(
        width=TILE - 2, height=TILE - 2, stroke=INK, strokeOpacity=0.35
    )
    legend = alt.Legend(gradientLength=160)
    layers = [
        tiles.encode(
            color=alt.Color(
                "efficiency:Q",
                title="rate / ceiling",
                scale=alt.Scale(scheme="viridis", domain=[0, 1]),
                legend=legend,
            ),
            tooltip=["cell:N", "figures:N", "efficiency:Q"],
        ),
        *_symbols(base, [outcome_of(row) for row in rows if row.requests_per_second is None]),
    ]
    return alt.LayerChart(
        data=inline(_datum(row, down, across) for row in rows),
        layer=layers,
        width=alt.Step(TILE),
        height=alt.Step(TILE),
    )


def _symbols(base: alt.Chart, outcomes: Sequence[str]) -> Iterator[alt.Chart]:
    """A layer for the cells without figures. Without any its legend would have no size to take."""
    if outcomes:
        symbols = base.transform_filter("isValid(datum.outcome)").mark_point(size=40, color=INK)
        yield symbols.encode(
            shape=alt.Shape("outcome:N", title=None, scale=outcome_scale(outcomes)),
            tooltip=["cell:N", "outcome:N"],
        )


def _axis(angle: float) -> alt.Axis:
    return alt.Axis(labelAngle=angle, ticks=False, domain=False)


def _layout(run: PublishedRun) -> tuple[list[str], list[str]]:
    """The axes down and across: of all ways to cut them, the one nearest to a square."""
    axes = [axis for axis in varying_axes(run) if axis != PATCH]
    cuts = [(axes[:place], [*axes[place:], PATCH]) for place in range(len(axes) + 1)]
    return min(cuts, key=lambda cut: max(_number(run.rows, side) for side in cut))


def _number(rows: Sequence[Row], axes: Sequence[str]) -> int:
    """How many combinations of values the rows have on these axes."""
    return len({tuple(row.value(axis) for axis in axes) for row in rows})


def _labels(rows: Sequence[Row], axes: Sequence[str]) -> list[str]:
    """The labels of the rows on these axes, in the order of the axes."""
    return list(dict.fromkeys(label(row, axes) for row in ordered(rows, axes)))


def _datum(row: Row, down: Sequence[str], across: Sequence[str]) -> dict[str, Any]:
    datum = {"cell": row.cell, "down": label(row, down), "across": label(row, across)}
    if row.requests_per_second is None:
        return datum | {"outcome": outcome_of(row)}
    efficiency = None if row.efficiency is None else round(row.efficiency, 3)
    return datum | {"efficiency": efficiency, "figures": _RATE.text(row)}
