"""One module per format that a table can be written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.options import Format
from runner.report.document import Exporter
from runner.report.formats.csv_rows import export_csv
from runner.report.formats.github import export_github
from runner.report.formats.html import export_html
from runner.report.formats.json_rows import export_json
from runner.report.formats.latex import export_latex
from runner.report.formats.plain import export_plain

EXPORTERS: Final[Mapping[str, Exporter]] = {
    Format.GITHUB: export_github,
    Format.PLAIN: export_plain,
    Format.CSV: export_csv,
    Format.JSON: export_json,
    Format.LATEX: export_latex,
    Format.HTML: export_html,
}

#: Formats for programs: every key of a row, nothing rounded, and no pivot.
MACHINE_FORMATS: Final[frozenset[str]] = frozenset({Format.CSV, Format.JSON})
