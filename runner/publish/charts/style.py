"""How all charts look, and how a specification becomes a picture.

Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart, in the
order that reads best on white and on black. Text and axes are in `currentColor`: the page's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import vl_convert

from runner.report.axis_values import natural_key

#: Vega-Lite, as JSON holds it.
Spec = dict[str, Any]

INK: Final = "currentColor"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"

#: How each patch mode looks, in every chart. Other modes take a look by their place.
LOOKS: Final = {
    "none": (INK, "circle"),
    "imported": (SKY, "triangle-left"),
    "gevent": (BLUE, "square"),
    "grpc": (VERMILION, "triangle-up"),
    "gevent+grpc": (GREEN, "diamond"),
    "gevent-socket": (PURPLE, "triangle-down"),
    "gevent-select": (ORANGE, "triangle-right"),
    "gevent-time": (SKY, "cross"),
}
_OTHER_LOOKS: Final = ((SKY, "cross"), (ORANGE, "triangle-right"), (PURPLE, "triangle-down"))

#: Pixels of a PNG per pixel of the SVG: sharp on a projector.
PNG_SCALE: Final = 2.0
#: What a picture outside the page, which cannot colour it, is drawn on and with.
_PAPER: Final = ("#ffffff", "#1a1a1a")
#: What Vega writes into each text, and one place is enough for.
_FONT: Final = ' font-family="system-ui, sans-serif"'

_TEXT: Final = {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11}
_CONFIG: Final[Spec] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "padding": 8,
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "titleFontWeight": "normal",
        "domainColor": INK,
        "domainOpacity": 0.4,
        "tickColor": INK,
        "tickOpacity": 0.4,
        "gridColor": INK,
        "gridOpacity": 0.12,
        "labelLimit": 420,
    },
    # Not on axes of names: a line per environment keeps every label.
    "axisQuantitative": {"labelOverlap": "greedy", "labelSeparation": 6},
    "legend": {**_TEXT, "orient": "top", "symbolOpacity": 1},
    "title": {
        "color": INK,
        "subtitleColor": INK,
        "fontSize": 15,
        "subtitleFontSize": 12,
        "anchor": "start",
        "frame": "bounds",
        "offset": 12,
    },
    "text": {"color": INK, "fontSize": 11},
    "tick": {"color": INK},
}


def patch_channels(patches: Iterable[str]) -> Spec:
    """The encoding of patch modes as colour and shape, with one legend in the order of tables."""
    known = sorted(set(patches), key=lambda patch: natural_key("patch", patch))
    looks = [LOOKS.get(mode, _OTHER_LOOKS[n % len(_OTHER_LOOKS)]) for n, mode in enumerate(known)]
    return {
        name: {
            "field": "patch",
            "title": None,
            "scale": {"domain": known, "range": [look[place] for look in looks]},
        }
        for place, name in enumerate(("color", "shape"))
    }


def layer(mark: Spec, data: Sequence[Mapping[str, Any]], **encoding: Spec) -> Spec:
    """One layer of a chart. Its marks have the description that the encoding names, or none."""
    return {
        "data": {"values": list(data)},
        "mark": {"aria": "description" in encoding} | mark,
        "encoding": encoding,
    }


def quantity(field: str, title: str | None = None, **more: Any) -> Spec:  # noqa: ANN401
    """The encoding of a number."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def drawn(spec: Spec, title: str, notes: Sequence[str], description: str) -> str:
    """The chart as SVG: its marks with their descriptions, title and notes above them."""
    whole = {
        "title": {"text": title, "subtitle": list(notes)},
        "config": _CONFIG,
        **spec,
    }
    svg = vl_convert.vegalite_to_svg(whole)
    return _shrunk(svg).replace(
        "<svg ", f'<svg role="group" aria-label={quoteattr(description)} ', 1
    )


#: Descriptions of what can be read.
_TITLES: Final = re.compile(
    r' role="graphics-symbol" aria-roledescription="(?:title|subtitle|axis|legend)"'
    r' aria-label="[^"]*"'
)
#: What Vega writes into every mark though it is the default, or draws nothing.
_IDLE: Final = re.compile(
    r' (?:opacity="1"|pointer-events="none"|aria-hidden="true"|class="[\w -]*"'
    r'|role="graphics-object"|aria-roledescription="[\w -]*"|stroke-miterlimit="10"'
    r'|text-anchor="start"|xmlns:xlink="[^"]*"|version="1.1")'
)
_NOTHING: Final = re.compile(r'<path(?: d="(?:M0,0h[\d.]*v[\d.]*h-?[\d.]*Z)?"| display="none")+/>')
_EACH: Final = re.compile(r"<line[^>]*/>")
_LINES: Final = re.compile(r"(?:<line[^>]*/>){2,}")
_LINE: Final = re.compile(
    r'<line transform="translate\(([^,]*),([^)]*)\)" x2="([^"]*)" y2="([^"]*)"([^>]*)/>'
)
_GEOMETRY: Final = re.compile(r'(?<= )(d|transform|x2|y2)="([^"]*)"')
_LONG: Final = re.compile(r"-?\d+\.\d\d+")


def _shrunk(svg: str) -> str:
    """The same picture in half as many characters."""
    short = _GEOMETRY.sub(lambda found: f'{found[1]}="{_LONG.sub(_rounded, found[2])}"', svg)
    short = _NOTHING.sub("", _IDLE.sub("", _TITLES.sub("", short)))
    short = short.replace('role="graphics-symbol"', 'role="img"').replace(_FONT, "")
    short = short.replace("<svg ", f"<svg{_FONT} ", 1)
    before = ""
    while before != short:
        before, short = short, short.replace("<g></g>", "")
    return _LINES.sub(_one_path, short)


def _one_path(lines: re.Match[str]) -> str:
    """Lines that look alike, as the grid's do, as one path."""
    parts = [_LINE.match(line) for line in _EACH.findall(lines[0])]
    looks = {part[5] for part in parts if part}
    if len(looks) != 1:
        return lines[0]
    moves = "".join(f"M{part[1]},{part[2]}l{part[3]},{part[4]}" for part in parts if part)
    return f'<path d="{moves}"{looks.pop()}/>'


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def on_paper(svg: str) -> str:
    """The picture outside a page: on white, in black, without the marks' descriptions."""
    paper, ink = _PAPER
    bare = re.sub(r' aria-label="[^"]*" role="img"', "", svg)
    inked = bare.replace("<svg ", f'<svg color="{ink}" ', 1)
    opening, _, drawing = inked.partition("><")
    return f'{opening}><rect width="100%" height="100%" fill="{paper}"/><{drawing}'


def png(svg: str) -> bytes:
    """A picture on paper in pixels."""
    return vl_convert.svg_to_png(svg, scale=PNG_SCALE)
