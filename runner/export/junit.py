"""JUnit XML: each thing that the matrix file expects of a cell is a test case.

Without `expect:` entries each cell is one, which fails for no outcome but those that say nothing of
the cell (`engine-error`, `build-failed`): those are errors. A cell not measured is skipped.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from runner.export.source import Source
from runner.outcome import NOT_MEASURED, Kind

#: What XML 1.0 has no way to write, not even escaped (its section 2.2).
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def export(source: Source) -> str:
    """A suite named like the experiment."""
    cases = _expectations(source) if source.checked else _cells(source)
    count = {tag: sum(case.find(tag) is not None for case in cases) for tag in TAGS}
    suite = ET.Element(
        "testsuite",
        name=source.run.experiment,
        timestamp=source.run.started_at,
        tests=str(len(cases)),
        failures=str(count["failure"]),
        errors=str(count["error"]),
        skipped=str(count["skipped"]),
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


TAGS = ("failure", "error", "skipped")


def _expectations(source: Source) -> list[ET.Element]:
    cases = []
    for checked in source.checked:
        case = _case(source, checked.cell, checked.expected)
        if not checked.met:
            _add(case, "failure", f"saw {checked.seen}", checked.place)
        cases.append(case)
    return cases


def _cells(source: Source) -> list[ET.Element]:
    cases = []
    for row in source.rows:
        case = _case(source, row.cell, "measured")
        if row.outcome is None:
            _add(case, "skipped", NOT_MEASURED)
        elif row.outcome.kind is Kind.MACHINE:
            _add(case, "error", f"{row.outcome}: {row.reason}")
        else:
            said = f"{row.outcome}: {row.reason}" if row.reason else str(row.outcome)
            ET.SubElement(case, "system-out").text = _text(said)
        cases.append(case)
    return cases


def _case(source: Source, cell: str, name: str) -> ET.Element:
    classname = f"{source.run.experiment}.{cell}"
    return ET.Element("testcase", classname=_text(classname), name=_text(name))


def _add(case: ET.Element, tag: str, message: str, text: str = "") -> None:
    ET.SubElement(case, tag, message=_text(message)).text = _text(text)


def _text(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
