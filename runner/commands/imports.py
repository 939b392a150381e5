"""`matrix merge` and `import-ab`: a run made of what was measured elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from runner.commands.runs import RunResult, stored_result
from runner.errors import UsageError
from runner.matrix import plugins
from runner.matrix.file import name_problem
from runner.matrix.values import seconds as seconds_of
from runner.matrix.values import workload_name
from runner.measurement.ab import AbReportError, parse_whole
from runner.report.row import Row
from runner.store.diagnoses import copy_diagnosis, diagnoses
from runner.store.import_ab import Report, Shared, run_of_reports
from runner.store.merge import Joined, Part, merge
from runner.store.records import now
from runner.store.report_labels import SETTINGS, split_label
from runner.store.report_text import decoded, is_html, plain, separate
from runner.store.run_directory import RunDirectory, WithFiles, check_results, open_run

T = TypeVar("T")

#: With `ab -v`, or in the log of a whole job, a report is among many other lines.
LARGEST_REPORT = 2**24


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
    _copy_diagnoses(joined.launches, directories, directory)
    launches = [launch.record for launch in joined.launches]
    return stored_result(directory, record, launches, diagnoses(directory))


def _copy_diagnoses(
    joined: Iterable[Joined], directories: Sequence[RunDirectory], target: RunDirectory
) -> None:
    """Of a cell that several machines had, what the last of them found."""
    cells = dict.fromkeys((one.part, one.was.cell, one.record.cell) for one in joined)
    for part, was, cell in cells:
        copy_diagnosis(directories[part], was, target, cell)


def _with_files(
    joined: Iterable[Joined], directories: Sequence[RunDirectory]
) -> Iterator[WithFiles]:
    """Each launch with the files that it left where it was measured."""
    for one in joined:
        yield one.record, directories[one.part].files_of(one.was, final=one.final)


def import_ab(
    results: Path,
    name: str,
    files: Sequence[str],
    shared: Shared,
    *,
    split: bool = False,
    say: Callable[[str], None] = print,
) -> str:
    """Store the reports as a run of an experiment of that name; return its table.

    A file with several reports is refused, unless it is to be split. All of them are read before
    anything is written; `say` gets remarks on them. Raises `UsageError`.
    """
    if problem := name_problem(name):
        raise UsageError(problem)
    reports = [report for argument in files for report in _reports(argument, split=split)]
    made = run_of_reports(name, reports, shared, now=now(), command=sys.argv)
    check_results(results)
    directory = RunDirectory.create(results, name, datetime.now(UTC))
    record = directory.write_whole(
        made.run, ((launch, {"ab.txt": report.text}) for launch, report in made.launches)
    )
    for remark in made.remarks:
        say(remark)
    return stored_result(directory, record, [launch for launch, _ in made.launches]).table.rstrip(
        "\n"
    )


def shared_facts(
    workload: str | None,
    seconds: str | None,
    notes: Sequence[str],
    *,
    any_length: bool = False,
    one_cell: bool = False,
) -> Shared:
    """Parse the options shared by all reports; raise `UsageError` for an invalid one."""
    return Shared(
        workload=_option("--workload", workload_name, workload),
        seconds=_option("--seconds", seconds_of, seconds),
        notes=tuple(notes),
        ignore_length=any_length,
        launches_of_one_cell=one_cell,
    )


def _option(flag: str, convert: Callable[[str], T], text: str | None) -> T | None:
    try:
        return None if text is None else convert(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None


def _reports(argument: str, *, split: bool) -> Iterator[Report]:
    """The reports in a file with their label: one, unless the file is to be split."""
    labels, file = split_label(argument)
    _refuse_columns(argument, labels)
    content = _content(file)
    try:
        text = plain(decoded(content))
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None
    if is_html(text):
        raise UsageError(
            f"{file}: a report in HTML, of a page or of `ab -w`; give the text that ab prints"
        )
    parts = separate(text)
    if len(parts) > 1 and not split:
        raise UsageError(
            f"{file}: the output of {len(parts)} runs of ab; keep one, or give --split to make "
            "each a launch of one cell"
        )
    for number, part in enumerate(parts, start=1):
        of = "" if len(parts) == 1 else f", report {number} of {len(parts)}"
        try:
            whole = parse_whole(part)
        except AbReportError as error:
            raise UsageError(f"{file}{of}: not a complete report of ab: {error}") from None
        yield Report(
            source=f"{argument}{of}",
            file=file,
            name=Path(file).stem,
            labels=labels,
            whole=whole,
            text=part.encode() if of else content,
        )


def _content(file: str) -> bytes:
    try:
        content = Path(file).read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"{file}: no such file; give FILE, or AXIS=VALUE,AXIS=VALUE:FILE to label its cell"
        ) from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
    if len(content) > LARGEST_REPORT:
        raise UsageError(
            f"{file}: more than {LARGEST_REPORT >> 20} MiB; keep the lines of the report"
        )
    return content


def _refuse_columns(argument: str, labels: Mapping[str, str]) -> None:
    """A label of one's own is a column of the table, so it cannot have the name of another."""
    taken = {field.name for field in fields(Row)} - {*SETTINGS} - plugins.optional_packages()
    if clashing := next((axis for axis in labels if axis in taken), None):
        raise UsageError(f"{argument}: {clashing}: the table has such a column; use another name")
