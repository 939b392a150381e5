"""JUnit's XML, in the layout that Apache Ant writes and other programs read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from runner.measurement.records import LaunchRecord
from runner.outcome import NOT_MEASURED, Kind
from runner.report.expected import check
from runner.report.run import Run
from runner.store.records import RunRecord

#: What XML 1.0 has no way to write, not even escaped (its section 2.2).
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: The kind of a failed case.
EXPECTATION: Final = "expectation"


def junit(run: Run) -> str:
    """XML in which each thing that the matrix file expects of a cell is a test case.

    Without `expect:` entries each cell is one, which no outcome fails; where the build or the
    engine failed, it is an error. A cell not measured is skipped. The suite's `system-out` has a
    line per cell. `time` is in seconds: that of a cell's launches stands with the first of its
    cases, so that the cases add up to the suite.
    """
    cases = [*_expectations(run)] or [*_cells(run)]
    _set_times(run, cases)
    record = run.record
    suite = ET.Element(
        "testsuite",
        name=_xml(record.experiment),
        package="monkey-matrix",
        id="0",
        timestamp=_moment(record),
        hostname=_xml(record.host.hostname) if record.host else "localhost",
        tests=str(len(cases)),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
        time=_seconds(one for of_cell in run.launches.values() for one in of_cell),
    )
    _add_properties(suite, record)
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = _xml("\n".join(_endings(run)))
    ET.SubElement(suite, "system-err")
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _moment(run: RunRecord) -> str:
    """When the run began, in UTC: the layout has no place for a time zone."""
    moment = datetime.fromisoformat(run.started_at)
    in_utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return in_utc.replace(tzinfo=None).isoformat(timespec="seconds")


def _add_properties(suite: ET.Element, run: RunRecord) -> None:
    properties = ET.SubElement(suite, "properties")
    for name, value in {"run": run.run_id, "command": " ".join(run.command)}.items():
        ET.SubElement(properties, "property", name=name, value=_xml(value))


def _endings(run: Run) -> Iterator[str]:
    """How each cell ended, and why, a line each."""
    for row in run.rows:
        ending = NOT_MEASURED if row.outcome is None else str(row.outcome)
        seen = f": {row.reason}" if row.outcome and row.reason else ""
        yield f"{row.cell}: {ending}{seen}{f'; why: {row.why}' if row.why else ''}"


def _count(cases: Sequence[ET.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


# -- cases -----------------------------------------------------------------------------------------


def _expectations(run: Run) -> Iterator[ET.Element]:
    for checked in check(run):
        case = _case(run, checked.cell, checked.expected)
        if not checked.met:
            _add(case, "failure", f"saw {checked.seen}", checked.place, kind=EXPECTATION)
        yield case


def _cells(run: Run) -> Iterator[ET.Element]:
    for row in run.rows:
        case = _case(run, row.cell, "measured")
        if row.outcome is None:
            _add(case, "skipped", row.reason or NOT_MEASURED)
        elif row.outcome.kind is Kind.MACHINE:
            _add(case, "error", f"{row.outcome}: {row.reason}", kind=str(row.outcome))
        yield case


def _case(run: Run, cell: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=_class(run, cell), name=_xml(name))


def _class(run: Run, cell: str) -> str:
    return _xml(f"{run.record.experiment}.{cell}")


def _set_times(run: Run, cases: Iterable[ET.Element]) -> None:
    """Give each cell's seconds to the first of its cases, and none to the others."""
    missing = {_class(run, cell): launches for cell, launches in run.launches.items()}
    for case in cases:
        case.set("time", _seconds(missing.pop(case.get("classname", ""), ())))


def _seconds(launches: Iterable[LaunchRecord]) -> str:
    """How long the launches took, of a report made elsewhere the load alone."""
    loads = ((one.wall_s, one.ab.time_taken_s if one.ab else 0.0) for one in launches)
    return f"{sum(load if wall is None else wall for wall, load in loads):.3f}"


def _add(case: ET.Element, tag: str, message: str, text: str = "", kind: str = "") -> None:
    """Say how the case ended; a failure and an error must have a kind."""
    attributes = {"message": _xml(message)} | ({"type": kind} if kind else {})
    ET.SubElement(case, tag, attributes).text = _xml(text)


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
