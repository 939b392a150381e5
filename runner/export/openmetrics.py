"""OpenMetrics, for Prometheus and whatever else reads its text format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from runner.outcome import outcome_text
from runner.report.axis_values import axis_text
from runner.report.row import Row, axes_of, further_keys
from runner.report.run import Run
from runner.store.records import RunRecord

#: What a label's name may not hold.
_NOT_IN_A_NAME: Final = re.compile("[^A-Za-z0-9_]")
#: The labels that are no axes.
_CELL: Final = "cell"
_OUTCOME: Final = "outcome"
#: Name, help, value; in base units, as OpenMetrics asks for: seconds and bytes.
_GAUGES: Final[tuple[tuple[str, str, Callable[[Row], float | None]], ...]] = (
    ("requests_per_second", "Rate of the load.", lambda r: r.requests_per_second),
    (
        "ceiling_requests_per_second",
        "Most that the load's clients could get.",
        lambda r: r.ceiling_rps,
    ),
    (
        "configuration_requests_per_second",
        "Most of it that the server's settings allow.",
        lambda r: r.configuration_rps,
    ),
    ("latency_p50_seconds", "Median latency.", lambda r: _seconds(r.p50_ms)),
    ("latency_p99_seconds", "99th percentile of latency.", lambda r: _seconds(r.p99_ms)),
    (
        "cpu_seconds_per_request",
        "CPU time of the server per request.",
        lambda r: _seconds(r.cpu_ms_per_request),
    ),
    (
        "peak_resident_bytes",
        "Most memory that the server held.",
        lambda r: _bytes(r.peak_rss_mib),
    ),
    ("peak_threads", "Most threads that the server had.", lambda r: r.peak_threads),
)


def openmetrics(run: Run) -> str:
    """Gauges of the cells with figures, and how every cell came out.

    The run's axes are labels, and so are the requests per second of a load with a rate. What the
    name of a label cannot have is an underscore in it.
    """
    return "".join(f"{line}\n" for line in (*_metrics(run), "# EOF"))


def labels_of(run: RunRecord) -> dict[str, str]:
    """The name of the label that each key of a row becomes, no two of them alike."""
    names = {_CELL: _CELL}
    taken = {_CELL, _OUTCOME}
    keys = dict.fromkeys((*axes_of(run), *further_keys(run)))
    for key in (key for key in keys if key not in names):
        name = _NOT_IN_A_NAME.sub("_", key)
        # One may be empty; two underscores first are Prometheus's own.
        if name[:1] in "_0123456789":
            name = f"axis_{name.lstrip('_')}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[key] = name
    return names


def _metrics(run: Run) -> Iterator[str]:
    names, name = labels_of(run.record), "matrix_cell_outcome"
    yield from (f"# HELP {name} How the cell came out.", f"# TYPE {name} info")
    for row in run.rows:
        yield _sample(f"{name}_info", names, row, 1, outcome=outcome_text(row.outcome))
    for gauge, help_, value in _GAUGES:
        name = f"matrix_{gauge}"
        yield from (f"# HELP {name} {help_}", f"# TYPE {name} gauge")
        for row in run.measured():
            known = value(row)
            if known is not None:
                yield _sample(name, names, row, known)


def _sample(name: str, names: Mapping[str, str], row: Row, value: float, **further: str) -> str:
    labels = {label: row.value(key) for key, label in names.items()} | further
    escaped = (
        f'{label}="{_escaped("" if text is None else axis_text(text))}"'
        for label, text in sorted(labels.items())
    )
    return f"{name}{{{','.join(escaped)}}} {_number(value)}"


def _number(value: float) -> str:
    """As the clients of Prometheus write it: with an exponent from a million on."""
    text = repr(float(value))
    whole, _, fraction = text.partition(".")
    if len(whole) <= 6 or "e" in text:
        return text
    mantissa = f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0.")
    return f"{mantissa}e+{len(whole) - 1:02d}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _bytes(mib: float | None) -> float | None:
    return None if mib is None else mib * 2**20
