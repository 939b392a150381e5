"""The commands. Results go to standard output, progress and messages to standard error."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from runner.commands import clean as clean_up
from runner.commands import doctor as examine
from runner.commands import export as exporting
from runner.commands import import_ab as importing
from runner.commands import merge as merging
from runner.commands import plan as planning
from runner.commands import read
from runner.commands import run as running
from runner.commands import shard as sharding
from runner.commands.choice import Choice
from runner.errors import (
    EngineError,
    ExpectationError,
    InterruptedRunError,
    MatrixError,
    RegressionError,
    UsageError,
)
from runner.export import ExportFormat
from runner.measurement.coschedule import LARGEST_WAVE
from runner.progress import reporter
from runner.report.formats import Format
from runner.report.statistics import THRESHOLD

INTERRUPTED = 130
FAILED = 3

application = typer.Typer(
    name="matrix",
    help="Does monkey-patching make your blocking Flask application concurrent, and at what price?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

FileOption = Annotated[Path, typer.Option("--file", help="The matrix file.")]
ResultsOption = Annotated[Path, typer.Option("--results", help="Where runs are stored.")]
ExperimentArgument = Annotated[
    str | None, typer.Argument(help="A section of the matrix file; its `default` without one.")
]
RunArgument = Annotated[str, typer.Argument(help="A run directory, or `latest`.")]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="AXIS=GLOB", help="Only these cells; repeatable."),
]
RequestsOption = Annotated[int | None, typer.Option(help="Requests per launch.")]
ConcurrencyOption = Annotated[int | None, typer.Option(help="Clients at once.")]
ThresholdOption = Annotated[
    float, typer.Option(help="Share by which medians must differ to count.")
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts of the cells."),
]
LaunchesOption = Annotated[int | None, typer.Option(help="Launches per cell.")]
RepeatsOption = Annotated[
    int | None, typer.Option(help="How often a disturbed launch is made again, at most.")
]
MATRIX_FILE = Path("matrix.yaml")
RESULTS = Path("results")


def _choice(
    file: Path,
    experiment: str | None,
    select: list[str] | None,
    overrides: tuple[int | None, int | None, int | None],
    shard: str | None,
    *,
    repeats: int | None = None,
) -> Choice:
    requests, concurrency, launches = overrides
    return Choice(
        file=file,
        experiment=experiment,
        select=tuple(select or ()),
        requests=requests,
        concurrency=concurrency,
        launches=launches,
        repeats=repeats,
        shard=None if shard is None else sharding.shard(shard),
    )


def _jobs(text: str) -> int | None:
    """The number of `--jobs`, None for `auto`."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_WAVE:
        raise UsageError(f"--jobs {text}: give a number from 1 to {LARGEST_WAVE}, or `auto`")
    return int(text)


@application.command()
def plan(
    experiment: ExperimentArgument = None,
    *,
    file: FileOption = MATRIX_FILE,
    results: ResultsOption = RESULTS,  # noqa: ARG001 - every command takes it
    select: SelectOption = None,
    requests: RequestsOption = None,
    concurrency: ConcurrencyOption = None,
    launches: LaunchesOption = None,
    shard: ShardOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, one a cell.")] = False,
) -> None:
    """Print every cell: its ceiling and predicted duration, and what is unavailable and why."""
    choice = _choice(file, experiment, select, (requests, concurrency, launches), shard)
    _print(planning.plan(choice, as_json=as_json))


@application.command()
def run(  # noqa: PLR0913 - an option each
    experiment: ExperimentArgument = None,
    *,
    file: FileOption = MATRIX_FILE,
    results: ResultsOption = RESULTS,
    select: SelectOption = None,
    requests: RequestsOption = None,
    concurrency: ConcurrencyOption = None,
    launches: LaunchesOption = None,
    repeats: RepeatsOption = None,
    shard: ShardOption = None,
    install: Annotated[
        bool, typer.Option(help="Install a missing engine or tool (Debian, Ubuntu, as root).")
    ] = False,
    jobs: Annotated[
        str, typer.Option(metavar="N|auto", help="Launches measured side by side.")
    ] = "auto",
    fresh: Annotated[bool, typer.Option(help="Resolve versions and measure anew.")] = False,
) -> None:
    """Lock, build, measure, store, and print the table."""
    choice = _choice(
        file, experiment, select, (requests, concurrency, launches), shard, repeats=repeats
    )
    options = running.RunOptions(results=results, jobs=_jobs(jobs), install=install, fresh=fresh)
    console = Console(stderr=True)
    with reporter(console) as progress:
        result = running.run(choice, options, progress)
    _show_result(result)


@application.command()
def merge(
    runs: Annotated[list[str], typer.Argument(metavar="DIR...", help="Run directories.")],
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
) -> None:
    """Join runs of one experiment, of several machines or shards, into a new run."""
    _show_result(merging.merge(results, runs))


@application.command()
def table(
    run: RunArgument = "latest",
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
    format: Annotated[Format, typer.Option(help="The table's format.")] = Format.PLAIN,  # noqa: A002
    pivot: Annotated[str | None, typer.Option(metavar="AXIS", help="One column per value.")] = None,
    sort: Annotated[str | None, typer.Option(metavar="COLUMN", help="`-COLUMN`: down.")] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="COLUMN,…", help="Only these, e.g. `patch,p99_ms`.")
    ] = None,
    threshold: ThresholdOption = THRESHOLD,
) -> None:
    """Print the comparison table of a run."""
    text = read.table(
        results,
        run,
        format_=format,
        pivot=pivot,
        sort=sort,
        columns=columns,
        threshold=threshold,
    )
    _print(text)


@application.command()
def compare(
    old: Annotated[str, typer.Argument(help="A run directory, or `latest`.")],
    new: RunArgument = "latest",
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
    threshold: ThresholdOption = THRESHOLD,
) -> None:
    """Print what changed between two runs; exit 1 where a cell got slower or worse."""
    _print(read.compare(results, old, new, threshold=threshold))


@application.command()
def show(
    run: RunArgument,
    cell: Annotated[str, typer.Argument(help="A cell's id, as in the table.")],
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
    lock: Annotated[
        bool, typer.Option("--lock", help="Print the lock with its hashes, as it is stored.")
    ] = False,
) -> None:
    """Print everything about one cell, with the commands that reproduce it by hand."""
    _print(read.show(results, run, cell, lock=lock))


@application.command()
def export(
    run: RunArgument = "latest",
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
    format: Annotated[ExportFormat, typer.Option(help="Whose format.")],  # noqa: A002
    output: Annotated[Path | None, typer.Option(help="A file, instead of standard output.")] = None,
) -> None:
    """Print a run in another program's format."""
    text = exporting.exported(results, run, format)
    if output is None:
        _print(text.removesuffix("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None


@application.command("import-ab")
def import_ab(
    name: Annotated[str, typer.Argument(help="What to call the run's experiment.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="[AXIS=VALUE,…:]FILE...", help="Reports, with what is known of their cells."
        ),
    ],
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
    workload: Annotated[str | None, typer.Option(help="What the requests did.")] = None,
    seconds: Annotated[
        str | None, typer.Option(help="How long a request takes at the least: the ceiling.")
    ] = None,
    note: Annotated[
        list[str] | None, typer.Option(help="A remark below the tables; repeatable.")
    ] = None,
) -> None:
    """Make a run out of reports that `ab` printed elsewhere, and print its table."""
    told = importing.told_of(workload, seconds, note or ())
    _print(importing.import_ab(results, name, files, told))


@application.command()
def publish(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Run directories, or `latest`; that without any."),
    ] = None,
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,
    name: Annotated[
        str | None, typer.Option(help="The publication's name; else its experiment's.")
    ] = None,
) -> None:
    """Write runs as a page, README, tables, charts and evidence below `results/published`."""
    # What draws charts takes a third of a second to import, which no other command should pay.
    from runner.commands import publish as publishing  # noqa: PLC0415

    _print(publishing.publish(results, runs or (), name))


@application.command()
def doctor(
    *,
    file: FileOption = MATRIX_FILE,
    results: ResultsOption = RESULTS,
    install: Annotated[
        bool, typer.Option(help="Mend what can be mended (Debian, Ubuntu, as root).")
    ] = False,
) -> None:
    """Print what this machine and engine offer, what is missing, and the command that mends it."""
    text, healthy = examine.doctor(file, results, install=install, say=_say)
    _print(text)
    if not healthy:
        raise typer.Exit(FAILED)


@application.command()
def clean(
    *,
    file: FileOption = MATRIX_FILE,  # noqa: ARG001 - every command takes it
    results: ResultsOption = RESULTS,  # noqa: ARG001
) -> None:
    """Remove this project's containers and images, nobody else's."""
    _print(clean_up.clean())


def _show_result(result: running.RunResult) -> None:
    """Print a run's table; `ExpectationError` where something was expected and is not so."""
    _print(result.table)
    if result.unmet:
        lines = "".join(f"\n  {checked}" for checked in result.unmet)
        raise ExpectationError(f"{len(result.unmet)} expectations were not met:{lines}")


def _say(text: str) -> None:
    """Print a message for people to standard error."""
    typer.echo(text, err=True)


def _print(text: str) -> None:
    """Print a result to standard output, whose reader may have left early (`matrix table | head`).

    What was measured is on disk by then: that nobody reads it here is no failure.
    """
    try:
        typer.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command line, on one line, and where to look it up."""
    said = " ".join(error.format_message().split())
    return f"{said.rstrip('.')}; `matrix --help` and `matrix COMMAND --help` list what there is"


def _refused(error: OSError) -> str:
    """What the system refused that nobody foresaw: where, why, and what may mend it."""
    said = str(error.strerror or error)
    if not error.filename:
        return f"the system refused: {said}; see to its disk, permissions and open files"
    return (
        f"{error.filename}: {said}; mend its permissions, or what stands there in place of a file "
        "or a directory, or pass another path"
    )


def main() -> None:
    """Run the command line and exit: the only place that does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = application(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
    except typer.TyperException as error:
        code = UsageError.exit_code
        _say(f"error: {_usage(error)}")
    except typer.Abort:
        code = INTERRUPTED
    except KeyboardInterrupt:
        code = INTERRUPTED
        _say("interrupted: what was measured is stored; the same command goes on from there")
    except InterruptedRunError as interrupted:
        code = INTERRUPTED
        _print(str(interrupted))
        _say("interrupted: this is what was measured until then")
    except RegressionError as found:
        code = found.exit_code
        _print(str(found))
    except MatrixError as error:
        code = error.exit_code
        _say(f"error: {error}")
    except EngineError as error:
        code = FAILED
        _say(
            f"error: the engine failed: {error}; what was measured is stored: see to the engine "
            "(`matrix doctor`), and the same command goes on from there"
        )
    except OSError as error:
        code = UsageError.exit_code
        _say(f"error: {_refused(error)}")
    sys.exit(code)
