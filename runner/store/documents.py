"""Stored records read back, with an error that names the file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.store.records import RunRecord

RecordT = TypeVar("RecordT", RunRecord, LaunchRecord)


class _Versioned(BaseModel):
    schema_version: int


def read_record(path: Path, model: type[RecordT], newest: int) -> RecordT:
    """Read one record; `newest` is the newest schema version that `model` can hold.

    Raises `FileNotFoundError` where there is none, and `UsageError` where it is damaged, cannot be
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
        _refuse_newer(path, _version(content), newest)
        raise UsageError(f"{path}: damaged: {_first_problem(error)}") from error
    _refuse_newer(path, record.schema_version, newest)
    return record


def _version(content: bytes) -> int:
    """The schema version of a record that is otherwise not understood, 0 where it has none."""
    try:
        return _Versioned.model_validate_json(content).schema_version
    except ValidationError:
        return 0


def _refuse_newer(path: Path, version: int, newest: int) -> None:
    if version > newest:
        raise UsageError(
            f"{path}: written by a newer version of this program (schema {version}, known up to "
            f"{newest}); update this checkout to read it"
        )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
