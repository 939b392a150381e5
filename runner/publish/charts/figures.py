"""Rate, CPU and memory: a line per environment, with a mark for each patch mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from runner.outcome import Outcome, outcome_text
from runner.publish.charts.style import Spec, layer, patch_channels, quantity
from runner.publish.environments import Environment, most_different
from runner.report.ledger import Ledger
from runner.report.row import Row, Spread
from runner.report.run import Run
from runner.report.tables import FIGURE_COLUMNS, Column
from runner.text import counted, known

NAME: Final = "figures"
#: More environments than this would make no chart that anybody reads to its end.
MOST_LINES: Final = 40
LINE_HEIGHT: Final = 18
WIDTHS: Final = {"requests_per_second": 330, "cpu_ms_per_request": 200, "peak_rss_mib": 200}
PANELS: Final = [column for column in FIGURE_COLUMNS if column.key in WIDTHS]
LETTER_WIDTH: Final = 7
#: Figures this many times apart need a logarithmic axis.
WIDE: Final = 50

Datum = dict[str, Any]


def title(run: Run) -> str:
    """The heading: what the panels have in common."""
    limited = any(row.ceiling_rps for row in run.rows)
    return f"Requests per second{', against the ceiling' * limited}, and what they cost"


def notes(run: Run, found: Sequence[Environment]) -> Iterator[str]:
    """How to read the chart."""
    if any(row.ceiling_rps for row in run.rows):
        yield "│ the ceiling: the most that the load's clients could get."
    if any(row.launches > 1 for row in run.rows):
        yield "Marks are medians over launches; lines are intervals, of two launches extremes."
    if any(row.disturbed for row in run.rows):
        yield "Hollow marks: some launch was disturbed."
    if (ledger := Ledger(run=run)).rejected:
        attempts = f"{ledger.rejected:,} of {counted(ledger.made, 'attempt')}"
        yield f"Not shown: {attempts}, rejected as disturbed."
    if len(found) > MOST_LINES:
        number = f"{MOST_LINES} of {len(found)} environments"
        yield f"Shown: {number}, those whose patch modes differ most."


def description(run: Run) -> str:
    """`26 cells between 48.42 and 48.59 requests/s, ceiling 49.02; crashed: 1 cell.`."""
    rates = [row.requests_per_second for row in run.measured() if row.requests_per_second]
    ceilings = [row.ceiling_rps for row in run.measured() if row.ceiling_rps]
    parts = []
    if rates:
        limit = f", ceiling {_between(ceilings)}" if ceilings else ""
        parts.append(f"{counted(len(rates), 'cell')}: {_between(rates)} requests/s{limit}")
    words = [outcome_text(row.outcome) for row in run.rows if row.requests_per_second is None]
    parts += [f"{word}: {counted(words.count(word), 'cell')}" for word in dict.fromkeys(words)]
    return f"{'; '.join(parts)}."


def _between(values: Sequence[float]) -> str:
    low, high = f"{min(values):,.2f}", f"{max(values):,.2f}"
    return low if low == high else f"{low} to {high}"


def chart(found: Sequence[Environment]) -> Spec | None:
    """The panels beside each other; None where there is no cell."""
    shown = most_different(found, MOST_LINES, lambda row: row.requests_per_second)
    rows = [row for one in shown for row in one.rows]
    if not rows:
        return None
    panels = [
        column
        for column in PANELS
        if column is PANELS[0] or any(row.value(column.key) is not None for row in rows)
    ]
    return {
        "hconcat": [_panel(column, shown, is_first=column is panels[0]) for column in panels],
        "spacing": 20,
        "resolve": {"scale": {"y": "shared"}},
    }


def _panel(column: Column, shown: Sequence[Environment], *, is_first: bool) -> Spec:
    marks = [_mark(column, one, row) for one in shown for row in one.rows if _has(column, row)]
    ceilings = [*_ceilings(shown)] if is_first else []
    x = _axis(column, marks, [tick["value"] for tick in ceilings])
    names = [one.name for one in shown]
    y = {
        "field": "line",
        "type": "nominal",
        "title": None,
        "axis": {
            "grid": True,
            "ticks": False,
            "labels": is_first,
            "labelPadding": 8,
            # Where the page is read the font may be wider than where it was drawn.
            "minExtent": max(map(len, names)) * LETTER_WIDTH if is_first else 0,
        },
        "scale": {"domain": names},
    }
    looks = patch_channels(known(row.patch) for one in shown for row in one.rows)
    layers = []
    if ceilings:
        layers.append(layer({"type": "tick", "thickness": 1.5, "opacity": 0.7}, ceilings, y=y, x=x))
    if around := [mark for mark in marks if "low" in mark]:
        ends = {"x": x | {"field": "low"}, "x2": {"field": "high"}}
        line = {"type": "rule", "strokeWidth": 2, "opacity": 0.6}
        layers.append(layer(line, around, y=y, **ends, color=looks["color"]))
    for filled in (True, False):
        if of_kind := [mark for mark in marks if mark["disturbed"] is not filled]:
            dot = {"type": "point", "filled": filled, "size": 55, "opacity": 1}
            text = {"field": "text"}
            layers.append(layer(dot, of_kind, y=y, x=x, **looks, description=text))
    if is_first:
        layers += _words(shown, y)
    return {"layer": layers, "width": WIDTHS[column.key], "height": LINE_HEIGHT * len(shown)}


def _axis(column: Column, marks: Sequence[Datum], ceilings: Sequence[float]) -> Spec:
    """From zero; where the loads, or other figures, are far apart, on a logarithmic axis."""
    compared = ceilings or [mark["value"] for mark in marks]
    if compared and min(compared) > 0 and max(compared) > WIDE * min(compared):
        title, scale = (
            f"{column.heading}, logarithmic",
            {"type": "log", "nice": False, "padding": 8},
        )
    else:
        title, scale = column.heading, {"zero": True, "nice": True}
    return quantity("value", title, scale=scale, axis={"tickCount": 5})


def _has(column: Column, row: Row) -> bool:
    return row.value(column.key) is not None


def _mark(column: Column, one: Environment, row: Row) -> Datum:
    """A cell's figure with what is drawn around it, and what a reader hears or points at."""
    value, words = row.value(column.key), [f"{column.text(row)} {column.heading}"]
    if row.outcome is not Outcome.OK:
        words.append(str(row.outcome))
    if row.disturbed:
        words.append("disturbed")
    name = f"{known(row.patch)} · {one.name}"
    mark: Datum = {
        "line": one.name,
        "patch": known(row.patch),
        "value": value,
        "disturbed": bool(row.disturbed),
        "text": f"{name}: {', '.join(words)}",
    }
    ends = _ends(column.spread(row)) if column.spread else None
    return mark | ({"low": ends[0], "high": ends[1]} if ends else {})


def _ends(spread: Spread) -> tuple[float, float] | None:
    """The interval of the median, or the extremes where there is none; None for one launch."""
    pairs = [(spread.low, spread.high), (spread.min, spread.max)]
    return next(((a, b) for a, b in pairs if a is not None and b is not None and a < b), None)


def _ceilings(shown: Sequence[Environment]) -> Iterator[Datum]:
    for one in shown:
        for ceiling in sorted({row.ceiling_rps for row in one.rows if row.ceiling_rps}):
            yield {"line": one.name, "value": ceiling}


def _words(shown: Sequence[Environment], y: Spec) -> Iterator[Spec]:
    """At an environment's left, after marks that are there, its cells without figures."""
    rates = [row.requests_per_second or 0.0 for one in shown for row in one.rows]
    words = [
        {"line": one.name, "words": ", ".join(missing), "at": _beyond(one, max(rates))}
        for one in shown
        if (missing := [_word(row) for row in one.rows if _ended_without_figures(row)])
    ]
    if words:
        text = {"type": "text", "align": "left", "dx": 6, "fontStyle": "italic", "fontSize": 10}
        yield layer(text, words, y=y, x=quantity("at", scale=None), text={"field": "words"})


def _beyond(one: Environment, highest: float) -> float:
    """The pixel after the environment's marks in the left half of an axis up to `highest`."""
    rates = [row.requests_per_second or 0.0 for row in one.rows]
    low = [rate for rate in rates if 0 < rate < highest / 2]
    return max(low) / highest * WIDTHS[PANELS[0].key] + 4 if low else 0


def _ended_without_figures(row: Row) -> bool:
    """Whether there is a word to say; of cells that cannot exist tables and notes tell why."""
    return not _has(PANELS[0], row) and row.outcome is not Outcome.UNAVAILABLE


def _word(row: Row) -> str:
    return f"{known(row.patch)}: {outcome_text(row.outcome)}"
