"""Runs in the formats of other programs: one small module each, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runner.export import (
    bencher,
    csv_table,
    github_action_benchmark,
    junit,
    openmetrics,
    pyperf_suite,
)
from runner.export.source import Source
from runner.options import ExportFormat

Exporter = Callable[[Source], str]


EXPORTERS: Final[Mapping[ExportFormat, Exporter]] = {
    ExportFormat.GITHUB_ACTION_BENCHMARK: github_action_benchmark.export,
    ExportFormat.BENCHER: bencher.export,
    ExportFormat.PYPERF: pyperf_suite.export,
    ExportFormat.CSV: csv_table.export,
    ExportFormat.JUNIT: junit.export,
    ExportFormat.OPENMETRICS: openmetrics.export,
}


def export(source: Source, format_: ExportFormat) -> str:
    """The run as a text of this format."""
    return EXPORTERS[format_](source)
