"""One run on disk: `run.json`, a directory per launch, and the tables."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from runner.errors import UsageError
from runner.measurement.records import LAUNCH_SCHEMA, LaunchRecord
from runner.store.atomic import link_atomic, make_directory, unwritable, write_atomic
from runner.store.documents import read_record
from runner.store.records import RUN_SCHEMA, RunRecord
from runner.store.results import LATEST, find_run

RESULT = "result.json"
DISTURBED = "disturbed"


def _to_standard_error(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@dataclass(frozen=True, kw_only=True)
class RunDirectory:
    """`results/<experiment>/<run id>/`. A launch counts once its `result.json` is there."""

    results: Path
    path: Path

    @classmethod
    def create(cls, results: Path, experiment: str, now: datetime) -> RunDirectory:
        """Make a new, empty run directory, named after the moment (any time zone) in UTC."""
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = results / experiment / stamp
        numbers = count(2)
        while not _made(path):
            path = path.with_name(f"{stamp}-{next(numbers)}")
        return cls(results=results, path=path)

    @property
    def run_id(self) -> str:
        """The directory's name."""
        return self.path.name

    def write_run(self, record: RunRecord) -> None:
        """Store what is known of the run, in place of what was, and make it the latest."""
        write_atomic(self.path / "run.json", _json(record))
        link_atomic(self.results / LATEST, self.path)

    def read_run(self) -> RunRecord:
        """What is stored of the run; `UsageError` where run.json cannot be used."""
        try:
            return read_record(self.path / "run.json", RunRecord, RUN_SCHEMA)
        except FileNotFoundError as error:
            raise UsageError(f"{self.path}: not a run directory (it has no run.json)") from error

    def launch_directory(self, cell: str, launch: int) -> Path:
        """Where a launch's files go, whether they are there or not."""
        return self.path / "cells" / cell / f"launch-{launch:02d}"

    def files_of(self, launch: LaunchRecord) -> dict[str, bytes]:
        """What a stored launch left besides its result, by name."""
        directory = self.launch_directory(launch.cell, launch.launch)
        return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != RESULT}

    def next_launch(self, cell: str) -> int:
        """The number of the cell's first launch without a result; numbers start at 1."""
        return next(n for n in count(1) if not (self.launch_directory(cell, n) / RESULT).exists())

    def next_launch_directory(self, cell: str) -> Path:
        """Where the cell's next launch goes: a new directory or a leftover to be overwritten."""
        return self.launch_directory(cell, self.next_launch(cell))

    def write_launch(self, record: LaunchRecord, files: Mapping[str, bytes]) -> None:
        """Store a launch: its files first, `result.json` last, each of them whole and synced.

        What an interrupted launch left there goes. Raises `FileExistsError` for a launch that is
        complete already, and `UsageError` where the disk refuses.
        """
        directory = self.launch_directory(record.cell, record.launch)
        if (directory / RESULT).exists():
            raise FileExistsError(directory / RESULT)
        _write_launch(directory, record, files)

    def write_whole(
        self, run: RunRecord, launches: Iterable[tuple[LaunchRecord, Mapping[str, bytes]]]
    ) -> None:
        """Store a run that is known from beginning to end, under this directory's id, or nothing.

        `run.json` comes last: without it, what an interruption leaves is no run.
        """
        try:
            for record, files in launches:
                self.write_launch(record, files)
            self.write_run(run.model_copy(update={"run_id": self.run_id}))
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def write_disturbed(self, record: LaunchRecord, files: Mapping[str, bytes]) -> None:
        """Keep a launch that was disturbed and will be made again: shown to nobody, but there."""
        _write_launch(self.disturbed_directory(record), record, files)

    def disturbed_directory(self, record: LaunchRecord) -> Path:
        """Where a launch's files go that was disturbed and made again."""
        name = f"launch-{record.launch:02d}-attempt-{record.attempt}"
        return self.path / "cells" / record.cell / DISTURBED / name

    def disturbed(
        self, cell: str, warn: Callable[[str], None] = _to_standard_error
    ) -> list[LaunchRecord]:
        """The cell's launches that were disturbed and made again, as `launches` reads them."""
        return self._launches_of(self.path / "cells" / cell / DISTURBED, warn)

    def launches(
        self, warn: Callable[[str], None] = _to_standard_error
    ) -> dict[str, list[LaunchRecord]]:
        """Each cell's complete launches in the order of their numbers.

        A damaged result is left out, and `warn` is told which and why.
        """
        cells = self.path / "cells"
        found = {cell: self._launches_of(cells / cell, warn) for cell in _subdirectories(cells)}
        return {cell: records for cell, records in found.items() if records}

    def _launches_of(self, cell: Path, warn: Callable[[str], None]) -> list[LaunchRecord]:
        records = []
        for name in _subdirectories(cell):
            try:
                records.append(read_record(cell / name / RESULT, LaunchRecord, LAUNCH_SCHEMA))
            except FileNotFoundError:
                continue
            except UsageError as error:
                warn(f"{error}; this launch is left out")
        return sorted(records, key=lambda record: record.launch)

    def write_tables(self, tables: Mapping[str, str]) -> None:
        """Store the run's tables, file name to text."""
        for name, text in tables.items():
            write_atomic(self.path / name, text)


def open_run(results: Path, run: str) -> RunDirectory:
    """The run meant by `latest` or a path; `UsageError` where there is none that can be read."""
    directory = RunDirectory(results=results, path=find_run(results, run))
    directory.read_run()
    return directory


def _write_launch(directory: Path, record: LaunchRecord, files: Mapping[str, bytes]) -> None:
    try:
        shutil.rmtree(directory, ignore_errors=True)
        make_directory(directory)
    except OSError as error:
        raise unwritable(directory, error) from error
    for name, content in files.items():
        write_atomic(directory / name, content)
    write_atomic(directory / RESULT, _json(record))


def _made(path: Path) -> bool:
    """Whether the directory was made; False where another run has the name."""
    try:
        make_directory(path, exclusive=True)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.is_dir():
            return False
        raise unwritable(path, error) from error
    return True


def _json(record: RunRecord | LaunchRecord) -> str:
    return record.model_dump_json(indent=2) + "\n"


def _subdirectories(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []
