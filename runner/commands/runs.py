"""`matrix table`, `compare`, `show`, `export`, `merge` and `import-ab`: stored runs, no engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from runner.errors import RegressionError, UsageError
from runner.matrix.file import name_problem
from runner.matrix.values import seconds as seconds_of
from runner.matrix.values import workload_name
from runner.measurement.ab import AbReportError, parse_whole
from runner.measurement.records import LaunchRecord
from runner.options import THRESHOLD, ExportFormat
from runner.report.compare import compare, comparison_text
from runner.report.expected import Checked, check
from runner.report.formats import render, stored_tables
from runner.report.run import Run, collate, read_run
from runner.store.import_ab import Report, Shared, run_of_reports, split_label
from runner.store.merge import Merged, Part, merge
from runner.store.records import RunRecord, now
from runner.store.run_directory import RunDirectory, check_results, open_run

T = TypeVar("T")

#: No report of `ab` comes near it; what is larger is something else.
LARGEST_REPORT = 2**20


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run shows in the end: its table, and the expectations that were not met."""

    table: str
    unmet: tuple[Checked, ...] = ()


def stored_result(
    directory: RunDirectory, record: RunRecord, launches: Iterable[LaunchRecord]
) -> RunResult:
    """Collate a run that was just made and store its tables beside it."""
    by_cell: dict[str, list[LaunchRecord]] = {}
    for launch in sorted(launches, key=lambda launch: launch.launch):
        by_cell.setdefault(launch.cell, []).append(launch)
    run = collate(record, by_cell)
    directory.write_tables(stored_tables(run))
    return RunResult(
        table=render(run, format="plain"),
        unmet=tuple(checked for checked in check(run) if not checked.met),
    )


def _read(results: Path, run: str, threshold: float = THRESHOLD) -> tuple[RunDirectory, Run]:
    """The run meant by `latest` or a path; `UsageError` for none, and for a bad threshold."""
    if not 0 <= threshold < 1:
        raise UsageError(f"--threshold {threshold:g}: give a share from 0 to 1, e.g. 0.02 for 2 %")
    directory = open_run(results, run)
    return directory, read_run(directory, threshold=threshold)


def table_text(
    results: Path,
    run: str,
    *,
    format_: str,
    pivot: str | None = None,
    sort: str | None = None,
    columns: str | None = None,
    threshold: float = THRESHOLD,
) -> str:
    """The run's table, collated again from its launches."""
    _, found = _read(results, run, threshold)
    text = render(found, format=format_, pivot=pivot, sort=sort, columns=columns)
    return text.rstrip("\n")


def compared(results: Path, old: str, new: str, *, threshold: float) -> str:
    """What changed from one run to another; `RegressionError` carries it where a cell is worse."""
    (_, before), (_, after) = (_read(results, run, threshold) for run in (old, new))
    comparison = compare(before, after, threshold=threshold)
    if comparison.has_regression:
        raise RegressionError(comparison_text(comparison))
    return comparison_text(comparison)


def shown(results: Path, run: str, cell: str, *, lock: bool) -> str:
    """Everything about one cell of a run; with `lock` the hashes of what it was locked to."""
    # The commands by hand need the engine's modules, which `matrix table` would wait for.
    from runner.report.show import show  # noqa: PLC0415

    return show(*_read(results, run), cell, hashes=lock)


def exported(results: Path, run: str, format_: ExportFormat, output: Path | None) -> str:
    """The run as a text of this format; an empty one where it was written to `output` instead.

    Raises `UsageError` for a path that is not a run's, and for one that cannot be written.
    """
    from runner.export import export  # noqa: PLC0415 - what other programs read, and only they

    text = export(_read(results, run)[1], format_)
    if output is None:
        return text.removesuffix("\n")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None
    return ""


def merged(results: Path, runs: Sequence[str]) -> RunResult:
    """Store several runs as one; return its table, and the expectations it does not meet.

    Raises `UsageError` where they cannot be joined; then nothing is stored.
    """
    directories = [open_run(results, run) for run in runs]
    parts = [
        Part(source=source, run=directory.read_run(), launches=directory.launches())
        for source, directory in zip(runs, directories, strict=True)
    ]
    joined = merge(parts, command=sys.argv)
    check_results(results)
    directory = RunDirectory.create(results, joined.run.experiment, datetime.now(UTC))
    record = directory.write_whole(joined.run, _with_files(joined, directories))
    return stored_result(directory, record, [launch.record for launch in joined.launches])


def _with_files(
    joined: Merged, directories: Sequence[RunDirectory]
) -> Iterator[tuple[LaunchRecord, dict[str, bytes]]]:
    """Each launch with the files that it left where it was measured."""
    for launch in joined.launches:
        yield launch.record, directories[launch.part].files_of(launch.was)


# -- import-ab -------------------------------------------------------------------------------------


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
