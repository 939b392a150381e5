"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.options import MATRIX_FILE

FileOption = Annotated[Path, typer.Option("--file", help="The matrix file.")]
ResultsOption = Annotated[Path, typer.Option("--results", help="Where runs are stored.")]
ExperimentArgument = Annotated[
    str | None, typer.Argument(help="An experiment of the matrix file; without one, its `default`.")
]
AppArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[APP]",
        help="Where the application is, as gunicorn reads it: `shop.wsgi:create_app()`. Without "
        "it, what the directory's files say.",
    ),
]
RequirementsOption = Annotated[
    list[str] | None,
    typer.Option(
        "-r",
        "--requirements",
        metavar="REQ",
        help="A file of requirements, locked or not, or a requirement; repeatable. Without it, "
        "the file that lies there.",
    ),
]
ExtraOption = Annotated[
    list[str] | None,
    typer.Option("--extra", metavar="NAME", help="An extra of the project; repeatable."),
]
VariableOption = Annotated[
    list[str] | None,
    typer.Option("-e", "--env", metavar="KEY=VALUE", help="A variable, secret; repeatable."),
]
EnvFileOption = Annotated[
    list[str] | None,
    typer.Option("--env-file", metavar="FILE", help="A file of variables; repeatable."),
]
BeforeOption = Annotated[
    list[str] | None,
    typer.Option("--before", metavar="CMD", help="Run before the server; repeatable."),
]
PathOption = Annotated[
    str | None,
    typer.Option("--path", help="The path to ask for. Without it, one that answers is looked for."),
]
DebianOption = Annotated[
    list[str] | None,
    typer.Option("--debian", metavar="PKG", help="A package of Debian; repeatable."),
]
ServiceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="[HOST=]NAME",
        help="A ready-made service, by the name of its host; repeatable.",
    ),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="Files to copy though ignored; repeatable."),
]
PythonOption = Annotated[str | None, typer.Option("--python", metavar="X.Y", help="The Python.")]
ChdirOption = Annotated[
    str | None, typer.Option("--chdir", metavar="DIR", help="The directory to start it in.")
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
HostsOption = Annotated[
    str | None,
    typer.Option(
        metavar="ssh://HOST,…", help="Measure on these hosts: needs `monkey-matrix[dask]`."
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Measure on the workers of this Dask scheduler."),
]
LaunchesOption = Annotated[int | None, typer.Option(help="Launches per cell.")]
RepeatsOption = Annotated[int | None, typer.Option(help="Maximum repeats of a disturbed launch.")]
DEFAULT_FILE = Path(MATRIX_FILE)
RESULTS = Path("results")
