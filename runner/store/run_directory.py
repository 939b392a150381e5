"""Runs on disk: one run's `run.json`, launches and tables; and the directory of all runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from runner.application.secret_values import Secrets
from runner.errors import UsageError
from runner.measurement import evidence
from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.records import LAUNCH_SCHEMA, LaunchRecord
from runner.store.atomic import link_atomic, unwritable, write_atomic
from runner.store.masking import masked
from runner.store.records import RUN_SCHEMA, RunRecord

LATEST: Final = "latest"
#: What makes a directory a run directory.
RUN: Final = "run.json"
RESULT: Final = "result.json"
DISTURBED: Final = "disturbed"
NO_SECRETS: Final = Secrets()

#: A launch and what it left besides its result, by name.
WithFiles = tuple[LaunchRecord, Mapping[str, bytes]]
RecordT = TypeVar("RecordT", RunRecord, LaunchRecord, DiagnosisRecord)


def _to_standard_error(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def launch_path(cell: str, launch: int) -> str:
    """Where in a run's directory the files of a launch are."""
    return f"cells/{cell}/launch-{launch:02d}"


def disturbed_path(attempt: LaunchRecord) -> str:
    """Where in a run's directory the files of an attempt are that was disturbed and repeated."""
    name = f"launch-{attempt.launch:02d}-attempt-{attempt.attempt}"
    return f"cells/{attempt.cell}/{DISTURBED}/{name}"


@dataclass(frozen=True, kw_only=True)
class RunDirectory:
    """`results/<experiment>/<run id>/`. A launch counts once its `result.json` is there.

    Nothing of `secrets` is in any file that is written: records and what launches leave are masked
    here, and nowhere else. A record is returned as it was stored: what is made of it, tables for
    one, is made of that.
    """

    results: Path
    path: Path
    secrets: Secrets = field(default=NO_SECRETS, repr=False)

    @classmethod
    def create(
        cls, results: Path, experiment: str, now: datetime, secrets: Secrets = NO_SECRETS
    ) -> RunDirectory:
        """Make a new, empty run directory, named after the moment (any time zone) in UTC."""
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = results / experiment / stamp
        numbers = count(2)
        while not _made(path):
            path = path.with_name(f"{stamp}-{next(numbers)}")
        return cls(results=results, path=path, secrets=secrets)

    @property
    def run_id(self) -> str:
        """The directory's name."""
        return self.path.name

    def hiding(self, secrets: Secrets) -> RunDirectory:
        """The same directory, with more secrets than those known at its start."""
        return replace(self, secrets=self.secrets | secrets) if secrets.values else self

    def write_run(self, record: RunRecord) -> RunRecord:
        """Store what is known of the run, in place of what was, and make it the latest."""
        stored = masked(record, self.secrets)
        write_atomic(self.path / RUN, _json(stored))
        link_atomic(self.results / LATEST, self.path)
        return stored

    def read_run(self) -> RunRecord:
        """What is stored of the run; `UsageError` if run.json cannot be used."""
        try:
            return read_record(self.path / RUN, RunRecord, RUN_SCHEMA)
        except FileNotFoundError as error:
            raise UsageError(f"{self.path}: not a run directory (it has no {RUN})") from error

    def launch_directory(self, cell: str, launch: int) -> Path:
        """Where a launch's files go, whether they are there or not."""
        return self.path / launch_path(cell, launch)

    def files_of(self, launch: LaunchRecord, *, final: bool = True) -> dict[str, bytes]:
        """What a stored launch left besides its result, by name."""
        directory = self._place(launch, final=final)
        return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != RESULT}

    def write_launch(self, record: LaunchRecord, files: Mapping[str, bytes]) -> LaunchRecord:
        """Store a launch: its files first, `result.json` last and in one step.

        Without a result a launch does not count: if this process is killed, the launch is there
        whole, or it is made again and what was left of it is removed. Raises `FileExistsError` for
        a launch that is complete already, and `UsageError` if it cannot be written.
        """
        directory = self.launch_directory(record.cell, record.launch)
        if (directory / RESULT).exists():
            raise FileExistsError(directory / RESULT)
        return self._write_launch(directory, record, files)

    def write_whole(
        self, run: RunRecord, launches: Iterable[WithFiles], rejected: Iterable[WithFiles] = ()
    ) -> RunRecord:
        """Store a run that is known from beginning to end, or nothing; return its record.

        `rejected` are attempts that were disturbed and repeated. The record is given this
        directory's id. `run.json` comes last: without it, what an interruption leaves is not a run.
        """
        named = run.model_copy(update={"run_id": self.run_id})
        try:
            for record, files in launches:
                self.write_launch(record, files)
            for record, files in rejected:
                self.write_disturbed(record, files)
            return self.write_run(named)
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def write_disturbed(self, record: LaunchRecord, files: Mapping[str, bytes]) -> LaunchRecord:
        """Keep a disturbed launch that is repeated: it is in no figure, but its files are there."""
        return self._write_launch(self.disturbed_directory(record), record, files)

    def complete(self, record: LaunchRecord, *, final: bool) -> LaunchRecord:
        """Replace the record of a launch that is stored already; its files stay."""
        stored = masked(record, self.secrets)
        write_atomic(self._place(record, final=final) / RESULT, _json(stored))
        return stored

    def _write_launch(
        self, directory: Path, record: LaunchRecord, files: Mapping[str, bytes]
    ) -> LaunchRecord:
        stored = masked(record, self.secrets)
        try:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            for name, content in evidence.masked(files, self.secrets).items():
                (directory / name).write_bytes(content)
        except OSError as error:
            raise unwritable(directory, error) from error
        write_atomic(directory / RESULT, _json(stored))
        return stored

    def _place(self, record: LaunchRecord, *, final: bool) -> Path:
        if final:
            return self.launch_directory(record.cell, record.launch)
        return self.disturbed_directory(record)

    def disturbed_directory(self, record: LaunchRecord) -> Path:
        """Where the files of a launch go that was disturbed and is repeated."""
        return self.path / disturbed_path(record)

    def launches(
        self, warn: Callable[[str], None] = _to_standard_error
    ) -> dict[str, list[LaunchRecord]]:
        """Each cell's complete launches in the order of their numbers.

        A damaged result is skipped, with a message to `warn`.
        """
        if (cells := self.path / "cells").is_file():
            warn(f"{cells}: this is a file, not the directory of the launches; they are skipped")
        return self._by_cell("", warn)

    def rejected(
        self, warn: Callable[[str], None] = _to_standard_error
    ) -> dict[str, list[LaunchRecord]]:
        """Each cell's attempts that were disturbed and repeated, by launch and attempt."""
        return self._by_cell(DISTURBED, warn)

    def _by_cell(self, below: str, warn: Callable[[str], None]) -> dict[str, list[LaunchRecord]]:
        cells = self.path / "cells"
        found = {
            cell: self._launches_of(cells / cell / below, warn) for cell in subdirectories(cells)
        }
        return {cell: records for cell, records in found.items() if records}

    def _launches_of(self, cell: Path, warn: Callable[[str], None]) -> list[LaunchRecord]:
        records = []
        for name in subdirectories(cell):
            path = cell / name / RESULT
            try:
                record = read_record(path, LaunchRecord, LAUNCH_SCHEMA)
            except FileNotFoundError:
                continue
            except UsageError as error:
                warn(f"{error}; this launch is skipped")
                continue
            if path.parent in {self._place(record, final=final) for final in (True, False)}:
                records.append(record)
            else:
                warn(f"{path}: belongs elsewhere, to {record.cell}; this launch is skipped")
        return sorted(records, key=lambda record: (record.launch, record.attempt))

    def write_tables(self, tables: Mapping[str, str]) -> None:
        """Store the run's tables, file name to text."""
        for name, text in tables.items():
            write_atomic(self.path / name, text)


def open_run(results: Path, run: str) -> RunDirectory:
    """The run meant by `latest` or a path; `UsageError` if there is none."""
    return RunDirectory(results=results, path=_find(results, run))


def _find(results: Path, run: str) -> Path:
    if run == LATEST:
        return _latest(results)
    path = Path(run)
    if not path.exists():
        raise UsageError(f"{run}: no such run; pass `latest` or a directory below {results}")
    if not (path / RUN).exists():
        raise UsageError(
            f"{run}: not a run directory (it has no {RUN}); "
            f"pass `latest` or a directory like {results}/EXPERIMENT/RUN-ID"
        )
    return path.resolve()


def _latest(results: Path) -> Path:
    link = results / LATEST
    if (link / RUN).exists():
        return link.resolve()
    if link.is_symlink():
        raise UsageError(
            f"{link}: points to a run that no longer exists ({link.readlink()}); pass a directory"
        )
    raise UsageError(f"{results}: no runs yet; `matrix run` (or `make matrix`) makes one")


def _made(path: Path) -> bool:
    """Whether the directory was made; False where another run has the name."""
    try:
        path.mkdir(parents=True)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.is_dir():
            return False
        raise unwritable(path, error) from error
    return True


def _json(record: RunRecord | LaunchRecord) -> str:
    return record.model_dump_json(indent=2) + "\n"


def subdirectories(path: Path) -> list[str]:
    """The names of a directory's directories; none where it is not there."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


# -- reading records back --------------------------------------------------------------------------


class _Versioned(BaseModel):
    schema_version: int


def read_record(path: Path, model: type[RecordT], newest: int) -> RecordT:
    """Read one record; `newest` is the newest schema version that `model` can hold.

    Raises `FileNotFoundError` if there is none, and `UsageError` if it is damaged, cannot be
    read, or was written by a newer version of this program.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        record = model.model_validate_json(content)
    except ValidationError as error:
        _reject_newer(path, _version(content), newest)
        raise UsageError(f"{path}: damaged: {_first_problem(error)}") from error
    _reject_newer(path, record.schema_version, newest)
    return record


def _version(content: bytes) -> int:
    """The schema version of a record that is otherwise not understood, 0 if it has none."""
    try:
        return _Versioned.model_validate_json(content).schema_version
    except ValidationError:
        return 0


def _reject_newer(path: Path, version: int, newest: int) -> None:
    if version > newest:
        raise UsageError(
            f"{path}: written by a newer version of this program (schema {version}, known up to "
            f"{newest}); update this program to read it"
        )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]


# -- the directory that all runs go to -------------------------------------------------------------

#: A run of a thousand launches leaves some 30 MiB.
ROOM_BYTES: Final = 50 << 20


def check_results(results: Path) -> None:
    """Make the results directory where it is missing, and see that it can be written to.

    Raises `UsageError` with the remedy if it is a file, read-only, or on a full disk.
    """
    _check_directory(results, otherwise="pass another --results DIR")


def check_cache(cache: Path) -> None:
    """The same for the directory of locks and packages."""
    _check_directory(cache, otherwise="use a copy of this project that you may write to")


def check_rounds(rounds: Path) -> None:
    """The same for the directory of a worker's rounds."""
    _check_directory(rounds, otherwise="pass another --rounds DIR")


def _check_directory(directory: Path, *, otherwise: str) -> None:
    for path in (directory, *directory.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file, not a directory; move it away, or {otherwise}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"?")
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise unwritable(directory, error, otherwise) from error
    if free < ROOM_BYTES:
        raise UsageError(
            f"{directory}: no room: {free >> 20} MiB free, {ROOM_BYTES >> 20} MiB needed; "
            f"free some space, or {otherwise}"
        )


@contextmanager
def only_run(results: Path) -> Iterator[None]:
    """Lock the directory for the block; `UsageError` names the run that has locked it.

    The kernel drops the lock with the process that holds it, so a dead run never
    blocks another. The file's content is for the message.
    """
    path = results / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 1000).decode("utf-8", "replace").strip()
            raise UsageError(
                f"{results}: another run is using it ({holder or 'just started'}): wait for it, "
                "stop it, or pass another --results DIR"
            ) from None
        os.ftruncate(descriptor, 0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.write(
            descriptor, f"pid {os.getpid()} on {socket.gethostname()} since {since}\n".encode()
        )
        yield
    finally:
        os.close(descriptor)
