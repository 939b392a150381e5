"""The records of diagnoses: launches that find out what blocks the event loop, not measured.

They are in `cells/<cell id>/diagnosis/`, without a `result.json`, so that no figure is made of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.measurement.diagnosis_record import DIAGNOSIS_SCHEMA, DiagnosisRecord
from runner.outcome import Outcome
from runner.store.atomic import unwritable, write_atomic
from runner.store.masking import masked
from runner.store.records import RunRecord
from runner.store.reuse import earlier_runs, key
from runner.store.run_directory import RunDirectory, read_record, subdirectories

RECORD: Final = "diagnosis.json"
#: A diagnosis and what its launch left, by name.
Found = tuple[DiagnosisRecord, Mapping[str, bytes]]


def diagnosis_path(cell: str) -> str:
    """Where in a run's directory a cell's diagnosis is."""
    return f"cells/{cell}/diagnosis"


def write_diagnosis(
    directory: RunDirectory, record: DiagnosisRecord, files: Mapping[str, bytes]
) -> DiagnosisRecord:
    """Store a diagnosis, its record last; return it as it is stored."""
    path = directory.path / diagnosis_path(record.cell)
    stored = masked(record, directory.secrets)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (path / name).write_bytes(directory.secrets.mask_bytes(content))
    except OSError as error:
        raise unwritable(path, error) from error
    write_atomic(path / RECORD, stored.model_dump_json(indent=2) + "\n")
    return stored


def diagnoses(directory: RunDirectory) -> dict[str, DiagnosisRecord]:
    """Each cell's diagnosis, of those that can be read."""
    found = {}
    for cell in subdirectories(directory.path / "cells"):
        path = directory.path / diagnosis_path(cell) / RECORD
        with suppress(FileNotFoundError, UsageError):
            found[cell] = read_record(path, DiagnosisRecord, DIAGNOSIS_SCHEMA)
    return found


def reusable_diagnoses(run: RunRecord, results: Path) -> dict[str, Found]:
    """What earlier runs found of the run's cells that were the same, the newest of each."""
    keys = {key(run, cell): cell.id for cell in run.cells}
    found: dict[str, Found] = {}
    for directory in earlier_runs(run, results):
        stored = {
            cell: record
            for cell, record in diagnoses(directory).items()
            if record.outcome not in {None, Outcome.ENGINE_ERROR}
        }
        if not stored:
            continue
        with suppress(UsageError):  # damaged, or of a newer version
            earlier = directory.read_run()
            for cell in earlier.cells:
                now = keys.get(key(earlier, cell)) if cell.id in stored else None
                if now and now not in found:
                    record = stored[cell.id].model_copy(update={"cell": now})
                    found[now] = record, _files(directory.path / diagnosis_path(cell.id))
    return found


def copy_diagnosis(source: RunDirectory, was: str, target: RunDirectory, cell: str) -> None:
    """Take over what a run found of a cell, which may have another name now; if it found any."""
    if found := diagnoses(source).get(was):
        files = _files(source.path / diagnosis_path(was))
        write_diagnosis(target, found.model_copy(update={"cell": cell}), files)


def _files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != RECORD}
