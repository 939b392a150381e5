"""The charts of a publication: which it has, and each as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.publish.charts import concurrency, figures, latency
from runner.publish.charts.style import Spec, drawn
from runner.publish.environments import Environment
from runner.publish.latency import Curve
from runner.report.run import Run


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart: the stem of its files' names, its heading, what it shows in words, and the SVG."""

    name: str
    title: str
    description: str
    svg: str


def charts_of(
    run: Run,
    found: Sequence[Environment],
    curves: Mapping[str, Curve],
    *,
    suffix: str = "",
    label: str = "",
) -> Iterator[Chart]:
    """The charts that a run with these environments has data for.

    `suffix` and `label` tell runs of one page apart.
    """

    def made(name: str, title: str, spec: Spec, notes: Iterator[str], description: str) -> Chart:
        headed = f"{title}: {label}" if label else title
        return Chart(
            name=f"{name}{suffix}",
            title=headed,
            description=description,
            svg=drawn(spec, headed, [*notes], description),
        )

    if spec := figures.chart(found):
        yield made(
            figures.NAME,
            figures.title(run),
            spec,
            figures.notes(run, found),
            figures.description(run),
        )
    if curves:
        yield made(
            latency.NAME,
            latency.TITLE,
            latency.chart(found, curves),
            latency.notes(found),
            latency.description(curves),
        )
    if lines := concurrency.lines_of(run):
        yield made(
            concurrency.NAME,
            concurrency.TITLE,
            concurrency.chart(lines),
            concurrency.notes(lines),
            concurrency.description(lines),
        )
