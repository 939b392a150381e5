"""The commands. Results go to standard output, progress and messages to standard error.

Each command imports what it needs when it is called: `matrix --help` and `matrix table` would
otherwise wait for libraries that only other commands use.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli_options import (
    MATRIX_FILE,
    RESULTS,
    AppArgument,
    BeforeOption,
    ChdirOption,
    ConcurrencyOption,
    DaskOption,
    DebianOption,
    DeltaOption,
    EnvFileOption,
    ExperimentArgument,
    ExtraOption,
    FileOption,
    HostsOption,
    IncludeOption,
    LaunchesOption,
    PathOption,
    PythonOption,
    RepeatsOption,
    RequestsOption,
    RequirementsOption,
    ResultsOption,
    RunArgument,
    SelectOption,
    ServiceOption,
    ShardOption,
    ThresholdOption,
    VariableOption,
)
from runner.errors import (
    EngineError,
    ExpectationError,
    InterruptedRunError,
    MatrixError,
    RegressionError,
    UsageError,
    is_out_of_memory,
    system_error,
)
from runner.options import ExportFormat, Format
from runner.streams import nobody_reads, open_closed_streams
from runner.variadic import Compare, NewRunsOption, RunsArgument

if TYPE_CHECKING:
    from runner.commands.runs import RunResult

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


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        _print(f"monkey-matrix {version('monkey-matrix')}")
        raise typer.Exit


@application.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """The options of `matrix` itself."""


@application.command()
def init(*, file: FileOption = MATRIX_FILE) -> None:
    """Write a commented matrix file to start from."""
    from runner.commands.init import init

    _print(init(file))


@application.command()
def plan(
    experiment: ExperimentArgument = None,
    *,
    file: FileOption = MATRIX_FILE,
    results: ResultsOption = RESULTS,
    select: SelectOption = None,
    requests: RequestsOption = None,
    concurrency: ConcurrencyOption = None,
    launches: LaunchesOption = None,
    shard: ShardOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A list of objects, one per cell.")
    ] = False,
) -> None:
    """Print every cell, its ceiling and predicted duration; what is unavailable, and why."""
    from runner.commands.cells import Choice, shard_option
    from runner.commands.plan import plan

    choice = Choice(
        file=file,
        experiment=experiment,
        select=tuple(select or ()),
        requests=requests,
        concurrency=concurrency,
        launches=launches,
        shard=shard_option(shard),
    )
    _print(plan(choice, results, as_json=as_json, say=_say))


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
        str, typer.Option(metavar="N|auto", help="Launches measured at the same time.")
    ] = "auto",
    fresh: Annotated[
        bool, typer.Option(help="Ignore locks and launches of earlier runs; pull bases again.")
    ] = False,
    diagnose: Annotated[
        bool,
        typer.Option(
            "--diagnose", help="Then launch each cell once more, to see what blocks its event loop."
        ),
    ] = False,
    like: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Measure this run's cells again, and compare with it."),
    ] = None,
    hosts: HostsOption = None,
    dask: DaskOption = None,
) -> None:
    """Lock, build, measure, store, and print the table."""
    from runner.commands.cells import Choice, shard_option
    from runner.commands.replication import replicated, run_to_repeat
    from runner.commands.run import RunOptions, parse_jobs, run
    from runner.progress import Messages, reporter

    given = {
        "EXPERIMENT": experiment,
        "--requests": requests,
        "--concurrency": concurrency,
        "--shard": shard,
    }
    repeated = run_to_repeat(results, like, given) if like else None
    choice = Choice(
        file=file,
        like=repeated.read_run() if repeated else None,
        experiment=experiment,
        select=tuple(select or ()),
        requests=requests,
        concurrency=concurrency,
        launches=launches,
        repeats=repeats,
        shard=shard_option(shard),
    )
    options = RunOptions(
        results=results, jobs=parse_jobs(jobs), install=install, fresh=fresh, diagnose=diagnose
    )
    with reporter(Messages(stderr=True)) as progress:
        if hosts or dask:
            from runner.commands.hosts.run import on_hosts

            result = on_hosts(choice, options, progress, hosts=hosts, scheduler=dask)
        else:
            result = run(choice, options, progress)
    _show_result(result)
    if repeated:
        _print(replicated(results, repeated))


@application.command()
def worker(
    scheduler: Annotated[str, typer.Argument(help="A Dask scheduler, `tcp://10.0.0.5:8786`.")],
    *,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The address to listen at; by default that which reaches the scheduler.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port to listen at; 0 is any.")
    ] = 0,
    rounds: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where rounds are kept until a run has stored them."),
    ] = None,
) -> None:
    """Measure on this host, with its engine, for `matrix run --dask`.

    Anyone who reaches the port of a scheduler or a worker runs code there: docs/hosts.md first.
    """
    from runner.commands.hosts.post import ROUNDS
    from runner.commands.hosts.worker import work

    work(scheduler, rounds or ROUNDS, host=listen, port=port)


@application.command("try")
def try_(  # noqa: PLR0913 - an option each
    app: AppArgument = None,
    *,
    requirements: RequirementsOption = None,
    extra: ExtraOption = None,
    env: VariableOption = None,
    env_file: EnvFileOption = None,
    before: BeforeOption = None,
    path: PathOption = None,
    debian: DebianOption = None,
    service: ServiceOption = None,
    include: IncludeOption = None,
    python: PythonOption = None,
    chdir: ChdirOption = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the experiment to matrix.yaml.")
    ] = False,
    results: ResultsOption = RESULTS,
    install: Annotated[
        bool, typer.Option(help="Install a missing engine or tool (Debian, Ubuntu, as root).")
    ] = False,
) -> None:
    """Try the application in this directory, in each patch mode and on three servers.

    Each combination is launched once, for some seconds. Exit 1 where none of them served.
    """
    from rich.console import Console

    from runner.commands.run import RunOptions
    from runner.commands.trial.command import try_application
    from runner.commands.trial.given import Given, variables
    from runner.progress import reporter

    given = Given(
        directory=Path.cwd(),
        app=app,
        requirements=tuple(requirements or ()),
        extras=tuple(extra or ()),
        variables=variables(env or ()),
        env_files=tuple(env_file or ()),
        before=tuple(before or ()),
        path=path,
        debian=tuple(debian or ()),
        services=tuple(service or ()),
        include=tuple(include or ()),
        python=python,
        chdir=chdir,
    )
    options = RunOptions(results=results, install=install, fresh=True)
    with reporter(Console(stderr=True)) as progress:
        tried = try_application(given, options, progress, write_file=write)
    _print(tried.text)
    if not tried.served:
        raise typer.Exit(1)


@application.command()
def merge(
    runs: Annotated[list[str], typer.Argument(metavar="DIR...", help="Run directories.")],
    *,
    results: ResultsOption = RESULTS,
) -> None:
    """Join runs of one experiment, of several machines or shards, into a new run."""
    from runner.commands.imports import merged

    _show_result(merged(results, runs))


@application.command()
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
    _print(
        table_text(
            results, run, format_=format, pivot=pivot, sort=sort, columns=columns, delta=shares
        )
    )


@application.command(cls=Compare)
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

    _print(compared(results, *sides(runs, new or ()), delta=delta_option(delta, threshold)))


@application.command()
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

    _print(shown(results, run, cell, lock=lock))


@application.command()
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
        _print(text)


@application.command()
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

    _print(history(results, runs or (), output))


@application.command("import-ab")
def import_ab(
    name: Annotated[str, typer.Argument(help="Name of the experiment.")],
    files: Annotated[
        list[str], typer.Argument(metavar="[AXIS=VALUE,…:]FILE...", help="Reports, with labels.")
    ],
    *,
    results: ResultsOption = RESULTS,
    workload: Annotated[str | None, typer.Option(help="What the requests did.")] = None,
    seconds: Annotated[
        str | None, typer.Option(help="Minimum time of a request; used to compute the ceiling.")
    ] = None,
    note: Annotated[
        list[str] | None, typer.Option(help="A note below the tables; repeatable.")
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="Take each report in a file as a launch of its cell.")
    ] = False,
    one_cell: Annotated[
        bool, typer.Option("--launches-of-one-cell", help="Equal labels mean launches of a cell.")
    ] = False,
    any_length: Annotated[
        bool,
        typer.Option("--ignore-length", help="Accept answers of another length than the first."),
    ] = False,
) -> None:
    """Make a run out of reports that `ab` printed elsewhere, and print its table."""
    from runner.commands.imports import import_ab, shared_facts

    shared = shared_facts(workload, seconds, note or (), any_length=any_length, one_cell=one_cell)
    _print(import_ab(results, name, files, shared, split=split, say=_say))


@application.command()
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

    _print(publish(results, runs or (), name, with_png=png))


@application.command()
def doctor(
    *,
    file: FileOption = MATRIX_FILE,
    results: ResultsOption = RESULTS,
    install: Annotated[
        bool,
        typer.Option(help="Install a missing engine or mmdebstrap (Debian, Ubuntu, root)."),
    ] = False,
) -> None:
    """Print what this machine and engine offer, what is missing, and the command that fixes it."""
    from runner.commands.doctor import doctor

    text, healthy = doctor(file, results, install=install, say=_say)
    _print(text)
    if not healthy:
        raise typer.Exit(FAILED)


@application.command()
def clean() -> None:
    """Remove this project's containers and images, nobody else's."""
    from runner.commands.machine import clean

    _print(clean())


def _show_result(result: RunResult) -> None:
    """Print a run's table; `ExpectationError` if an expectation was not met."""
    _print(result.table)
    if result.unmet:
        lines = "".join(f"\n  {checked}" for checked in result.unmet)
        raise ExpectationError(f"{len(result.unmet)} expectations were not met:{lines}")


def _say(text: str) -> None:
    """Print a message for people to standard error, which nobody may read any more."""
    try:
        typer.echo(text, err=True)
    except BrokenPipeError:
        nobody_reads(sys.stderr)


def _print(text: str) -> None:
    """Print a result to standard output, whose reader may have left early (`matrix table | head`).

    What was measured is on disk by then: that nobody reads it here is no failure.
    """
    try:
        typer.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads(sys.stdout)


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command line, on one line, and where to look it up."""
    message = " ".join(error.format_message().split())
    return f"{message.rstrip('.')}; `matrix --help` and `matrix COMMAND --help` list what there is"


def _of_the_system(error: Exception) -> int:
    """Say what the system refused, and return the exit status; other errors are raised again."""
    if is_out_of_memory(error):
        _say(
            f"error: no memory left ({error or 'MemoryError'}); what was measured is stored: end "
            "other programs, or raise the limits of this one, then run the same command to resume"
        )
    elif isinstance(error, OSError):
        _say(f"error: {system_error(error)}")
    else:
        raise error
    return UsageError.exit_code


def main() -> None:
    """Run the command line and exit: the only place that does."""
    open_closed_streams()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # a shell may have it ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
        _say("interrupted: what was measured is stored; run the same command to resume")
    except InterruptedRunError as interrupted:
        code = INTERRUPTED
        _print(str(interrupted))
        _say("interrupted: this is what was measured so far")
    except RegressionError as found:
        code = found.exit_code
        _print(str(found))
    except MatrixError as error:
        code = error.exit_code
        _say(f"error: {error}")
    except EngineError as error:
        code = FAILED
        _say(
            f"error: the engine failed: {error}; what was measured is stored: fix the engine "
            "(see `matrix doctor`), then run the same command to resume"
        )
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        code = _of_the_system(error)
    sys.exit(code)
