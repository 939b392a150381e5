"""Requests per second of each cell against the most that the load can show."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import altair as alt

from runner.outcome import Outcome
from runner.publish.charts.chart import Draft, inline
from runner.publish.charts.efficiency import efficiency_panel
from runner.publish.charts.labels import cell_labels, in_groups
from runner.publish.charts.marks import axis_of, points, spreads, ticks
from runner.publish.charts.style import ROW_HEIGHT, WIDTH, rows_axis
from runner.publish.charts.words import between, count, one_or_more, outcome_of, without_figures
from runner.publish.source import PublishedRun
from runner.report.rows import Row
from runner.report.tables import FIGURES
from runner.text import known

#: A run of more cells than this has a tile for each instead of a line.
MOST_LINES: Final = 60
#: Ceilings this many times apart need a logarithmic axis.
WIDE: Final = 10
_RATE: Final = FIGURES[0]

_TICK: Final = "│ the ceiling: the highest rate that the load can show, whatever serves it."
_INTERVAL: Final = "Marks are medians over launches, thick lines their 95 % intervals."
_EXTREMES: Final = "Marks are medians over launches; thin lines reach from lowest to highest."
_TILES: Final = "A tile per cell: its rate over the ceiling of its load; symbols have no figures."


def rate_draft(runs: Sequence[PublishedRun]) -> Draft:
    """A panel per run: lines of cells, or tiles where these would be too many."""
    tiled = any(len(run.rows) > MOST_LINES for run in runs)
    patches = [known(row.patch) for run in runs for row in run.rows]
    limited = any(row.ceiling_rps for run in runs for row in run.rows)
    panels = [efficiency_panel(run) if tiled else _panel(run, patches) for run in runs]
    if len(runs) > 1:
        named = zip(panels, runs, strict=True)
        panels = [panel.properties(title=run.label) for panel, run in named]
    return Draft(
        name="rate",
        title="Requests per second against the ceiling" if limited else "Requests per second",
        description=" ".join(_description(run, named=len(runs) > 1) for run in runs),
        notes=[_TILES] if tiled else [*([_TICK] if limited else []), *_spreads(runs)],
        drawing=panels[0] if len(panels) == 1 else alt.vconcat(*panels, spacing=24),
    )


def _spreads(runs: Sequence[PublishedRun]) -> list[str]:
    rows = [row for run in runs for row in run.rows if row.launches > 1]
    intervals = {row.requests_per_second_spread.low is not None for row in rows if _has_rate(row)}
    return [note for has, note in ((True, _INTERVAL), (False, _EXTREMES)) if has in intervals]


def _panel(run: PublishedRun, patches: Sequence[str]) -> alt.LayerChart:
    labels = cell_labels(run)
    data = [_datum(row, labels[row.cell]) for row in in_groups(run)]
    known = {key for datum in data for key, value in datum.items() if value is not None}
    order = [datum["label"] for datum in data]
    base = alt.Chart().encode(y=alt.Y("label:N", sort=order, axis=rows_axis()))
    shown = [value for datum in data for key in ("rate", "ceiling") if (value := datum.get(key))]
    x = axis_of("rate", "requests/s", shown, far_apart=_far_apart(run.rows))
    layers = [
        *spreads(base, known),
        *ticks(base, known, "ceiling"),
        points(base, x, patches, ["cell:N", "figures:N", "ceiling:Q", "disturbed:N"]),
        *_words(base, known),
    ]
    return alt.LayerChart(data=inline(data), layer=layers, width=WIDTH, height=alt.Step(ROW_HEIGHT))


def _words(base: alt.Chart, known: Collection[str]) -> Iterator[alt.Chart]:
    """Beside a cell its figures as the table has them; where there are none, its outcome."""
    if "figures" in known:
        text = base.mark_text(align="left", dx=10).encode(x=alt.value(WIDTH), text="figures:N")
        yield text.transform_filter("isValid(datum.figures)")
    if "outcome" in known:
        text = base.mark_text(align="left", dx=6, fontStyle="italic").encode(
            x=alt.value(0), text="outcome:N", tooltip=["cell:N", "outcome:N", "reason:N"]
        )
        yield text.transform_filter("isValid(datum.outcome)")


def _has_rate(row: Row) -> bool:
    return row.requests_per_second is not None


def _datum(row: Row, label: str) -> dict[str, Any]:
    """What is drawn of a row: an interval of the median, or the extremes where there is none."""
    datum: dict[str, Any] = {"cell": row.cell, "label": label, "patch": row.patch}
    if not _has_rate(row):
        return datum | {"outcome": outcome_of(row), "reason": row.reason}
    ends = ("min", "max") if row.requests_per_second_spread.low is None else ("low", "high")
    return datum | {
        "rate": row.requests_per_second,
        "ceiling": row.ceiling_rps,
        "figures": _figures(row),
        "disturbed": row.disturbed,
        **{end: row.value(f"requests_per_second_{end}") for end in ends},
    }


def _figures(row: Row) -> str:
    """The rate as the table has it, and what must be known to read it."""
    words = [_RATE.text(row)]
    if row.outcome is Outcome.SERIALISED:
        words.append(str(row.outcome))
    if row.disturbed:
        words.append("disturbed")
    return " · ".join(words)


def _far_apart(rows: Sequence[Row]) -> bool:
    """Whether the loads themselves are too far apart for an axis from zero."""
    ceilings = [row.ceiling_rps for row in rows if row.ceiling_rps]
    return bool(ceilings) and max(ceilings) > WIDE * min(ceilings)


def _description(run: PublishedRun, *, named: bool) -> str:
    """`26 cells between 48.6 and 48.7 requests/s against a ceiling of 49.0; crashed: 1 cell.`."""
    rates = [row.requests_per_second for row in run.rows if row.requests_per_second is not None]
    ceilings = [row.ceiling_rps for row in run.rows if row.ceiling_rps is not None]
    parts = [f"{count(len(rates), 'cell')} {between(rates)} requests/s"] if rates else []
    if rates and ceilings:
        parts[0] += f" against {one_or_more('ceiling', ceilings)}"
    text = "; ".join([*parts, *without_figures(run.rows)])
    return f"{run.label}: {text}." if named else f"{text}."
