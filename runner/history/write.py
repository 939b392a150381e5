"""A history on disk: a CSV for each figure of each cell, Otava's configuration, and the page."""

from __future__ import annotations

import csv
import io
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from runner.errors import UsageError
from runner.history.page import page
from runner.history.series import CellHistory, History, Series, machine_of
from runner.store.atomic import replace_directory, unwritable

#: Apache Otava's configuration; what tells a history from any other directory.
OTAVA: Final = "otava.yaml"
PAGE: Final = "index.html"
#: What a series has of each run: changes are looked for in `value`, the others may explain them.
COLUMNS: Final = ("time", "run", "value", "launches", "machine", "method")


@dataclass(frozen=True, kw_only=True)
class File:
    """A series and its file: `sleep/py3.11-none/rate` is its name without the ending."""

    name: str
    series: Series

    @property
    def path(self) -> str:
        """Where it is below the history's directory."""
        return f"{self.name}.csv"


def write(directory: Path, found: History) -> Path:
    """Write the history in place of an earlier one; return the path of its page.

    Raises `UsageError` where something else is there, and where the disk refuses.
    """
    if directory.exists() and not _may_be_replaced(directory):
        raise UsageError(
            f"--output {directory}: something else than a history is there; name a new directory"
        )
    staging = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.tmp")
    try:
        for name, text in _files(found):
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        replace_directory(directory, staging)
    except OSError as error:
        raise unwritable(directory, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return directory / PAGE


def _may_be_replaced(directory: Path) -> bool:
    return directory.is_dir() and ((directory / OTAVA).exists() or not any(directory.iterdir()))


def _files(found: History) -> Iterator[tuple[str, str]]:
    """Path below the history's directory, and content, of each of its files."""
    files = files_of(found)
    for of_cell in files:
        yield from ((file.path, series_text(file.series)) for file in of_cell)
    yield OTAVA, otava_text(found, files)
    yield PAGE, page(found, [{file.series.name: file.path for file in own} for own in files])


def files_of(found: History) -> list[list[File]]:
    """The files of each cell, in the cells' order."""
    ids = Counter((cell.key.experiment, cell.key.cell) for cell in found.cells)
    files = []
    for cell in found.cells:
        directory = _directory(cell, several=ids[cell.key.experiment, cell.key.cell] > 1)
        files.append([File(name=f"{directory}/{one.name}", series=one) for one in cell.series])
    return files


def _directory(cell: CellHistory, *, several: bool) -> str:
    """The cell's directory, with load and workload where that alone tells two cells apart."""
    experiment, name, load, workload = cell.key
    if not several:
        return f"{experiment}/{name}"
    words = re.sub(r"[^A-Za-z0-9.]+", "-", f"{load} {workload}").strip("-")
    return f"{experiment}/{name}/{words}"


# -- their content ---------------------------------------------------------------------------------


def series_text(series: Series) -> str:
    """The series as CSV: a heading, then a line per run, oldest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in series.points:
        run = point.run
        writer.writerow(
            (
                run.started_at,
                run.run_id,
                f"{point.value:.10g}",
                point.launches,
                machine_of(run),
                run.method.version,
            )
        )
    return text.getvalue()


def otava_text(found: History, files: Sequence[Sequence[File]]) -> str:
    """What Apache Otava must be told to read the series: a test each, a group per experiment."""
    tests = {file.name: _otava_test(file) for of_cell in files for file in of_cell}
    groups = {run.experiment: list[str]() for run in found.runs}
    for cell, of_cell in zip(found.cells, files, strict=True):
        groups[cell.key.experiment] += [file.name for file in of_cell]
    return yaml.safe_dump({"tests": tests, "test_groups": groups}, sort_keys=False, width=1000)


def _otava_test(file: File) -> dict[str, object]:
    direction = 1 if file.series.figure.more_is_better else -1
    return {
        "type": "csv",
        "file": file.path,
        "time_column": "time",
        "attributes": ["run", "machine", "method"],
        "metrics": {file.series.name: {"column": "value", "direction": direction}},
    }
