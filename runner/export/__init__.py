"""A run in the formats of other programs, a module each.

Only cells with performance figures are exported as figures: no other may look like a result
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runner.errors import UsageError
from runner.export.bencher import bencher
from runner.export.github_action_benchmark import github_action_benchmark
from runner.export.junit import junit
from runner.export.openmetrics import openmetrics
from runner.export.pyperf import pyperf
from runner.options import ExportFormat, Format
from runner.outcome import Outcome
from runner.report.formats import render
from runner.report.run import Run
from runner.text import counted, listed

#: Formats that hold nothing but figures. Their readers fail on an empty list, or report success.
_FIGURES_ALONE: Final = {
    ExportFormat.BENCHER,
    ExportFormat.GITHUB_ACTION_BENCHMARK,
    ExportFormat.PYPERF,
}


def export(run: Run, format_: ExportFormat) -> str:
    """The run as a text of this format, ending with a newline.

    Raises `UsageError` for a format that holds nothing but figures if the run has none.
    """
    if format_ in _FIGURES_ALONE and not any(run.measured()):
        others = listed([f for f in ExportFormat if f not in _FIGURES_ALONE])
        outcomes = listed([o for o in Outcome if o.has_figures], "or")
        raise UsageError(
            f"--format {format_}: run {run.record.run_id} has no figures: none of its "
            f"{counted(len(run.rows), 'cell')} ended {outcomes}; {others} hold other outcomes, too"
        )
    return _EXPORTERS[format_](run)


def _csv(run: Run) -> str:
    return render(run, format=Format.CSV)


_EXPORTERS: Final[Mapping[ExportFormat, Callable[[Run], str]]] = {
    ExportFormat.GITHUB_ACTION_BENCHMARK: github_action_benchmark,
    ExportFormat.BENCHER: bencher,
    ExportFormat.PYPERF: pyperf,
    ExportFormat.CSV: _csv,
    ExportFormat.JUNIT: junit,
    ExportFormat.OPENMETRICS: openmetrics,
}
