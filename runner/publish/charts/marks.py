"""The marks of charts with a line per cell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import altair as alt

from runner.publish.charts.style import ROW_HEIGHT, patch_scales

#: Lines from one end to the other: all that was seen, and what is claimed of it. Width, ends.
_SPREADS: Final = ((1.2, "min", "max"), (3.5, "low", "high"))


def axis_of(field: str, title: str, shown: Sequence[float], *, far_apart: bool) -> alt.X:
    """From zero, or over what is shown, all of it above zero, on a logarithmic axis."""
    axis = alt.Axis(tickCount=6)
    if not far_apart:
        scale = alt.Scale(zero=True, nice=True)
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)
    scale = alt.Scale(type="log", domain=[min(shown) / 1.5, max(shown) * 1.1], nice=False)
    return alt.X(f"{field}:Q", title=f"{title}, logarithmic", scale=scale, axis=axis)


def spreads(
    base: alt.Chart, known: Collection[str], *, prefix: str = "", opacity: float = 1.0
) -> Iterator[alt.Chart]:
    """Lines between those ends that the data knows; without data an axis would have no extent."""
    for width, low, high in _SPREADS:
        if prefix + low in known:
            rule = base.mark_rule(strokeWidth=width, opacity=opacity)
            yield rule.encode(x=f"{prefix}{low}:Q", x2=f"{prefix}{high}:Q")


def ticks(base: alt.Chart, known: Collection[str], field: str) -> Iterator[alt.Chart]:
    """An upright tick at the reference that a cell is seen against, where the data knows it."""
    if field in known:
        yield base.mark_tick(thickness=2, size=ROW_HEIGHT - 3).encode(x=f"{field}:Q")


def points(base: alt.Chart, x: alt.X, patches: Iterable[str], tooltip: Sequence[str]) -> alt.Chart:
    """The cells themselves, in the colour and shape of their patch mode."""
    color, shape = patch_scales(patches)
    marks: alt.Chart = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=x,
        color=alt.Color("patch:N", title=None, scale=color),
        shape=alt.Shape("patch:N", title=None, scale=shape),
        tooltip=list(tooltip),
    )
    return marks
