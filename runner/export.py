"""A run in the formats of other programs.

Only cells with performance figures are exported as figures: no other may look like a result
elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

from runner.matrix.axes import BASE_AXES
from runner.measurement.records import LaunchRecord, rate_of
from runner.options import ExportFormat, Format
from runner.outcome import NOT_MEASURED, Kind, outcome_text
from runner.report.expected import check
from runner.report.formats import render
from runner.report.row import Row, is_held_back
from runner.report.run import Run
from runner.store.records import Host


def export(run: Run, format_: ExportFormat) -> str:
    """The run as a text of this format, ending with a newline."""
    return _EXPORTERS[format_](run)


def _csv(run: Run) -> str:
    return render(run, format=Format.CSV)


# -- github-action-benchmark -----------------------------------------------------------------------


def _github_action_benchmark(run: Run) -> str:
    """JSON to be read with `tool: customBiggerIsBetter` (README of that action, "Examples").

    A list of objects with `name`, `unit`, `value`, and as text `range` and `extra`. The value is
    the rate; from five launches on the range is half the width of its 95 % interval, below that
    half the distance of its extremes.
    """
    items = [
        {
            "name": row.cell,
            "unit": "requests/s",
            "value": round(row.requests_per_second or 0, 3),
            "range": _range(row),
            "extra": _extra(row),
        }
        for row in run.measured()
    ]
    return json.dumps(items, indent=2) + "\n"


def _range(row: Row) -> str:
    spread = row.requests_per_second_spread
    for low, high in ((spread.low, spread.high), (spread.min, spread.max)):
        if low is not None and high is not None:
            return f"± {(high - low) / 2:.3f}"
    return "± 0"


def _extra(row: Row) -> str:
    facts = {
        "outcome": row.outcome,
        "launches": row.launches,
        "ceiling": f"{row.ceiling_rps:.2f}/s" if row.ceiling_rps else None,
        "configuration": f"{row.configuration_rps:.2f}/s" if is_held_back(row) else None,
        "p50": f"{row.p50_ms:.0f} ms" if row.p50_ms is not None else None,
        "p99": f"{row.p99_ms:.0f} ms" if row.p99_ms is not None else None,
        "CPU": f"{row.cpu_ms_per_request:.3f} ms/request" if row.cpu_ms_per_request else None,
        "disturbed": row.disturbed,
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None)


# -- bencher ---------------------------------------------------------------------------------------

NS_PER_MS: Final = 1_000_000


def _bencher(run: Run) -> str:
    """Bencher Metric Format: benchmark → measure → value with bounds.

    Of its built-in measures, `latency` is in nanoseconds and `throughput` in operations per second
    (Bencher's reference, "Bencher Metric Format"). The latency is the load's mean; bounds are the
    interval of the rate, where there is one.
    """
    return json.dumps({row.cell: _measures(row) for row in run.measured()}, indent=2) + "\n"


def _measures(row: Row) -> dict[str, dict[str, float]]:
    throughput = {
        "value": row.requests_per_second,
        "lower_value": row.requests_per_second_spread.low,
        "upper_value": row.requests_per_second_spread.high,
    }
    measures = {"throughput": {k: v for k, v in throughput.items() if v is not None}}
    if row.mean_ms is not None:
        measures["latency"] = {"value": row.mean_ms * NS_PER_MS}
    return measures


# -- pyperf ----------------------------------------------------------------------------------------


def _pyperf(run: Run) -> str:
    """A suite with a benchmark per cell and a run per launch, so that its statistics apply.

    A value is the seconds that one request took of the load's time, which is 1 / rate: what pyperf
    compares is a time, and less is better (pyperf's documentation, "JSON format").
    """
    benchmarks = [_benchmark(row, run.launches.get(row.cell, ())) for row in run.measured()]
    suite = {
        "version": "1.0",
        "metadata": _machine(run.record.host),
        "benchmarks": benchmarks,
    }
    return json.dumps(suite, indent=2) + "\n"


def _machine(host: Host | None) -> dict[str, Any]:
    if host is None:
        return {}
    return {
        "hostname": host.hostname,
        "cpu_count": host.cpus,
        "platform": f"{host.os}, kernel {host.kernel}",
    }


def _benchmark(row: Row, launches: Sequence[LaunchRecord]) -> dict[str, Any]:
    runs = [
        {"metadata": _moment(launch), "values": [1 / rate_of(launch.ab)]}
        for launch in launches
        if launch.ab and launch.outcome.counts_as(row.outcome)
    ]
    sent = row.sent_requests or row.requests
    metadata = {"name": row.cell, "unit": "second", "loops": 1}
    if sent is not None:
        metadata["inner_loops"] = sent
    return {"metadata": metadata, "runs": runs}


def _moment(launch: LaunchRecord) -> dict[str, Any]:
    facts = {"date": launch.started_at, "duration": launch.wall_s}
    return {name: value for name, value in facts.items() if value is not None}


# -- JUnit -----------------------------------------------------------------------------------------

#: What XML 1.0 has no way to write, not even escaped (its section 2.2).
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _junit(run: Run) -> str:
    """XML in which each thing that the matrix file expects of a cell is a test case.

    Without `expect:` entries each cell is one, which no outcome fails; where the build or the
    engine failed, it is an error. A cell not measured is skipped.
    """
    cases = [*_expectations(run)] or [*_cells(run)]
    suite = ET.Element(
        "testsuite",
        name=run.record.experiment,
        timestamp=run.record.started_at,
        tests=str(len(cases)),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _count(cases: Sequence[ET.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


def _expectations(run: Run) -> Iterator[ET.Element]:
    for checked in check(run):
        case = _case(run, checked.cell, checked.expected)
        if not checked.met:
            _add(case, "failure", f"saw {checked.seen}", checked.place)
        yield case


def _cells(run: Run) -> Iterator[ET.Element]:
    for row in run.rows:
        case = _case(run, row.cell, "measured")
        if row.outcome is None:
            _add(case, "skipped", row.reason or NOT_MEASURED)
        elif row.outcome.kind is Kind.MACHINE:
            _add(case, "error", f"{row.outcome}: {row.reason}")
        else:
            ending = f"{row.outcome}: {row.reason}" if row.reason else str(row.outcome)
            ET.SubElement(case, "system-out").text = _xml(ending)
        yield case


def _case(run: Run, cell: str, name: str) -> ET.Element:
    classname = f"{run.record.experiment}.{cell}"
    return ET.Element("testcase", classname=_xml(classname), name=_xml(name))


def _add(case: ET.Element, tag: str, message: str, text: str = "") -> None:
    ET.SubElement(case, tag, message=_xml(message)).text = _xml(text)


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


# -- OpenMetrics -----------------------------------------------------------------------------------

_LABELS: Final = tuple(sorted(("cell", *BASE_AXES)))
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
    ("latency_p50_seconds", "Median latency.", lambda r: _scaled(r.p50_ms, 1e-3)),
    ("latency_p99_seconds", "99th percentile of latency.", lambda r: _scaled(r.p99_ms, 1e-3)),
    (
        "cpu_seconds_per_request",
        "CPU time of the server per request.",
        lambda r: _scaled(r.cpu_ms_per_request, 1e-3),
    ),
    (
        "peak_resident_bytes",
        "Most memory that the server held.",
        lambda r: _scaled(r.peak_rss_mib, 2**20),
    ),
    ("peak_threads", "Most threads that the server had.", lambda r: r.peak_threads),
)


def _openmetrics(run: Run) -> str:
    """Gauges of the cells with figures, and how every cell came out; the axes are labels."""
    return "".join(f"{line}\n" for line in (*_metrics(run), "# EOF"))


def _metrics(run: Run) -> Iterator[str]:
    name = "matrix_cell_outcome"
    yield from (f"# HELP {name} How the cell came out.", f"# TYPE {name} info")
    for row in run.rows:
        yield _sample(f"{name}_info", row, 1, outcome=outcome_text(row.outcome))
    for gauge, help_, value in _GAUGES:
        name = f"matrix_{gauge}"
        yield from (f"# HELP {name} {help_}", f"# TYPE {name} gauge")
        for row in run.measured():
            known = value(row)
            if known is not None:
                yield _sample(name, row, known)


def _sample(name: str, row: Row, value: float, **further: str) -> str:
    labels = {label: row.value(label) for label in _LABELS} | further
    escaped = (
        f'{label}="{_escaped("" if text is None else str(text))}"'
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


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


_EXPORTERS: Final[Mapping[ExportFormat, Callable[[Run], str]]] = {
    ExportFormat.GITHUB_ACTION_BENCHMARK: _github_action_benchmark,
    ExportFormat.BENCHER: _bencher,
    ExportFormat.PYPERF: _pyperf,
    ExportFormat.CSV: _csv,
    ExportFormat.JUNIT: _junit,
    ExportFormat.OPENMETRICS: _openmetrics,
}
