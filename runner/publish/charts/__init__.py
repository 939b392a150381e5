"""The charts of a page. Each kind is one small module; this one says which a page has."""

from __future__ import annotations

from collections.abc import Sequence

from runner.publish.charts.bundle import vega_bundle
from runner.publish.charts.chart import Chart
from runner.publish.charts.rate import rate_chart
from runner.publish.source import PublishedRun

__all__ = ["Chart", "charts_of", "vega_bundle"]


def charts_of(runs: Sequence[PublishedRun]) -> list[Chart]:
    """The charts that these runs, one or more, have data for, in the order of a page."""
    return [rate_chart(runs)]
