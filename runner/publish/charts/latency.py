"""How long requests took: a panel per environment, with a distribution for each patch mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runner.publish.charts.style import Spec, layer, patch_channels, quantity
from runner.publish.environments import Environment, most_different
from runner.publish.latency import LANDMARKS, Curve, curve_of, nearest
from runner.report.row import Row, is_cut
from runner.report.run import Run
from runner.report.tables import milliseconds
from runner.store.run_directory import RunDirectory
from runner.text import counted, known

NAME: Final = "latency"
TITLE: Final = "How long requests took"
COLUMNS: Final = 3
MOST_PANELS: Final = 12
WIDTH: Final = 280
HEIGHT: Final = 140
#: The slowest request over the fastest one from which on the axis is logarithmic.
WIDE: Final = 10
#: A heading longer than this many letters has a line for each axis.
HEADING_LETTERS: Final = 34
#: Shares that have a mark on every curve, with its description.
MARKED: Final = (LANDMARKS[0], LANDMARKS[2])
_SHARES: Final[Spec] = {
    "values": [10.0**-n for n in range(7)],
    "labelExpr": "datum.value > 0.99 ? 'all' : '1 in ' + format(1 / datum.value, ',.0f')",
    "titlePadding": 16,
}

Curves = Mapping[str, Curve]


def curves_of(directory: RunDirectory, run: Run, found: Sequence[Environment]) -> dict[str, Curve]:
    """The curve of each cell in the chart, over the launches that its figures are of."""
    rows = {row.cell: row for one in shown(found) for row in one.rows}
    curves = {}
    for cell, row in rows.items():
        launches = [one for one in run.launches.get(cell, ()) if one.outcome.counts_as(row.outcome)]
        if curve := curve_of(directory, launches):
            curves[cell] = curve
    return curves


def shown(found: Sequence[Environment]) -> list[Environment]:
    """The environments that have a panel, with those of their cells that have figures."""
    return most_different(_with_figures(found), MOST_PANELS, lambda row: row.p99_ms)


def _with_figures(found: Sequence[Environment]) -> list[Environment]:
    cut = [
        Environment(
            one.name, tuple(row for row in one.rows if row.requests_per_second and not is_cut(row))
        )
        for one in found
    ]
    return [one for one in cut if one.rows]


def notes(found: Sequence[Environment]) -> Iterator[str]:
    """How to read the chart."""
    yield "A curve per cell over all its requests: how many took so many ms or longer."
    if (number := len(_with_figures(found))) > MOST_PANELS:
        yield f"Shown: {MOST_PANELS} of {number} environments, those whose p99 differ most."


def description(curves: Curves) -> str:
    """What half of the requests took in the cell where it is least, and where it is most."""
    slow = {cell: nearest(curve, 0.5).ms for cell, curve in curves.items()}
    best, worst = min(slow, key=slow.__getitem__), max(slow, key=slow.__getitem__)
    return (
        f"{counted(len(curves), 'cell')}: half of the requests took {milliseconds(slow[best])} ms "
        f"or more in {best}, and {milliseconds(slow[worst])} ms or more in {worst}."
    )


def chart(found: Sequence[Environment], curves: Curves) -> Spec:
    """The panels, in lines of three."""
    panels = [one for one in shown(found) if any(row.cell in curves for row in one.rows)]
    patches = [known(row.patch) for one in panels for row in one.rows if row.cell in curves]
    looks = patch_channels(patches)
    return {
        "concat": [
            _panel(one, curves, looks, is_left=n % COLUMNS == 0, is_low=n + COLUMNS >= len(panels))
            for n, one in enumerate(panels)
        ],
        "columns": COLUMNS,
        "spacing": {"row": 24, "column": 24},
    }


def _panel(one: Environment, curves: Curves, looks: Spec, *, is_left: bool, is_low: bool) -> Spec:
    mine = [row for row in one.rows if row.cell in curves]
    points = [point for row in mine for point in _points(row, curves[row.cell])]
    marks = [mark for row in mine for mark in _marks(one, row, curves[row.cell])]
    title = "ms" if is_low else None
    x = quantity("ms", title, scale=_scale(curves), axis={"tickCount": 4, "format": ",~f"})
    y = quantity(
        "share",
        "as slow or slower" if is_left else None,
        scale={
            "type": "log",
            "reverse": True,
            "nice": False,
            "padding": 5,
            "domain": [min(curve[-1].share for curve in curves.values()), 1],
        },
        axis=_SHARES | {"labels": is_left},
    )
    order = {"field": "share", "sort": "descending"}
    line = {"type": "line", "strokeWidth": 1.6}
    dot = {"type": "point", "filled": True, "size": 45, "opacity": 1}
    return {
        "title": {"text": _heading(one.name), "fontSize": 11, "offset": 4},
        "layer": [
            layer(line, points, x=x, y=y, color=looks["color"], order=order),
            layer(dot, marks, x=x, y=y, **looks, description={"field": "text"}),
        ],
        "width": WIDTH,
        "height": HEIGHT,
    }


def _heading(name: str) -> str | list[str]:
    return name if len(name) <= HEADING_LETTERS else name.split(" · ")


def _scale(curves: Curves) -> Spec:
    """One for all panels, logarithmic where the slowest requests took many times as long."""
    least = min(curve[0].ms for curve in curves.values())
    most = max(curve[-1].ms for curve in curves.values())
    kind = "log" if least > 0 and most > WIDE * least else "linear"
    return {"type": kind, "zero": False, "nice": False, "padding": 5, "domain": [least, most]}


def _points(row: Row, curve: Curve) -> Iterator[dict[str, Any]]:
    for point in curve:
        yield {"patch": known(row.patch), **point._asdict()}


def _marks(one: Environment, row: Row, curve: Curve) -> Iterator[dict[str, Any]]:
    """The landmarks of a curve, as far as it has so many requests, in words."""
    for wanted in MARKED:
        if wanted >= curve[-1].share:
            point = nearest(curve, wanted)
            words = f"1 in {1 / wanted:.0f} took {milliseconds(point.ms)} ms or longer"
            text = f"{known(row.patch)} · {one.name}: {words}"
            yield {"patch": known(row.patch), **point._asdict(), "text": text}
