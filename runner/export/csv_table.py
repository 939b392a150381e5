"""The table as CSV, all keys, nothing rounded."""

from __future__ import annotations

from runner.export.source import Source
from runner.options import Format
from runner.report.render import render


def export(source: Source) -> str:
    """One line per cell, figures or none."""
    return render(source.rows, source.run, format=Format.CSV)
