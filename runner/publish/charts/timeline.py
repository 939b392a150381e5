"""When each launch was made, and which of them were disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import altair as alt
import numpy as np

from runner.measurement.records import LaunchRecord
from runner.publish.charts.chart import Draft, inline
from runner.publish.charts.labels import cell_labels, in_groups
from runner.publish.charts.style import BLUE, INK, ROW_HEIGHT, VERMILION, WIDTH, rows_axis
from runner.publish.charts.words import count, number
from runner.publish.source import PublishedRun

#: A run with more cells than this is shown as how many launches there were at a time.
MOST_LINES: Final = 60
#: Into so many steps the time of a large run is cut.
STEPS: Final = 200
#: A run longer than this many seconds is shown in minutes.
LONG_S: Final = 300
DISTURBED: Final = "disturbed"
UNDISTURBED: Final = "undisturbed"
WITHOUT_FIGURES: Final = "without figures"
#: How each kind of launch looks: its colour, and the mark at its end.
LOOKS: Final = {
    UNDISTURBED: (BLUE, "circle"),
    DISTURBED: (VERMILION, "triangle-up"),
    WITHOUT_FIGURES: (INK, "cross"),
}


@dataclass(frozen=True, kw_only=True)
class _Bar:
    """One launch of this run, in seconds since the run's start.

    `load_s` is when its load began: until then its containers started, were checked, and waited
    for their turn. A launch that was not loaded to the end has no such moment.
    """

    launch: LaunchRecord
    start_s: float
    load_s: float | None
    end_s: float

    @property
    def kind(self) -> str:
        if self.launch.disturbed:
            return DISTURBED
        return UNDISTURBED if self.launch.outcome.has_figures else WITHOUT_FIGURES


def timeline_draft(run: PublishedRun, name: str = "timeline") -> Draft | None:
    """A line per cell, or the number of launches side by side; None where no launch was timed."""
    launches = [launch for of_cell in run.launches.values() for launch in of_cell]
    bars = list(_bars(run, launches))
    if not bars:
        return None
    reused = sum(launch.reused_from is not None for launch in launches)
    many = len({bar.launch.cell for bar in bars}) > MOST_LINES
    return Draft(
        name=name,
        title="When it was measured",
        description=_description(bars),
        notes=list(_notes(reused=reused, many=many)),
        drawing=_crowd(bars) if many else _lines(run, bars),
    )


def _bars(run: PublishedRun, launches: Sequence[LaunchRecord]) -> Iterator[_Bar]:
    """The launches that were made in this run and have a duration."""
    began = datetime.fromisoformat(run.run.started_at)
    for launch in launches:
        if launch.started_at and launch.reused_from is None and launch.wall_s is not None:
            start = (datetime.fromisoformat(launch.started_at) - began).total_seconds()
            end = start + launch.wall_s
            load = max(start, end - launch.ab.time_taken_s) if launch.ab else None
            yield _Bar(launch=launch, start_s=start, load_s=load, end_s=end)


def _notes(*, reused: int, many: bool) -> Iterator[str]:
    if many:
        yield "Launches under way at each time; above them ▲ where a disturbed one ended."
    else:
        yield "A line per launch from its start to its end, with a bar while it was loaded."
    if reused:
        yield f"{count(reused, 'launch')} of earlier runs, used again, not shown."


def _unit(bars: Sequence[_Bar]) -> tuple[float, str]:
    """Seconds in the axis's unit, and its title."""
    if max(bar.end_s for bar in bars) > LONG_S:
        return 60.0, "minutes since the run's start"
    return 1.0, "seconds since the run's start"


def _lines(run: PublishedRun, bars: Sequence[_Bar]) -> alt.LayerChart:
    unit, title = _unit(bars)
    labels = cell_labels(run)
    measured = {bar.launch.cell for bar in bars}
    order = [labels[row.cell] for row in in_groups(run) if row.cell in measured]
    kinds = [kind for kind in LOOKS if any(bar.kind == kind for bar in bars)]
    base = alt.Chart().encode(
        y=alt.Y("label:N", sort=order, axis=rows_axis()),
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=kinds, range=[LOOKS[kind][0] for kind in kinds]),
        ),
        tooltip=["cell:N", "launch:Q", "outcome:N", "disturbed:N", "start:Q", "end:Q"],
    )
    shapes = alt.Scale(domain=kinds, range=[LOOKS[kind][1] for kind in kinds])
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(
            x=alt.X("start:Q", title=title, scale=alt.Scale(zero=True)), x2="end:Q"
        ),
        base.mark_bar(height=7, opacity=0.8)
        .encode(x="load:Q", x2="end:Q")
        .transform_filter("isValid(datum.load)"),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x="end:Q", shape=alt.Shape("kind:N", title=None, scale=shapes)
        ),
    ]
    return alt.LayerChart(
        data=inline(_datum(bar, labels[bar.launch.cell], unit) for bar in bars),
        layer=layers,
        width=WIDTH,
        height=alt.Step(ROW_HEIGHT),
    )


def _datum(bar: _Bar, label: str, unit: float) -> dict[str, Any]:
    return {
        "cell": bar.launch.cell,
        "label": label,
        "launch": bar.launch.launch,
        "outcome": str(bar.launch.outcome),
        "disturbed": bar.launch.disturbed,
        "kind": bar.kind,
        "start": round(bar.start_s / unit, 3),
        "load": None if bar.load_s is None else round(bar.load_s / unit, 3),
        "end": round(bar.end_s / unit, 3),
    }


def _crowd(bars: Sequence[_Bar]) -> alt.LayerChart:
    unit, title = _unit(bars)
    edges = np.linspace(0, max(bar.end_s for bar in bars), STEPS + 1)
    starts = np.array([bar.start_s for bar in bars])
    ends = np.array([bar.end_s for bar in bars])
    middles = (edges[:-1] + edges[1:]) / 2
    running = np.searchsorted(np.sort(starts), middles) - np.searchsorted(np.sort(ends), middles)
    disturbed = np.histogram(ends[[bar.kind == DISTURBED for bar in bars]], edges)[0]
    data = inline(
        {"time": round(time / unit, 3), "running": int(now), "disturbed": int(hurt) or None}
        for time, now, hurt in zip(middles.tolist(), running, disturbed, strict=True)
    )
    base = alt.Chart().encode(x=alt.X("time:Q", title=title, scale=alt.Scale(zero=True)))
    return alt.LayerChart(
        data=data,
        layer=[
            base.mark_area(interpolate="step", color=BLUE, opacity=0.8).encode(
                y=alt.Y("running:Q", title="launches under way")
            ),
            base.mark_point(filled=True, shape="triangle-up", color=VERMILION, size=60, opacity=1)
            .encode(y=alt.value(-8), tooltip=["time:Q", "running:Q", "disturbed:Q"])
            .transform_filter("isValid(datum.disturbed)"),
        ],
        width=WIDTH,
        height=160,
    )


def _description(bars: Sequence[_Bar]) -> str:
    """`26 launches in 2.41 minutes, 1 of them disturbed.`."""
    unit, title = _unit(bars)
    lasted = max(bar.end_s for bar in bars) / unit
    disturbed = sum(bar.kind == DISTURBED for bar in bars)
    return (
        f"{count(len(bars), 'launch')} within {number(lasted)} {title}, "
        f"{disturbed or 'none'} of them disturbed."
    )
