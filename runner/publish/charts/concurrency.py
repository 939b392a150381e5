"""How rate, CPU, memory, threads and latency go with the number of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import altair as alt

from runner.publish.charts.chart import Draft, inline
from runner.publish.charts.labels import PATCH, label, varying_axes
from runner.publish.charts.style import INK, patch_scales
from runner.publish.charts.words import count, number
from runner.publish.source import PublishedRun
from runner.report.rows import Row
from runner.text import known

WIDTH: Final = 270
HEIGHT: Final = 190
COLUMNS: Final = 2
LEGEND_COLUMNS: Final = 3
#: Where there would be more lines, there is one per server and patch mode.
MOST_LINES: Final = 24
RATE: Final = "requests_per_second"
#: The key of each panel's figure, and what is written beside it.
MEASURES: Final = (
    (RATE, "requests/s"),
    ("cpu_ms_per_request", "CPU ms/request"),
    ("peak_rss_mib", "peak RSS MiB"),
    ("peak_threads", "threads"),
    ("p99_ms", "p99 ms"),
)
_CEILING: Final = "Dashed: the ceiling, the highest rate that the load can show."
_MEDIANS: Final = "Each line is the median over the environments of its server and patch mode."


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """Rows by line: the name of what serves and the patch mode, in the order of tables."""

    rows: Mapping[tuple[str, str], Sequence[Row]]
    are_medians: bool


def concurrency_draft(run: PublishedRun, name: str = "concurrency") -> Draft | None:
    """A panel per figure; None where the figures are of one concurrency."""
    rows = [row for row in run.rows if row.requests_per_second is not None]
    concurrencies = sorted({row.concurrency for row in rows})
    if len(concurrencies) < 2:
        return None
    lines = _lines(run, rows)
    return Draft(
        name=name,
        title="From few clients to many",
        description=_description(rows, concurrencies),
        notes=[_CEILING, *([_MEDIANS] if lines.are_medians else [])],
        drawing=_drawing(lines, rows, concurrencies),
    )


def _lines(run: PublishedRun, rows: Sequence[Row]) -> _Lines:
    axes = [axis for axis in varying_axes(run) if axis not in {PATCH, "concurrency"}]
    by_line = _by_line(rows, axes)
    if len(by_line) <= MOST_LINES:
        return _Lines(rows=by_line, are_medians=False)
    return _Lines(rows=_by_line(rows, ["server"]), are_medians=True)


def _by_line(rows: Sequence[Row], axes: Sequence[str]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((label(row, axes) or known(row.server), known(row.patch)), []).append(row)
    return found


def _drawing(lines: _Lines, rows: Sequence[Row], concurrencies: Sequence[int]) -> alt.ConcatChart:
    color, shape = patch_scales(known(row.patch) for row in rows)
    x = alt.X(
        "concurrency:Q",
        title="clients",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(values=list(concurrencies), format=",", grid=False),
    )
    names = list(dict.fromkeys(name for name, _ in lines.rows))
    legend = alt.Legend(columns=LEGEND_COLUMNS) if len(names) > 1 else None
    dashed = alt.StrokeDash("line:N", title=None, sort=names, legend=legend)
    base = alt.Chart().encode(
        x=x, color=alt.Color("patch:N", title=None, scale=color), detail=["line:N", "patch:N"]
    )
    panels = []
    for key, title in MEASURES:
        y = alt.Y(f"{key}:Q", title=title, axis=alt.Axis(format=",~r", tickCount=5))
        tooltip = ["line:N", "patch:N", "concurrency:Q", f"{key}:Q"]
        marks = base.mark_point(filled=True, size=60, opacity=1).encode(
            y=y, shape=alt.Shape("patch:N", title=None, scale=shape), tooltip=tooltip
        )
        layers = [base.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dashed), marks]
        if key == RATE:
            layers.insert(0, _ceilings(rows, x))
        panels.append(alt.LayerChart(layer=layers, width=WIDTH, height=HEIGHT))
    return alt.ConcatChart(data=inline(_data(lines)), concat=panels, columns=COLUMNS, spacing=28)


def _ceilings(rows: Sequence[Row], x: alt.X) -> alt.Chart:
    """The ceiling of each concurrency and, where it differs by what serves, of each of these."""
    loads = {
        (row.server, row.workload, row.concurrency): row.ceiling_rps
        for row in rows
        if row.ceiling_rps is not None
    }
    data = inline(
        {"kind": f"{server} {workload}", "concurrency": clients, "ceiling": ceiling}
        for (server, workload, clients), ceiling in loads.items()
    )
    chart = alt.Chart(data).mark_line(strokeDash=[4, 4], strokeWidth=1.2, opacity=0.6, color=INK)
    ceilings: alt.Chart = chart.encode(x=x, y="ceiling:Q", detail="kind:N")
    return ceilings


def _data(lines: _Lines) -> Iterator[dict[str, Any]]:
    """For each line and concurrency the figures, as medians where there are several cells."""
    for (line, patch), rows in lines.rows.items():
        for clients in sorted({row.concurrency for row in rows}):
            cells = [row for row in rows if row.concurrency == clients]
            figures = {key: _median(cells, key) for key, _ in MEASURES}
            yield {"line": line, "patch": patch, "concurrency": clients, **figures}


def _median(rows: Sequence[Row], key: str) -> float | None:
    values = [value for row in rows if isinstance(value := row.value(key), int | float)]
    return median(values) if values else None


def _description(rows: Sequence[Row], concurrencies: Sequence[int]) -> str:
    """The highest rate at the fewest clients and at the most."""
    first, last = (
        max(row.requests_per_second or 0.0 for row in rows if row.concurrency == clients)
        for clients in (concurrencies[0], concurrencies[-1])
    )
    return (
        f"{count(len(rows), 'cell')} from {concurrencies[0]} to {concurrencies[-1]:,} clients: "
        f"the highest rate goes from {number(first)} to {number(last)} requests/s."
    )
