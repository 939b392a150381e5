"""What patching costs or saves: CPU and memory of each cell beside those of its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np

from runner.publish.charts.chart import Draft, inline
from runner.publish.charts.labels import PATCH, cell_labels, in_groups, label, ordered, varying_axes
from runner.publish.charts.marks import axis_of, points, spreads, ticks
from runner.publish.charts.style import ROW_HEIGHT, rows_axis
from runner.publish.charts.words import count, number
from runner.publish.source import PublishedRun
from runner.report.rows import Row
from runner.text import known

#: A run of more cells than this has a line per server and patch mode instead of one per cell.
MOST_LINES: Final = 60
PANEL: Final = 260
#: Figures this many times apart need a logarithmic axis.
WIDE: Final = 50
#: The key of each panel's figure, and what is written under it.
MEASURES: Final = (
    ("cpu_ms_per_request", "CPU ms/request"),
    ("peak_rss_mib", "peak RSS MiB"),
)
_NOTE: Final = "│ the baseline; the line is what patching changes."
_SUMMARY: Final = "Marks are medians over cells, thick lines their middle half, thin lines all."


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One line of both panels: its label, and for each measure what is drawn of it."""

    label: str
    patch: str
    cell: str | None
    drawn: dict[str, float | None]


def cost_draft(runs: Sequence[PublishedRun]) -> Draft | None:
    """Both panels for each run; None where no cell has figures."""
    shown = [run for run in runs if _costed(run.rows)]
    if not shown:
        return None
    summed = any(len(_costed(run.rows)) > MOST_LINES for run in shown)
    patches = [known(row.patch) for run in shown for row in _costed(run.rows)]
    blocks = [_block(_summary(run) if summed else _lines(run), patches) for run in shown]
    if len(runs) > 1:
        blocks = [
            block.properties(title=run.label) for block, run in zip(blocks, shown, strict=True)
        ]
    return Draft(
        name="cost",
        title="CPU and memory by patch mode",
        description=" ".join(_description(run, named=len(runs) > 1) for run in shown),
        notes=[_SUMMARY if summed else _NOTE],
        drawing=alt.vconcat(*blocks, spacing=24),
    )


def _costed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.cpu_ms_per_request is not None]


def _lines(run: PublishedRun) -> list[_Line]:
    labels = cell_labels(run)
    baselines = run.collated.baselines
    return [
        _Line(
            label=labels[row.cell],
            patch=known(row.patch),
            cell=row.cell,
            drawn=_beside(row, baselines.get(row.cell)),
        )
        for row in _costed(in_groups(run))
    ]


def _beside(row: Row, baseline: Row | None) -> dict[str, float | None]:
    """The row's figures, with a line from its baseline's."""
    drawn: dict[str, float | None] = {}
    for key, _ in MEASURES:
        own, base = _figure(row, key), _figure(baseline, key) if baseline else None
        drawn |= {key: own, f"{key}_tick": base}
        drawn |= {f"{key}_low": base, f"{key}_high": own} if base is not None else {}
    return drawn


def _figure(row: Row, key: str) -> float | None:
    value = row.value(key)
    return float(value) if isinstance(value, int | float) else None


def _summary(run: PublishedRun) -> list[_Line]:
    """A line for each server and patch mode: quartiles over its cells."""
    axes = [axis for axis in ("server", PATCH) if axis == PATCH or axis in varying_axes(run)]
    groups: dict[str, list[Row]] = {}
    for row in ordered(_costed(run.rows), axes):
        groups.setdefault(label(row, axes), []).append(row)
    return [
        _Line(
            label=f"{name} ({count(len(rows), 'cell')})",
            patch=known(rows[0].patch),
            cell=None,
            drawn=_quartiles(rows),
        )
        for name, rows in groups.items()
    ]


def _quartiles(rows: Sequence[Row]) -> dict[str, float | None]:
    drawn: dict[str, float | None] = {}
    for key, _ in MEASURES:
        values = [value for row in rows if (value := _figure(row, key)) is not None]
        if values:
            least, low, middle, high, most = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
            drawn |= {key: middle, f"{key}_min": least, f"{key}_max": most}
            drawn |= {f"{key}_low": low, f"{key}_high": high}
    return drawn


def _block(lines: Sequence[_Line], patches: Sequence[str]) -> alt.HConcatChart:
    panels = [
        _panel(key, title, lines, patches, labelled=place == 0)
        for place, (key, title) in enumerate(MEASURES)
    ]
    return alt.HConcatChart(data=inline(_datum(line) for line in lines), hconcat=panels, spacing=24)


def _datum(line: _Line) -> dict[str, Any]:
    return {"label": line.label, "patch": line.patch, "cell": line.cell, **line.drawn}


def _panel(
    key: str, title: str, lines: Sequence[_Line], patches: Sequence[str], *, labelled: bool
) -> alt.LayerChart:
    known = {name for line in lines for name, value in line.drawn.items() if value is not None}
    order = [line.label for line in lines]
    base = alt.Chart().encode(y=alt.Y("label:N", sort=order, axis=rows_axis(labels=labelled)))
    shown = [value for line in lines if (value := line.drawn.get(key)) is not None]
    far_apart = bool(shown) and max(shown) > WIDE * min(shown) > 0
    x = axis_of(key, title, shown, far_apart=far_apart)
    layers = [
        *spreads(base, known, prefix=f"{key}_", opacity=0.5),
        *ticks(base, known, f"{key}_tick"),
        points(base, x, patches, ["label:N", "cell:N", f"{key}:Q"]),
    ]
    return alt.LayerChart(layer=layers, width=PANEL, height=alt.Step(ROW_HEIGHT))


def _description(run: PublishedRun, *, named: bool) -> str:
    """`Medians by patch mode: none 0.45 ms of CPU per request and 37.0 MiB, gevent …`."""
    groups: dict[str, list[Row]] = {}
    for row in ordered(_costed(run.rows), [PATCH]):
        groups.setdefault(known(row.patch), []).append(row)
    text = ", ".join(_median_words(patch, rows) for patch, rows in groups.items())
    return f"{run.label}: {text}." if named else f"Medians by patch mode: {text}."


def _median_words(patch: str, rows: Sequence[Row]) -> str:
    middle = _quartiles(rows)
    cpu, memory = middle["cpu_ms_per_request"], middle.get("peak_rss_mib")
    text = f"{patch} {number(cpu or 0.0)} ms of CPU per request"
    return text if memory is None else f"{text} and {number(memory)} MiB"
