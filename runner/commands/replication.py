"""`matrix run --like RUN`: what is repeated, and how the two runs compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runner.errors import UsageError
from runner.report.replication import replication_text
from runner.report.run import read_run
from runner.store.run_directory import LATEST, RunDirectory, open_run
from runner.text import listed


def run_to_repeat(results: Path, like: str, given: Mapping[str, object]) -> RunDirectory:
    """The run that is to be made again.

    `given` are options by name that would make it another one; `UsageError` for these, and for a
    path that is not a run's.
    """
    if others := [name for name, value in given.items() if value is not None]:
        raise UsageError(
            f"--like {like}: experiment and load are those of that run; leave out {listed(others)}"
        )
    return open_run(results, like)


def replicated(results: Path, repeated: RunDirectory) -> str:
    """The run that was just made, which is the latest, beside the one that it repeats."""
    there, here = (read_run(run) for run in (repeated, open_run(results, LATEST)))
    return "\n" + replication_text(there, here)
