"""One chart, as data for the page's JavaScript and as pictures for readers without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import quoteattr

import altair as alt
import vl_convert

from runner.publish.charts import png
from runner.publish.charts.style import CONFIG

#: What the modules of the charts build.
Drawing: TypeAlias = (
    "alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart | alt.VConcatChart"
)
#: Pixels of the PNG per pixel of the SVG: sharp on a projector.
PNG_SCALE: Final = 2.0
#: What the PNG, which no page can colour, is drawn on and with.
PAPER: Final = "#ffffff"
INK: Final = "#1a1a1a"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: a file stem, a title, and what it shows for those who cannot see it.

    `spec` is its Vega-Lite specification, `svg` and `png` are the same as pictures. Text and axes
    of specification and SVG are in `currentColor`, so a page sets their colour; the PNG is white.
    """

    name: str
    title: str
    description: str
    spec: dict[str, Any]
    svg: str
    png: bytes


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


def drawn(draft: Draft) -> Chart:
    """The draft as pictures, with its title and notes at the top."""
    # What altair would check here by the schema takes longer than drawing; the tests check it.
    spec: dict[str, Any] = draft.drawing.to_dict(validate=False)
    spec |= {
        "title": {"text": draft.title, "subtitle": list(draft.notes)},
        "description": draft.description,
        "config": CONFIG,
    }
    del spec["$schema"]  # an address, and the page knows what draws its charts
    svg = _described(vl_convert.vegalite_to_svg(spec), draft.description)
    return Chart(
        name=draft.name,
        title=draft.title,
        description=draft.description,
        spec=spec,
        svg=svg,
        png=png.compressed(vl_convert.svg_to_png(_printed(svg), scale=PNG_SCALE)),
    )


def _described(svg: str, description: str) -> str:
    """The SVG as one image with a description, in place of one for every mark."""
    return svg.replace("<svg ", f'<svg role="img" aria-label={quoteattr(description)} ', 1)


def _printed(svg: str) -> str:
    """The SVG on paper, with a colour for what is in `currentColor`."""
    inked = svg.replace("<svg ", f'<svg color="{INK}" ', 1)
    opening, _, drawing = inked.partition("><")
    return f'{opening}><rect width="100%" height="100%" fill="{PAPER}"/><{drawing}'
