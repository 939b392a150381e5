"""All that one publication shows, before it takes the form of a page, a README or files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.publish.answers import Answer, answers
from runner.publish.bundled import bundled
from runner.publish.charts import Chart, charts_of
from runner.publish.drawing.artist import Artist
from runner.publish.files import PublishedLaunch, launches_of
from runner.publish.source import PublishedRun
from runner.report.compare import RunComparison, compare
from runner.report.rows import Row
from runner.store.records import CellRecord, RunRecord

#: The docker commands that make a run's cell by hand.
ByHand = Callable[[RunRecord, str], list[str]]


@dataclass(frozen=True, kw_only=True)
class PublishedCell:
    """A cell: its row, its record, its launches, the commands that make it by hand.

    `anchor` is its id in the page.
    """

    row: Row
    record: CellRecord
    launches: tuple[PublishedLaunch, ...]
    by_hand: tuple[str, ...]
    anchor: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of the publication, what it answers, and its cells in table order.

    `prefix` is its directory in the publication, empty where it is the only run.
    """

    source: PublishedRun
    prefix: str
    answers: tuple[Answer, ...]
    cells: tuple[PublishedCell, ...]

    @property
    def run(self) -> RunRecord:
        """The run's record."""
        return self.source.run


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One or more runs under a name; `comparisons` hold each later run against the first.

    `script` is what draws the charts in the page.
    """

    name: str
    parts: tuple[Part, ...]
    comparisons: tuple[RunComparison, ...]
    charts: tuple[Chart, ...]
    script: str


def publication(
    name: str, runs: Sequence[PublishedRun], by_hand: ByHand, cache: Path, artist: Artist
) -> Publication:
    """Read what the runs left and make of it what is to be shown; the artist draws the charts."""
    first, *later = runs
    charts = tuple(charts_of(runs, artist))
    return Publication(
        name=name,
        parts=tuple(_part(run, number, len(runs), by_hand) for number, run in enumerate(runs)),
        comparisons=tuple(compare(first.collated, run.collated) for run in later),
        charts=charts,
        script=bundled(cache) if charts else "",
    )


def _part(run: PublishedRun, number: int, of: int, by_hand: ByHand) -> Part:
    prefix = "" if of == 1 else f"runs/{number + 1}-{run.run.experiment}-{run.run.run_id}/"
    records = {cell.id: cell for cell in (*run.run.cells, *run.run.unavailable)}
    return Part(
        source=run,
        prefix=prefix,
        answers=answers(run.rows, run.run),
        cells=tuple(
            PublishedCell(
                row=row,
                record=records[row.cell],
                launches=launches_of(run, row.cell, prefix),
                by_hand=tuple(by_hand(run.run, row.cell)),
                anchor=f"c{number + 1}-{position}",
            )
            for position, row in enumerate(run.rows, 1)
        ),
    )
