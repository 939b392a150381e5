"""The charts of a page. Each kind is one small module; this one says which a page has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from runner.publish.charts.bundle import vega_bundle
from runner.publish.charts.chart import Chart, Draft, begun
from runner.publish.charts.concurrency import concurrency_draft
from runner.publish.charts.cost import cost_draft
from runner.publish.charts.latency import latency_draft
from runner.publish.charts.rate import rate_draft
from runner.publish.charts.timeline import timeline_draft
from runner.publish.drawing.artist import Artist
from runner.publish.source import PublishedRun

__all__ = ["Chart", "charts_of", "vega_bundle"]

#: The charts that each run has for itself, by name.
OF_A_RUN: Final[Mapping[str, Callable[[PublishedRun, str], Draft | None]]] = {
    "latency": latency_draft,
    "concurrency": concurrency_draft,
    "timeline": timeline_draft,
}


def charts_of(runs: Sequence[PublishedRun], artist: Artist) -> list[Chart]:
    """The charts that these runs, one or more, have data for, in the order of a page.

    Those that show all runs together come first. The artist draws them meanwhile. Raises
    `UsageError` for stored latencies that cannot be read.
    """
    return [begun(draft, artist) for draft in _drafts(runs) if draft]


def _drafts(runs: Sequence[PublishedRun]) -> Iterator[Draft | None]:
    yield rate_draft(runs)
    yield cost_draft(runs)
    for name, draft_of in OF_A_RUN.items():
        if len(runs) == 1:
            yield draft_of(runs[0], name)
            continue
        for place, run in enumerate(runs, 1):
            if draft := draft_of(run, f"{name}-{place}"):
                yield replace(draft, title=f"{draft.title}: {run.label}")
