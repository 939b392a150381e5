"""One chart, as data for the page's JavaScript and as pictures for readers without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt

from runner.publish.charts.style import CONFIG
from runner.publish.drawing import Pictures
from runner.publish.drawing.artist import Artist

#: What the modules of the charts build.
Drawing: TypeAlias = (
    "alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart | alt.VConcatChart"
)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: a file stem, a title, and what it shows for those who cannot see it.

    `spec` is its Vega-Lite specification, with text and axes in `currentColor`, so a page sets
    their colour. `svg` and `png` are the same as pictures: asking for one waits until it is drawn.
    """

    name: str
    title: str
    description: str
    spec: dict[str, Any]
    pictures: Future[Pictures]

    @property
    def svg(self) -> str:
        """The chart as SVG, its text and axes in `currentColor`."""
        return self.pictures.result().svg

    @property
    def png(self) -> bytes:
        """The chart as PNG, on white."""
        return self.pictures.result().png


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A chart before it is drawn; `notes` are the lines under its title that say how to read it."""

    name: str
    title: str
    description: str
    notes: Sequence[str]
    drawing: Drawing


def inline(values: Iterable[dict[str, Any]]) -> alt.InlineData:
    """Data that stands in the specification; what is None is left out of it."""
    rows = [{key: value for key, value in row.items() if value is not None} for row in values]
    data = alt.InlineData(values=[])
    data.values = rows  # set only now, for altair would check each value of each row by its schema
    return data


def begun(draft: Draft, artist: Artist) -> Chart:
    """The draft as a chart whose pictures are being drawn, title and notes at the top."""
    # What altair would check here by the schema takes longer than drawing; the tests check it.
    spec: dict[str, Any] = draft.drawing.to_dict(validate=False)
    spec |= {
        "title": {"text": draft.title, "subtitle": list(draft.notes)},
        "description": draft.description,
        "config": CONFIG,
    }
    del spec["$schema"]  # an address, and the page knows what draws its charts
    return Chart(
        name=draft.name,
        title=draft.title,
        description=draft.description,
        spec=spec,
        pictures=artist.draw(spec),
    )
