"""One chart, as data for the page's JavaScript and as pictures for readers without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import quoteattr

import altair as alt
import vl_convert

from runner.publish.charts.style import CONFIG

#: What the modules of the charts build.
Drawing: TypeAlias = "alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart"
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


def chart(name: str, title: str, description: str, drawing: Drawing) -> Chart:
    """The drawing with all that goes with it, its title at the top."""
    # What altair checks here by the schema takes longer than drawing; the tests check it.
    spec: dict[str, Any] = drawing.to_dict(validate=False)
    spec |= {"title": title, "description": description, "config": CONFIG}
    del spec["$schema"]  # an address, and the page says which library draws
    svg = _described(vl_convert.vegalite_to_svg(spec), description)
    return Chart(
        name=name,
        title=title,
        description=description,
        spec=spec,
        svg=svg,
        png=vl_convert.svg_to_png(_printed(svg), scale=PNG_SCALE),
    )


def _described(svg: str, description: str) -> str:
    """The SVG as one image with a description, in place of one for every mark."""
    return svg.replace("<svg ", f'<svg role="img" aria-label={quoteattr(description)} ', 1)


def _printed(svg: str) -> str:
    """The SVG with a colour for what is in `currentColor`, on paper."""
    head, bracket, body = svg.partition('xmlns="http')
    head = f'{head}color="{INK}" {bracket}'
    tag_end = body.index(">") + 1
    paper = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
    return f"{head}{body[:tag_end]}{paper}{body[tag_end:]}"
