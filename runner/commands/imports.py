"""`matrix merge` and `import-ab`: a run made of what was measured elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from runner.commands.runs import RunResult, stored_result
from runner.errors import UsageError
from runner.matrix.file import name_problem
from runner.matrix.values import seconds as seconds_of
from runner.matrix.values import workload_name
from runner.measurement.ab import AbReportError, parse_whole
from runner.store.import_ab import Report, Shared, run_of_reports, split_label
from runner.store.merge import Joined, Part, merge
from runner.store.records import now
from runner.store.run_directory import RunDirectory, WithFiles, check_results, open_run

T = TypeVar("T")

#: No report of `ab` comes near it; what is larger is something else.
LARGEST_REPORT = 2**20


def merged(results: Path, runs: Sequence[str]) -> RunResult:
    """Store several runs as one; return its table, and the expectations it does not meet.

    Raises `UsageError` if they cannot be joined; then nothing is stored.
    """
    directories = [open_run(results, run) for run in runs]
    parts = [
        Part(
            source=source,
            run=directory.read_run(),
            launches=directory.launches(),
            rejected=directory.rejected(),
        )
        for source, directory in zip(runs, directories, strict=True)
    ]
    joined = merge(parts, command=sys.argv)
    check_results(results)
    directory = RunDirectory.create(results, joined.run.experiment, datetime.now(UTC))
    record = directory.write_whole(
        joined.run,
        _with_files(joined.launches, directories),
        _with_files(joined.rejected, directories),
    )
    return stored_result(directory, record, [launch.record for launch in joined.launches])


def _with_files(
    joined: Iterable[Joined], directories: Sequence[RunDirectory]
) -> Iterator[WithFiles]:
    """Each launch with the files that it left where it was measured."""
    for one in joined:
        yield one.record, directories[one.part].files_of(one.was, final=one.final)


def import_ab(results: Path, name: str, files: Sequence[str], shared: Shared) -> str:
    """Store the reports as a run of an experiment of that name; return its table.

    All of them are read before anything is written. Raises `UsageError`.
    """
    if problem := name_problem(name):
        raise UsageError(problem)
    reports = [_report(argument) for argument in files]
    made = run_of_reports(name, reports, shared, now=now(), command=sys.argv)
    check_results(results)
    directory = RunDirectory.create(results, name, datetime.now(UTC))
    record = directory.write_whole(
        made.run, ((launch, {"ab.txt": report.text}) for launch, report in made.launches)
    )
    return stored_result(directory, record, [launch for launch, _ in made.launches]).table.rstrip(
        "\n"
    )


def shared_facts(workload: str | None, seconds: str | None, notes: Sequence[str]) -> Shared:
    """Parse the options shared by all reports; raise `UsageError` for an invalid one."""
    return Shared(
        workload=_option("--workload", workload_name, workload),
        seconds=_option("--seconds", seconds_of, seconds),
        notes=tuple(notes),
    )


def _option(flag: str, convert: Callable[[str], T], text: str | None) -> T | None:
    try:
        return None if text is None else convert(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None


def _report(argument: str) -> Report:
    labels, file = split_label(argument)
    path = Path(file)
    try:
        content = path.read_bytes()
        if len(content) > LARGEST_REPORT:
            raise UsageError(f"{file}: not a report of ab: {len(content) >> 20} MiB")
        whole = parse_whole(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except FileNotFoundError:
        raise UsageError(
            f"{file}: no such file; give FILE, or AXIS=VALUE,AXIS=VALUE:FILE to label its cell"
        ) from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except AbReportError as error:
        raise UsageError(
            f"{file}: not a complete report of ab 2.3: {error}; give all that `ab` printed"
        ) from None
    return Report(source=argument, name=path.stem, labels=labels, whole=whole, text=content)
