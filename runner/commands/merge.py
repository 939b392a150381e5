"""`matrix merge`: runs of one experiment, of several machines or shards, joined into one run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runner.commands.run import RunResult, table_of, unmet
from runner.measurement.records import LaunchRecord
from runner.store.merge import Merged, Part
from runner.store.merge import merge as join
from runner.store.results import check_results
from runner.store.run_directory import RunDirectory, open_run


def merge(results: Path, runs: Sequence[str]) -> RunResult:
    """Store the runs as one; return its table, and what was expected of it and is not so.

    Raises `UsageError` where they cannot be joined; then nothing is stored.
    """
    directories = [open_run(results, run) for run in runs]
    parts = [
        Part(source=source, run=directory.read_run(), launches=directory.launches())
        for source, directory in zip(runs, directories, strict=True)
    ]
    merged = join(parts, command=sys.argv)
    check_results(results)
    made = RunDirectory.create(results, merged.run.experiment, datetime.now(UTC))
    made.write_whole(merged.run, _with_files(merged, directories))
    return RunResult(table=table_of(made), unmet=unmet(made))


def _with_files(
    merged: Merged, directories: Sequence[RunDirectory]
) -> Iterator[tuple[LaunchRecord, dict[str, bytes]]]:
    """Each launch with the files that it left where it was measured."""
    for joined in merged.launches:
        yield joined.record, directories[joined.part].files_of(joined.was)
