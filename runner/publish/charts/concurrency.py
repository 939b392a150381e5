"""Rate, CPU, memory, threads and latency by the number of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from runner.publish.charts.style import INK, Spec, layer, patch_channels, quantity
from runner.publish.environments import PATCH, varying_axes
from runner.report.axis_values import named
from runner.report.row import Row
from runner.report.run import Run
from runner.report.tables import FIGURE_COLUMNS, Column
from runner.text import counted, known

NAME: Final = "concurrency"
TITLE: Final = "From few clients to many"
WIDTH: Final = 270
HEIGHT: Final = 170
COLUMNS: Final = 2
_KEYS: Final = (
    "requests_per_second",
    "cpu_ms_per_request",
    "peak_rss_mib",
    "peak_threads",
    "p99_ms",
)
PANELS: Final = [column for key in _KEYS for column in FIGURE_COLUMNS if column.key == key]

#: What serves, and the patch mode.
LineName = tuple[str, str]
Lines = Mapping[LineName, Sequence[Row]]


def lines_of(run: Run) -> dict[LineName, list[Row]]:
    """The rows with figures by line; environments, being versions, share the line of their server.

    Empty where the figures are of one concurrency.
    """
    rows = [row for row in run.measured() if row.concurrency is not None]
    if len({row.concurrency for row in rows}) < 2:
        return {}
    versions = {"python", *(name for cell in run.cells.values() for name in cell.packages)}
    axes = [axis for axis in varying_axes(run) if axis not in {PATCH, "concurrency", *versions}]
    found: dict[LineName, list[Row]] = {}
    for row in rows:
        serves = named({axis: row.value(axis) for axis in axes}, axes) or known(row.server)
        found.setdefault((serves, known(row.patch)), []).append(row)
    return found


def notes(lines: Lines) -> Iterator[str]:
    """How to read the chart."""
    yield "Dashed and thin: the ceiling, the most that so many clients could get."
    if any(len(rows) > len({row.concurrency for row in rows}) for rows in lines.values()):
        yield "Each mark is the median over its environments."


def description(lines: Lines) -> str:
    """The highest rate at the fewest clients and at the most."""
    rows = [row for of_line in lines.values() for row in of_line]
    clients = sorted({row.concurrency or 0 for row in rows})
    first, last = (
        max(row.requests_per_second or 0.0 for row in rows if row.concurrency == number)
        for number in (clients[0], clients[-1])
    )
    return (
        f"{counted(len(rows), 'cell')} from {clients[0]} to {clients[-1]:,} clients: "
        f"the highest rate goes from {first:,.2f} to {last:,.2f} requests/s."
    )


def chart(lines: Lines) -> Spec:
    """A panel per figure."""
    rows = [row for of_line in lines.values() for row in of_line]
    x = quantity(
        "clients",
        "clients",
        scale={"type": "log", "nice": False, "padding": 12},
        axis={
            "values": sorted({row.concurrency for row in rows}),
            "format": ",",
            "grid": False,
        },
    )
    looks = patch_channels(patch for _, patch in lines)
    panels = [column for column in PANELS if any(row.value(column.key) for row in rows)]
    return {
        "concat": [_panel(column, lines, x, looks) for column in panels],
        "columns": COLUMNS,
        "spacing": 28,
    }


def _panel(column: Column, lines: Lines, x: Spec, looks: Spec) -> Spec:
    data = [*_data(column, lines)]
    y = quantity("value", column.heading, axis={"format": ",~r", "tickCount": 5})
    names = list(dict.fromkeys(serves for serves, _ in lines))
    legend = {"columns": 3} if len(names) > 1 else None
    dashes = {"field": "serves", "title": None, "sort": names, "legend": legend}
    line = {"type": "line", "strokeWidth": 1.8}
    dot = {"type": "point", "filled": True, "size": 60, "opacity": 1}
    layers = [
        layer(line, data, x=x, y=y, color=looks["color"], strokeDash=dashes),
        layer(dot, data, x=x, y=y, **looks, description={"field": "text"}),
    ]
    if column is PANELS[0]:
        dashed = {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1.2, "opacity": 0.6}
        ceilings = [*_ceilings(lines)]
        layers.insert(0, layer(dashed | {"color": INK}, ceilings, x=x, y=y, detail={"field": "of"}))
    return {"layer": layers, "width": WIDTH, "height": HEIGHT}


def _data(column: Column, lines: Lines) -> Iterator[dict[str, Any]]:
    """For each line and number of clients the figure, the median where there are several cells."""
    for (serves, patch), rows in lines.items():
        for clients in sorted({row.concurrency or 0 for row in rows}):
            values = [
                value
                for row in rows
                if row.concurrency == clients
                and isinstance(value := row.value(column.key), int | float)
            ]
            if not values:
                continue
            value = median(values)
            words = f"{column.show(value) if column.show else value} {column.heading}"
            yield {
                "serves": serves,
                "patch": patch,
                "clients": clients,
                "value": value,
                "text": f"{patch} · {serves} · {clients:,} clients: {words}",
            }


def _ceilings(lines: Lines) -> Iterator[dict[str, Any]]:
    """The ceiling of each number of clients: once for all lines that have the same."""
    loads = {
        tuple(sorted({(row.concurrency, row.ceiling_rps) for row in rows if row.ceiling_rps})): of
        for (of, _), rows in lines.items()
    }
    for ceilings, of in loads.items():
        for clients, ceiling in ceilings:
            yield {"of": of, "clients": clients, "value": ceiling}
