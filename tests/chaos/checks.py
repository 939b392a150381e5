"""What must hold of a results directory and an engine, whatever happened: each check says what does
not, a line each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.measurement.records import LAUNCH_SCHEMA, LaunchRecord
from runner.outcome import Outcome
from runner.store.records import RUN_SCHEMA, RunRecord
from runner.store.run_directory import read_record

#: What a table has of a cell that does not depend on how fast the machine was.
EQUAL = (
    "cell", "python", "gevent", "grpcio", "patch", "server", "workload", "concurrency", "requests",
    "outcome", "launches", "sent_requests", "sent_concurrency", "ceiling_rps", "failed_requests",
    "non_2xx", "tracebacks",
)  # fmt: skip
#: A line of the progress: a launch that ended, which is stored by then.
ENDED = re.compile(r"^  (?P<cell>\S+) #(?P<number>\d+): (?P<outcome>[a-z-]+)", re.MULTILINE)

#: The files of finished launches, as stored.
Finished = Mapping[Path, bytes]
Row = Mapping[str, Any]


def finished(results: Path) -> dict[Path, bytes]:
    """Every finished launch of every run: its file and what is in it."""
    return {path: path.read_bytes() for path in results.glob("*/*/cells/*/launch-*/result.json")}


def lost(before: Finished, after: Finished) -> Iterator[str]:
    """Launches that were finished before, and are not any more, or are others."""
    for path, content in before.items():
        if path not in after:
            yield f"lost: {path}"
        elif after[path] != content:
            yield f"changed: {path}"


def unstored(said: str, run: Path | None) -> Iterator[str]:
    """Launches that the program said had ended, and that the run's directory does not have."""
    for match in ENDED.finditer(said):
        number = int(match["number"])
        where = run and run / "cells" / match["cell"] / f"launch-{number:02d}" / "result.json"
        if not where or not where.is_file():
            yield f"lost: {match['cell']} #{number} was reported, and is not stored"


def dropped(held: Finished, after: Iterable[LaunchRecord]) -> Iterator[str]:
    """Launches that a worker had, and that neither a worker nor a run has any more.

    But for the engine's errors, which are made again.
    """
    still = {(one.cell, one.launch, one.started_at) for one in after}
    for one in made(held):
        is_error = one.outcome is Outcome.ENGINE_ERROR
        if not is_error and (one.cell, one.launch, one.started_at) not in still:
            yield f"lost: {one.cell} #{one.launch} was on a worker's disk"


def made(files: Finished) -> list[LaunchRecord]:
    """The launches that were made, without the copies that later runs have."""
    records = (LaunchRecord.model_validate_json(content) for content in files.values())
    return [record for record in records if record.reused_from is None]


def made_twice(launches: Iterable[LaunchRecord]) -> Iterator[str]:
    """Launches that were made again although they had been finished. Engine errors are repeated.

    One that began at the same moment is the same: a part of a round is in the run that was
    interrupted, and in the next one, which has the round from its worker.
    """
    moments = {
        (one.cell, one.launch, one.started_at)
        for one in launches
        if one.outcome is not Outcome.ENGINE_ERROR
    }
    counts = Counter((cell, number) for cell, number, _ in moments)
    for (cell, number), times in counts.items():
        if times > 1:
            yield f"made {times} times: {cell} #{number}"


def damaged(results: Path) -> Iterator[str]:
    """JSON files that are none, and records that this program does not read."""
    for path in results.rglob("*.json"):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            if path.name == "run.json":
                read_record(path, RunRecord, RUN_SCHEMA)
            elif path.name == "result.json":
                read_record(path, LaunchRecord, LAUNCH_SCHEMA)
            else:
                json.loads(path.read_bytes())
        except (UsageError, ValueError) as error:
            yield f"damaged: {path}: {error}"


def dangling(results: Path) -> Iterator[str]:
    """A link to the newest run that leads nowhere."""
    link = results / "latest"
    if link.is_symlink() and not (link / "run.json").is_file():
        yield f"damaged: {link} points to {link.readlink()}, which is no run"


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of the engine: its name, and the process that made it."""

    name: str
    owner_pid: int


def orphans(containers: Iterable[Container], allowed: Collection[int] = ()) -> Iterator[str]:
    """Containers that are still there; the next run removes those of the processes `allowed`."""
    for container in containers:
        if container.owner_pid not in allowed:
            yield f"orphan: {container.name} of process {container.owner_pid}"


def marked(launches: Iterable[LaunchRecord], expected: Mapping[str, str]) -> dict[str, list[str]]:
    """The launches whose outcome says that something was wrong, by cell, in their own words.

    `expected` has the outcome of each cell of a run that nothing happened to.
    """
    found: dict[str, list[str]] = {}
    for one in launches:
        if one.outcome != expected.get(one.cell):
            words = f"#{one.launch} {one.outcome}: {one.reason}"
            found.setdefault(one.cell, []).append(words)
    return found


def other_table(
    rows: Sequence[Row], undisturbed: Sequence[Row], marks: Collection[str]
) -> Iterator[str]:
    """What of a table differs from that of a run that nothing happened to, but for `marks`."""
    if [row["cell"] for row in rows] != [row["cell"] for row in undisturbed]:
        yield f"table: other rows: {[row['cell'] for row in rows]}"
        return
    for row, other in zip(rows, undisturbed, strict=True):
        names = ("launches",) if row["cell"] in marks else EQUAL
        for name in names:
            if row[name] != other[name]:
                yield f"table: {row['cell']}: {name} is {row[name]}, not {other[name]}"


#: How each program that Python runs says that it failed in a way nobody thought of.
TRACEBACK = "Traceback (most recent call last)"


def tracebacks(said: str) -> Iterator[str]:
    """An error that is none of the program's own, and so tells nobody what to do."""
    if TRACEBACK in said:
        yield f"traceback: {said[said.index(TRACEBACK) :].strip().splitlines()[-1][:300]}"
