"""The commands that make runs, and those for the machine they are made on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.options import (
    DEFAULT_FILE,
    RESULTS,
    AppArgument,
    BeforeOption,
    ChdirOption,
    ConcurrencyOption,
    DaskOption,
    DebianOption,
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
    SelectOption,
    ServiceOption,
    ShardOption,
    VariableOption,
)
from runner.errors import EngineUnavailableError, ExpectationError
from runner.streams import print_result, say

if TYPE_CHECKING:
    from runner.commands.runs import RunResult


def init(*, file: FileOption = DEFAULT_FILE) -> None:
    """Write a commented matrix file to start from."""
    from runner.commands.init import init

    print_result(init(file))


def plan(
    experiment: ExperimentArgument = None,
    *,
    file: FileOption = DEFAULT_FILE,
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
    print_result(plan(choice, results, as_json=as_json, say=say))


def run(  # noqa: PLR0913 - an option each
    experiment: ExperimentArgument = None,
    *,
    file: FileOption = DEFAULT_FILE,
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
        if hosts is not None or dask is not None:
            from runner.commands.hosts.run import on_hosts

            result = on_hosts(choice, options, progress, hosts=hosts, scheduler=dask)
        else:
            result = run(choice, options, progress)
    _show_result(result)
    if repeated:
        print_result(replicated(results, repeated))


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
    print_result(tried.text)
    if not tried.served:
        raise typer.Exit(1)


def merge(
    runs: Annotated[list[str], typer.Argument(metavar="DIR...", help="Run directories.")],
    *,
    results: ResultsOption = RESULTS,
) -> None:
    """Join runs of one experiment, of several machines or shards, into a new run."""
    from runner.commands.imports import merged

    _show_result(merged(results, runs))


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
    print_result(import_ab(results, name, files, shared, split=split, say=say))


def doctor(
    *,
    file: FileOption = DEFAULT_FILE,
    results: ResultsOption = RESULTS,
    install: Annotated[
        bool,
        typer.Option(help="Install a missing engine or mmdebstrap (Debian, Ubuntu, root)."),
    ] = False,
) -> None:
    """Print what this machine and engine offer, what is missing, and the command that fixes it."""
    from runner.commands.doctor import doctor

    text, healthy = doctor(file, results, install=install, say=say)
    print_result(text)
    if not healthy:
        raise typer.Exit(EngineUnavailableError.exit_code)


def clean() -> None:
    """Remove this project's containers and images, nobody else's."""
    from runner.commands.machine import clean

    print_result(clean())


def _show_result(result: RunResult) -> None:
    """Print a run's table; `ExpectationError` if an expectation was not met."""
    print_result(result.table)
    if result.unmet:
        lines = "".join(f"\n  {checked}" for checked in result.unmet)
        raise ExpectationError(f"{len(result.unmet)} expectations were not met:{lines}")
