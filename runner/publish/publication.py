"""One publication: its runs, their files and charts, before it becomes a page and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.measurement.evidence import SERVER_LOG, STACKS
from runner.measurement.records import LaunchRecord
from runner.publish.charts import Chart, charts_of
from runner.publish.charts.latency import curves_of
from runner.publish.environments import Environment, by_environment, environments
from runner.publish.latency import Curve
from runner.report.compare import RunComparison, compare
from runner.report.modes import Mode, modes
from runner.report.pivot import Grid
from runner.report.row import Row
from runner.report.run import Run
from runner.store.run_directory import RunDirectory, disturbed_path, launch_path
from runner.text import listed, minute

#: The published files of a launch: name to content.
Files = Mapping[str, str]

ALWAYS: Final = ("ab.txt",)
#: What is published as well of a launch without figures.
OF_FAILURES: Final = (STACKS, "sockets.txt", SERVER_LOG)
#: What a log has in place of the stacks: the server writes them where it writes everything.
STACKS_IN_LOG: Final = f"[the stacks in {STACKS}]"
#: A longer file keeps its head and its tail, half of this each.
LONGEST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of a publication, anonymous.

    `modes` are its patch modes and loads, `grid` has a line per environment. `prefix` is the path
    of its files in the publication, empty where it is the only run. `files` are those of each
    launch by the launch's path, `curves` those of the cells in its chart.
    """

    run: Run
    modes: Sequence[Mode]
    grid: Grid | None
    environments: Sequence[Environment]
    prefix: str
    files: Mapping[str, Files]
    curves: Mapping[str, Curve]

    @property
    def label(self) -> str:
        """How the run is told from others of the same page: `sleep, 2026-11-24 15:02 UTC`."""
        record = self.run.record
        return f"{record.experiment}, {minute(record.started_at)}"

    def path(self, launch: LaunchRecord) -> str:
        """Where the launch's files are in the publication."""
        return self.prefix + launch_path(launch.cell, launch.launch)

    def rejected_path(self, attempt: LaunchRecord) -> str:
        """Where the result of a rejected attempt is in the publication."""
        return self.prefix + disturbed_path(attempt)

    def key(self, row: Row) -> str:
        """What the page's address calls the cell."""
        return f"{self.prefix}{row.cell}"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One or more runs under a name; `comparisons` are each later run against the first."""

    name: str
    parts: Sequence[Part]
    comparisons: Sequence[RunComparison]
    charts: Sequence[Chart]

    @property
    def title(self) -> str:
        """The experiments."""
        return listed(list(dict.fromkeys(p.run.record.experiment for p in self.parts)), "against")

    @property
    def has_several(self) -> bool:
        """Whether a reader must be told which run something is of."""
        return len(self.parts) > 1

    @property
    def has_application(self) -> bool:
        """Whether a run measures the user's own application."""
        return any(part.run.record.application for part in self.parts)


def publication(name: str, runs: Sequence[tuple[RunDirectory, Run]]) -> Publication:
    """Read what the runs left, and draw their charts.

    Raises `UsageError` for latencies that cannot be read.
    """
    parts = [_part(*run, number, len(runs)) for number, run in enumerate(runs, 1)]
    (_, first), *later = runs
    return Publication(
        name=name,
        parts=parts,
        comparisons=[compare([first], [run]) for _, run in later],
        charts=[chart for number, part in enumerate(parts, 1) for chart in _charts(part, number)],
    )


def _part(directory: RunDirectory, run: Run, number: int, of: int) -> Part:
    record = run.record
    prefix = "" if of == 1 else f"runs/{number}-{record.experiment}-{record.run_id}/"
    launches = [launch for of_cell in run.launches.values() for launch in of_cell]
    grid = by_environment(run)
    found = environments(run, grid)
    return Part(
        run=run,
        modes=modes(run),
        grid=grid,
        environments=found,
        prefix=prefix,
        files={
            prefix + launch_path(one.cell, one.launch): _files(
                directory.launch_directory(one.cell, one.launch), one
            )
            for one in launches
        },
        curves=curves_of(directory, run, found),
    )


def _charts(part: Part, number: int) -> Iterator[Chart]:
    own = {"suffix": f"-{number}", "label": part.label} if part.prefix else {}
    return charts_of(part.run, part.environments, part.curves, **own)


def _files(directory: Path, launch: LaunchRecord) -> dict[str, str]:
    names = ALWAYS if launch.outcome.has_figures else (*ALWAYS, *OF_FAILURES)
    paths = [directory / name for name in names]
    found = {path.name: path.read_bytes() for path in paths if path.exists()}
    if SERVER_LOG in found and (stacks := found.get(STACKS, b"").strip()):
        found[SERVER_LOG] = found[SERVER_LOG].replace(stacks, STACKS_IN_LOG.encode())
    return {name: shortened(content) for name, content in found.items()}


def shortened(content: bytes) -> str:
    """The text, with its middle left out where it is longer than `LONGEST_BYTES`."""
    if len(content) <= LONGEST_BYTES:
        return content.decode("utf-8", "replace")
    half = LONGEST_BYTES // 2
    head, tail = content[:half], content[-half:]
    left_out = f"\n[… {len(content) - 2 * half:,} bytes left out …]\n"
    return head.decode("utf-8", "ignore") + left_out + tail.decode("utf-8", "ignore")
