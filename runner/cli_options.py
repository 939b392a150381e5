"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FileOption = Annotated[Path, typer.Option("--file", help="The matrix file.")]
ResultsOption = Annotated[Path, typer.Option("--results", help="Where runs are stored.")]
ExperimentArgument = Annotated[
    str | None, typer.Argument(help="An experiment of the matrix file; without one, its `default`.")
]
RunArgument = Annotated[str, typer.Argument(help="A run directory, or `latest`.")]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="AXIS=GLOB", help="Only cells that match; repeatable."),
]
RequestsOption = Annotated[int | None, typer.Option(help="Requests per launch.")]
ConcurrencyOption = Annotated[int | None, typer.Option(help="Concurrent clients.")]
DeltaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--delta",
        metavar="FIGURE=SHARE",
        help="The smallest difference that matters, e.g. `cpu=0.05`; repeatable.",
    ),
]
#: Replaced by `--delta` and by `delta:` in the matrix file; a run with it says so.
ThresholdOption = Annotated[str | None, typer.Option(hidden=True)]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only part I of N equal parts of the cells."),
]
LaunchesOption = Annotated[int | None, typer.Option(help="Launches per cell.")]
RepeatsOption = Annotated[int | None, typer.Option(help="Maximum repeats of a disturbed launch.")]
MATRIX_FILE = Path("matrix.yaml")
RESULTS = Path("results")
