"""`matrix table`, `compare`, `show` and `export`: what is done with stored runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RegressionError, UsageError
from runner.matrix.values import delta_share
from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.records import LaunchRecord
from runner.options import DELTAS, ExportFormat
from runner.report.expected import Checked, check
from runner.report.formats import render, stored_tables
from runner.report.run import Run, collate, launches_by_cell, read_run
from runner.store.records import RunRecord
from runner.store.run_directory import LATEST, RunDirectory, open_run
from runner.text import suggestion


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run shows in the end: its table, and the expectations that were not met."""

    table: str
    unmet: tuple[Checked, ...] = ()


def stored_result(
    directory: RunDirectory,
    record: RunRecord,
    launches: Iterable[LaunchRecord],
    diagnoses: Mapping[str, DiagnosisRecord] | None = None,
) -> RunResult:
    """Collate a run that was just made and store its tables beside it."""
    by_cell = launches_by_cell(launches)
    run = collate(record, by_cell, rejected=directory.rejected(), diagnoses=diagnoses)
    directory.write_tables(stored_tables(run))
    return RunResult(
        table=render(run, format="plain"),
        unmet=tuple(checked for checked in check(run) if not checked.met),
    )


def delta_option(given: Sequence[str] | None, threshold: str | None) -> dict[str, float]:
    """The shares of `--delta FIGURE=SHARE`, by the figure's name; `UsageError` for a bad one."""
    if threshold is not None:
        raise UsageError(
            f"--threshold {threshold}: use --delta rate={threshold}, or `delta: {{rate: "
            f"{threshold}}}` in the experiment; every figure has a δ of its own now"
        )
    found = {}
    for text in given or ():
        name, _, share = text.partition("=")
        if name not in DELTAS:
            raise UsageError(f"--delta {text}: unknown figure {name!r}{suggestion(name, DELTAS)}")
        try:
            found[name] = delta_share(share)
        except ValueError as error:
            raise UsageError(f"--delta {text}: {error}") from None
    return found


def _read(
    results: Path, run: str, delta: Mapping[str, float] | None = None
) -> tuple[RunDirectory, Run]:
    """The run meant by `latest` or a path; `UsageError` for none."""
    directory = open_run(results, run)
    return directory, read_run(directory, delta=delta)


def table_text(
    results: Path,
    run: str,
    *,
    format_: str,
    pivot: str | None = None,
    sort: str | None = None,
    columns: str | None = None,
    delta: Mapping[str, float] | None = None,
) -> str:
    """The run's table, collated again from its launches."""
    _, found = _read(results, run, delta)
    text = render(found, format=format_, pivot=pivot, sort=sort, columns=columns)
    return text.rstrip("\n")


def compared(
    results: Path, old: Sequence[str], new: Sequence[str], *, delta: Mapping[str, float]
) -> str:
    """What changed from some runs to others; `RegressionError` carries it if a cell is worse."""
    from runner.report.compare import compare  # noqa: PLC0415 - only needed here
    from runner.report.comparison_text import comparison_text  # noqa: PLC0415

    before, after = ([_read(results, run, delta) for run in side] for side in (old, new))
    if len(before) + len(after) > 2:
        check_different([directory for directory, _ in (*before, *after)])
    comparison = compare([run for _, run in before], [run for _, run in after])
    if comparison.has_regression:
        raise RegressionError(comparison_text(comparison))
    return comparison_text(comparison)


def sides(runs: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str]]:
    """The old and the new runs of `compare OLD [NEW]`, or `compare OLD… --with NEW…`."""
    if new:
        return [*runs], [*new]
    if len(runs) > 2:
        raise UsageError(
            f"compare: {len(runs)} runs, and none of them after --with; for several runs a side, "
            "write `matrix compare OLD… --with NEW…`"
        )
    return [runs[0]], [*(runs[1:] or [LATEST])]


def check_different(directories: Sequence[RunDirectory]) -> None:
    """`UsageError` for a run that is given twice."""
    paths = [directory.path for directory in directories]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"{path}: given twice; name each run once")


def shown(results: Path, run: str, cell: str, *, lock: bool) -> str:
    """Everything about one cell of a run; with `lock` the hashes of what it was locked to."""
    # The commands by hand need the engine's modules, which `matrix table` would wait for.
    from runner.report.show import show  # noqa: PLC0415

    return show(*_read(results, run), cell, hashes=lock)


def exported(results: Path, run: str, format_: ExportFormat, output: Path | None) -> str:
    """The run as a text of this format; an empty one if it was written to `output` instead.

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
