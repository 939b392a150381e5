"""What benchmarks share: their options, how a figure is printed, and launches made as in a run."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from runner.commands.cells import Choice, expand
from runner.commands.run import Ready, RunOptions, make_ready, measure_all, open_directory
from runner.matrix.cell import Cell
from runner.measurement.records import LaunchRecord
from runner.progress import PlainReporter
from runner.store.run_directory import RunDirectory

REPOSITORY = Path(__file__).resolve().parents[1]
#: One environment and one cell: what a benchmark of single launches needs.
MATRIX = """\
version: 1
default: bench
experiments:
  bench:
    axes: {{python: [3.13], patch: [none]}}
    packages: {{flask: "3.1.*"}}
    exclude_newer: 2026-11-01
    workload: {{name: sleep, seconds: {seconds:g}}}
    load: {{concurrency: {concurrency}, requests: {requests}}}
    launches: 1
"""
PROJECT_MATRIX = REPOSITORY / "matrix.yaml"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Sizes; None is a benchmark's own default. `full` is the article's load where it matters."""

    full: bool = False
    cells: int | None = None
    requests: int | None = None
    launches: int | None = None
    simulations: int | None = None
    run: str | None = None


def figure(name: str, value: str, goal: str = "", *, met: bool | None = None) -> str:
    """One line: what, how much, and the goal with whether it was met."""
    line = f"  {name:<58} {value:>22}"
    if goal:
        line += f"   goal {goal}"
    if met is not None:
        line += "  met" if met else "  MISSED"
    return line


def matrix_file(directory: Path, *, seconds: float, concurrency: int, requests: int) -> Path:
    """A matrix file with one cell."""
    path = directory / "matrix.yaml"
    text = MATRIX.format(seconds=seconds, concurrency=concurrency, requests=requests)
    path.write_text(text, encoding="utf-8")
    return path


class Timeline(PlainReporter):
    """What a run reported, each with `time.monotonic()` in seconds.

    `begun` holds waves, `ended` every launch, including those that were disturbed and repeated.
    """

    def __init__(self) -> None:
        super().__init__(Console(file=sys.stderr))
        self.begun: list[tuple[float, list[str]]] = []
        self.ends: list[tuple[float, LaunchRecord]] = []

    def say(self, text: str) -> None:
        """Nothing: standard output is for the figures."""

    def loading(self, cells: list[str]) -> None:
        self.begun.append((time.monotonic(), cells))

    def ended(self, record: LaunchRecord, *, final: bool) -> None:
        super().ended(record, final=final)
        self.ends.append((time.monotonic(), record))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A finished measurement. `finished` is when the last pod was gone."""

    directory: RunDirectory
    finished: float
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def launches(self) -> dict[str, list[LaunchRecord]]:
        """The stored launches by cell."""
        return self.directory.launches()


def ready_to_measure(
    choice: Choice, results: Path, *, jobs: int | None, cells: int | None = None
) -> Ready:
    """Expand, lock and build; of the cells only the first `cells`, spread over the experiment."""
    experiment = expand(choice, print)
    if cells is not None:
        experiment = replace(experiment, cells=spread(experiment.cells, cells))
    options = RunOptions(results=results, jobs=jobs)
    return make_ready(experiment, choice, options, Timeline())


def spread(cells: tuple[Cell, ...], number: int) -> tuple[Cell, ...]:
    """So many of the cells, evenly apart in their order."""
    if number >= len(cells):
        return cells
    return tuple(cells[i * len(cells) // number] for i in range(number))


def measured(
    choice: Choice, results: Path, *, jobs: int | None = 1, cells: int | None = None
) -> Measured:
    """Measure, `jobs` side by side (None: auto), reusing nothing."""
    ready = ready_to_measure(choice, results, jobs=jobs, cells=cells)
    with closing(ready.engine):
        underway = open_directory(ready, results)
        timeline = Timeline()
        measure_all(ready, underway, {}, timeline)
        return Measured(directory=underway.directory, timeline=timeline, finished=time.monotonic())
