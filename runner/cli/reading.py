"""The commands that read runs, and print or write what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.options import (
    RESULTS,
    DeltaOption,
    ResultsOption,
    RunArgument,
    ThresholdOption,
)
from runner.cli.variadic import NewRunsOption, RunsArgument
from runner.options import ExportFormat, Format
from runner.streams import print_result


def table(
    run: RunArgument = "latest",
    *,
    results: ResultsOption = RESULTS,
    format: Annotated[Format, typer.Option(help="The table's format.")] = Format.PLAIN,  # noqa: A002
    pivot: Annotated[str | None, typer.Option(metavar="AXIS", help="One column per value.")] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="`-COLUMN`: descending.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="COLUMN,…", help="Only these, e.g. `patch,p99_ms`.")
    ] = None,
    delta: DeltaOption = None,
    threshold: ThresholdOption = None,
) -> None:
    """Print the comparison table of a run."""
    from runner.commands.runs import delta_option, table_text

    shares = delta_option(delta, threshold)
    print_result(
        table_text(
            results, run, format_=format, pivot=pivot, sort=sort, columns=columns, delta=shares
        )
    )


def compare(
    runs: RunsArgument,
    *,
    new: NewRunsOption = None,
    results: ResultsOption = RESULTS,
    delta: DeltaOption = None,
    threshold: ThresholdOption = None,
) -> None:
    """Print what changed: `compare OLD [NEW]`, or `compare OLD... --with NEW...` for several.

    With three runs or more on both sides the figures themselves are compared, else each cell's
    ratio to its own run's baseline. Exit 1 on a regression: an outcome got worse, requests/s are
    lower, or memory is higher; with three runs a side also if CPU per request or p99 is higher.
    What is undecided is no regression.
    """
    from runner.commands.runs import compared, delta_option, sides

    print_result(compared(results, *sides(runs, new or ()), delta=delta_option(delta, threshold)))


def show(
    run: RunArgument,
    cell: Annotated[str, typer.Argument(help="A cell's id, as in the table.")],
    *,
    results: ResultsOption = RESULTS,
    lock: Annotated[
        bool, typer.Option("--lock", help="Print the lock with its hashes, as it is stored.")
    ] = False,
) -> None:
    """Print everything about one cell, with the commands that reproduce it by hand."""
    from runner.commands.runs import shown

    print_result(shown(results, run, cell, lock=lock))


def export(
    run: RunArgument = "latest",
    *,
    results: ResultsOption = RESULTS,
    format: Annotated[ExportFormat, typer.Option(help="Output format.")],  # noqa: A002
    output: Annotated[Path | None, typer.Option(help="A file, instead of standard output.")] = None,
) -> None:
    """Print a run in another program's format."""
    from runner.commands.runs import exported

    if text := exported(results, run, format, output):
        print_result(text)


def history(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR]...",
            help="Runs, or directories of runs; by default the published ones.",
        ),
    ] = None,
    *,
    results: ResultsOption = RESULTS,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to write; by default `results/history`."),
    ] = None,
) -> None:
    """Write how figures changed from run to run: a CSV per cell and figure, and a page."""
    from runner.commands.history import history

    print_result(history(results, runs or (), output))


def publish(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Run directories; `latest` by default."),
    ] = None,
    *,
    results: ResultsOption = RESULTS,
    name: Annotated[
        str | None, typer.Option(help="Name of the publication; by default that of its experiment.")
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write each chart as PNG, too.")] = False,
) -> None:
    """Write runs as a page, README, tables, charts and evidence below `results/published`."""
    from runner.commands.publish import publish

    print_result(publish(results, runs or (), name, with_png=png))
