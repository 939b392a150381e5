"""A history as one self-contained HTML file: a line per cell, a small curve per figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from runner.history.series import CellHistory, History, Series, machine_of
from runner.outcome import Outcome, outcome_text
from runner.publish import tables
from runner.report.figures import FIGURES
from runner.report.summary import ABSOLUTE
from runner.store.records import RunRecord

#: The size of a curve in pixels, and how far it stays from its edges.
WIDTH: Final = 160
HEIGHT: Final = 36
MARGIN: Final = 4


def page(found: History, paths: Sequence[Mapping[str, str]]) -> str:
    """The history as HTML; `paths` are those of each cell's series, by the series' name."""
    return (
        _environment()
        .get_template("history.html.j2")
        .render(
            experiments=list(dict.fromkeys(cell.key.experiment for cell in found.cells)),
            cells=[*zip(found.cells, paths, strict=True)],
            figures=FIGURES,
            runs=found.runs,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.history"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css, _, _ = PackageLoader("runner.publish").get_source(environment, "page.css")
    environment.filters["address"] = quote
    environment.globals.update(
        curve=curve,
        ended=ended,
        headings={figure.name: ABSOLUTE[figure.name].heading for figure in FIGURES},
        latest=latest,
        machine_of=machine_of,
        moment=moment,
        moves=moves,
        point_text=point_text,
        style=Markup(css),  # noqa: S704 - this project's own
        style_of=tables.style,
        told=told,
        width=WIDTH,
        height=HEIGHT,
    )
    return environment


def ended(cell: CellHistory) -> list[tuple[Outcome, str]]:
    """How many of the cell's runs ended how, that of the newest run first."""
    counts = Counter(reversed(cell.outcomes))
    total = len(cell.outcomes)
    return [(one, f"{outcome_text(one)} {number}/{total}") for one, number in counts.items()]


def latest(series: Series) -> str:
    """The newest value: `48.61`, or `× 0.997` of a ratio."""
    return _value(series, series.points[-1].value)


def _value(series: Series, value: float) -> str:
    show = ABSOLUTE[series.figure.name].show
    if series.is_ratio or show is None:
        return f"× {value:.3f}"
    return show(value)


def told(series: Series) -> str:
    """The curve in words, for those who cannot see it."""
    values = [point.value for point in series.points]
    what = f"{series.figure.label} against the baseline" if series.is_ratio else series.figure.label
    return f"{what} in {len(values)} runs, from {min(values):.4g} to {max(values):.4g}"


def point_text(series: Series, number: int) -> str:
    """A point in words: when, its value, and what it was made on."""
    point = series.points[number]
    machine = machine_of(point.run)
    return f"{moment(point.run)}: {_value(series, point.value)}" + (
        f", {machine}" if machine else ""
    )


def moves(series: Series) -> set[int]:
    """The places of the points whose machine or method is not that of the point before."""
    made = [(machine_of(point.run), point.run.method.version) for point in series.points]
    return {number for number in range(1, len(made)) if made[number] != made[number - 1]}


def moment(run: RunRecord) -> str:
    """When a run began, in UTC: `2026-11-24 15:02`."""
    return f"{datetime.fromisoformat(run.started_at).astimezone(UTC):%Y-%m-%d %H:%M}"


def curve(series: Series) -> list[tuple[float, float]]:
    """The points of a curve in pixels: runs from left to right, the least value at the bottom."""
    values = [point.value for point in series.points]
    low, spread = min(values), max(values) - min(values)
    step = (WIDTH - 2 * MARGIN) / max(1, len(values) - 1)
    inner = HEIGHT - 2 * MARGIN
    return [
        (
            round(MARGIN + number * step, 1),
            round(HEIGHT - MARGIN - inner * ((value - low) / spread if spread else 0.5), 1),
        )
        for number, value in enumerate(values)
    ]
