"""A chart as pictures, by vl-convert."""

from __future__ import annotations

from typing import Any, Final
from xml.sax.saxutils import quoteattr

import vl_convert

from runner.publish.drawing import Pictures, png

#: Pixels of the PNG per pixel of the SVG: sharp on a projector.
PNG_SCALE: Final = 2.0
#: What the PNG, which no page can colour, is drawn on and with.
PAPER: Final = "#ffffff"
INK: Final = "#1a1a1a"


def pictures(spec: dict[str, Any]) -> Pictures:
    """A Vega-Lite specification, with its `description`, as pictures.

    Raises ValueError where it is none that can be drawn.
    """
    svg = _described(vl_convert.vegalite_to_svg(spec), spec["description"])
    return Pictures(svg, png.compressed(vl_convert.svg_to_png(_printed(svg), scale=PNG_SCALE)))


def warm_up() -> None:
    """Draw nothing: what draws takes its half second to start before there is anything to draw."""
    vl_convert.vegalite_to_svg({"mark": "point", "data": {"values": []}})


def _described(svg: str, description: str) -> str:
    """The SVG as one image with a description, in place of one for every mark."""
    return svg.replace("<svg ", f'<svg role="img" aria-label={quoteattr(description)} ', 1)


def _printed(svg: str) -> str:
    """The SVG on paper, with a colour for what is in `currentColor`."""
    inked = svg.replace("<svg ", f'<svg color="{INK}" ', 1)
    opening, _, drawing = inked.partition("><")
    return f'{opening}><rect width="100%" height="100%" fill="{PAPER}"/><{drawing}'
