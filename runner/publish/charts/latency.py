"""How long requests took: for each environment a panel with one distribution per patch mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt

from runner.publish.charts.chart import Draft, inline
from runner.publish.charts.labels import PATCH, SEPARATOR, label_of, varying_axes
from runner.publish.charts.style import patch_scales
from runner.publish.charts.words import count, number
from runner.publish.latency import MOST_POINTS, Curve, curve_of
from runner.publish.source import PublishedRun
from runner.report.tables import grid
from runner.text import known

COLUMNS: Final = 3
#: So many panels are drawn at a time; those of a large run are leafed through.
PANELS: Final = 12
WIDTH: Final = 210
HEIGHT: Final = 150
#: So many points has a run's chart in all, and so few its curves at the least.
ALL_POINTS: Final = 12_000
FEWEST_POINTS: Final = 12
#: The slowest request over the fastest one from which on the axis is logarithmic.
WIDE: Final = 10
#: A heading longer than this many letters is broken; each line is so many pixels high.
HEADING_LETTERS: Final = 34
HEADING_LINE: Final = 14
_NOTE: Final = "A curve per cell over all its requests: how many took so many ms or longer."
_OWN_AXES: Final = "Each panel has a time axis of its own."
_SHARE: Final = "datum.value > 0.99 ? 'all' : '1 in ' + format(1 / datum.value, ',.0f')"


@dataclass(frozen=True, kw_only=True)
class _Panel:
    """An environment's panel: its name, the number of the page that it is on, and its cells."""

    name: str
    page: int
    cells: frozenset[str]


def latency_draft(run: PublishedRun, name: str = "latency") -> Draft | None:
    """The panels of a run; None where no cell has latencies stored."""
    curves = _curves(run)
    if not curves:
        return None
    panels = _panels(run, curves)
    pages = _pages(panels)
    notes = [f"{_NOTE} {_OWN_AXES}" if _is_wide(curves) else _NOTE]
    if len(pages) > 1:
        notes.append(f"Shown: {pages[0]}, {PANELS} of {len(panels)} environments.")
    return Draft(
        name=name,
        title="How long requests took",
        description=_description(curves),
        notes=notes,
        drawing=_drawing(run, curves, panels, pages),
    )


def _curves(run: PublishedRun) -> dict[str, Curve]:
    """The curve of each cell with figures, over the launches that its figures are of."""
    rows = [row for row in run.rows if row.requests_per_second is not None]
    points = max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(len(rows), 1)))
    curves = {}
    for row in rows:
        launches = [one for one in run.launches.get(row.cell, ()) if one.outcome is row.outcome]
        if curve := curve_of(run.directory, launches, points):
            curves[row.cell] = curve
    return curves


def _panels(run: PublishedRun, curves: Mapping[str, Curve]) -> list[_Panel]:
    """A panel per line of the table by patch mode: a baseline is on each that it stands for."""
    table = grid(run.rows, run.run, PATCH)
    axes = [axis for axis in varying_axes(run) if axis != PATCH]
    named = [
        (label_of(dict(zip(table.axes, values, strict=True)), axes), cells)
        for values, found in table.lines
        if (cells := frozenset(row.cell for row in found if row and row.cell in curves))
    ]
    return [
        _Panel(name=name, page=place // PANELS, cells=cells)
        for place, (name, cells) in enumerate(named)
    ]


def _pages(panels: Sequence[_Panel]) -> list[str]:
    """Each page by its first and last panel."""
    starts = range(0, len(panels), PANELS)
    pages = [panels[start : start + PANELS] for start in starts]
    return [f"{page[0].name} … {page[-1].name}" for page in pages]


def _drawing(
    run: PublishedRun, curves: Mapping[str, Curve], panels: Sequence[_Panel], pages: Sequence[str]
) -> alt.FacetChart:
    color, shape = patch_scales(known(row.patch) for row in run.rows if row.cell in curves)
    axis = alt.Axis(tickCount=4, format=",~f")
    base = alt.Chart().encode(
        x=alt.X("ms:Q", title=None, scale=_time_scale(curves), axis=axis),
        y=alt.Y(
            "share:Q",
            title="requests as slow or slower",
            scale=alt.Scale(type="log", reverse=True, nice=False, padding=5),
            axis=alt.Axis(values=[1, *(10.0**-n for n in range(1, 7))], labelExpr=_SHARE),
        ),
        color=alt.Color("patch:N", title=None, scale=color),
    )
    # Marks are points of the curves that say so: one flattening serves both layers.
    layers = [
        base.mark_line(strokeWidth=1.6).encode(
            detail="cell:N", order=alt.Order("share:Q", sort="descending")
        ),
        base.mark_point(filled=True, size=45, opacity=1)
        .encode(shape=alt.Shape("patch:N", title=None, scale=shape), tooltip=["cell:N", "ms:Q"])
        .transform_filter("datum.mark"),
    ]
    chart = alt.LayerChart(
        data=inline(_data(run, curves, panels)), layer=layers, width=WIDTH, height=HEIGHT
    )
    faceted = chart.facet(
        alt.Facet(
            "panel:N",
            title=None,
            sort=[panel.name for panel in panels],
            header=alt.Header(labelExpr=_heading(panels), labelPadding=4),
        ),
        columns=COLUMNS,
        bounds="flush",
        spacing={"row": 34 + HEADING_LINE * _heading_lines(panels), "column": 40},
    ).transform_flatten(["panel", "page"])
    if _is_wide(curves):
        faceted = faceted.resolve_scale(x="independent")
    if len(pages) > 1:
        choice = alt.binding_select(options=[*range(len(pages))], labels=pages, name="Shown: ")
        page = alt.param(name="page", value=0, bind=choice)
        faceted = faceted.add_params(page).transform_filter("datum.page === page")
    return faceted.transform_flatten(["ms", "share", "mark"])


def _heading_lines(panels: Sequence[_Panel]) -> int:
    """How many lines the longest heading takes: a line for all, or one for each axis."""
    longest = max((panel.name for panel in panels), key=len)
    return 1 if len(longest) <= HEADING_LETTERS else longest.count(SEPARATOR) + 1


def _heading(panels: Sequence[_Panel]) -> str:
    """The expression for a panel's heading."""
    one_line = _heading_lines(panels) == 1
    return "datum.label" if one_line else f"split(datum.label, '{SEPARATOR}')"


def _is_wide(curves: Mapping[str, Curve]) -> bool:
    least = min(curve.latency_ms[0] for curve in curves.values())
    most = max(curve.latency_ms[-1] for curve in curves.values())
    return bool(least > 0 and most > WIDE * least)


def _time_scale(curves: Mapping[str, Curve]) -> alt.Scale:
    if _is_wide(curves):
        return alt.Scale(type="log", nice=False, padding=5)
    return alt.Scale(zero=False, nice=False, padding=5)


def _data(
    run: PublishedRun, curves: Mapping[str, Curve], panels: Sequence[_Panel]
) -> Iterator[dict[str, Any]]:
    """A cell's curve once, with all the panels that it is drawn in."""
    for row in run.rows:
        if row.cell not in curves:
            continue
        curve = curves[row.cell]
        on = [panel for panel in panels if row.cell in panel.cells]
        marked = set(curve.landmarks())
        yield {
            "cell": row.cell,
            "patch": row.patch,
            "panel": [panel.name for panel in on],
            "page": [panel.page for panel in on],
            "ms": [float(f"{ms:.5g}") for ms in curve.latency_ms.tolist()],
            "share": [float(f"{share:.4g}") for share in curve.share.tolist()],
            "mark": [int(place in marked) for place in range(curve.share.size)],
        }


def _description(curves: Mapping[str, Curve]) -> str:
    """The slowest hundredth of the cell where it is fastest, and where it is slowest."""
    slow = {cell: curve.at(0.01) for cell, curve in curves.items()}
    best, worst = min(slow, key=slow.__getitem__), max(slow, key=slow.__getitem__)
    return (
        f"Distributions of {count(len(curves), 'cell')}: of a hundred requests the slowest took "
        f"{number(slow[best])} ms or more in {best}, and {number(slow[worst])} ms in {worst}."
    )
