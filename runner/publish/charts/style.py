"""Colours, shapes and type of all charts.

Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart, in the
order that reads best on white and on black. What is text or axis is in `currentColor`: the page's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import altair as alt

from runner.outcome import Outcome
from runner.report.rows import natural_key

INK: Final = "currentColor"
FONT: Final = "system-ui, sans-serif"
WIDTH: Final = 480
#: The height of a cell's line where each has one.
ROW_HEIGHT: Final = 17

ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"

#: How each patch mode looks, in every chart. What is not named here takes a look by its place.
LOOKS: Final = {
    "none": (INK, "circle"),
    "gevent": (BLUE, "square"),
    "grpc": (VERMILION, "triangle-up"),
    "gevent+grpc": (GREEN, "diamond"),
    "gevent-socket": (PURPLE, "triangle-down"),
    "gevent-select": (ORANGE, "triangle-right"),
    "gevent-time": (SKY, "cross"),
}
_OTHER_LOOKS: Final = ((SKY, "cross"), (ORANGE, "triangle-right"), (PURPLE, "triangle-down"))


def patch_scales(patches: Iterable[str]) -> tuple[alt.Scale, alt.Scale]:
    """The scales of colour and of shape for these patch modes, in the order of tables."""
    known = sorted(set(patches), key=lambda patch: natural_key("patch", patch))
    looks = [
        LOOKS.get(patch, _OTHER_LOOKS[place % len(_OTHER_LOOKS)])
        for place, patch in enumerate(known)
    ]
    return (
        alt.Scale(domain=known, range=[color for color, _ in looks]),
        alt.Scale(domain=known, range=[shape for _, shape in looks]),
    )


#: How cells without figures look where there is no room for the word.
OUTCOME_SHAPES: Final = {
    Outcome.HANG_AT_STARTUP: "square",
    Outcome.HANG_UNDER_LOAD: "circle",
    Outcome.CRASHED: "cross",
    Outcome.OOM_KILLED: "triangle-up",
    Outcome.IMPORT_ERROR: "triangle-left",
    Outcome.WRONG_ANSWER: "diamond",
    Outcome.FAILED_REQUESTS: "triangle-down",
    Outcome.UNAVAILABLE: "stroke",
    Outcome.BUILD_FAILED: "wedge",
    Outcome.ENGINE_ERROR: "arrow",
}
_NOT_MEASURED_SHAPE: Final = "triangle-right"


def outcome_scale(outcomes: Iterable[str]) -> alt.Scale:
    """The scale of shape for these outcomes without figures, in the order of the words' list."""
    shapes = {str(outcome): shape for outcome, shape in OUTCOME_SHAPES.items()}
    wanted = set(outcomes)
    known = [*(word for word in shapes if word in wanted), *sorted(wanted - shapes.keys())]
    return alt.Scale(domain=known, range=[shapes.get(word, _NOT_MEASURED_SHAPE) for word in known])


def rows_axis(*, labels: bool = True) -> alt.Axis:
    """The axis of a chart with a line per cell, without labels for one beside another."""
    return alt.Axis(grid=True, ticks=False, title=None, labels=labels)


_TEXT: Final = {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11}

CONFIG: Final[dict[str, Any]] = {
    "aria": False,  # the chart has one description; a label for each mark is noise
    "background": "transparent",
    "font": FONT,
    "padding": 8,
    "view": {"stroke": None, "continuousWidth": WIDTH},
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
    # Only there: a line per cell keeps every label.
    "axisQuantitative": {"labelOverlap": "greedy", "labelSeparation": 6},
    "legend": {**_TEXT, "orient": "top", "titleFontWeight": "normal", "symbolSize": 70},
    "header": {**_TEXT, "labelFontWeight": "bold"},
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
    "rule": {"color": INK},
    "tick": {"color": INK},
}
