"""`matrix publish`: runs as page, README, tables, charts and evidence, fit to commit or host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runner.commands.runs import check_different
from runner.errors import UsageError
from runner.publish.anonymise import public, public_launches
from runner.publish.publication import publication
from runner.publish.write import write
from runner.report.run import Run, collate
from runner.store.diagnoses import diagnoses
from runner.store.run_directory import LATEST, RunDirectory, open_run

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def publish(results: Path, runs: Sequence[str], name: str | None, *, with_png: bool = False) -> str:
    """Publish the runs under a name; return where the page is.

    Without a name it is the experiment's, joined by `-vs-` for several. Raises `UsageError` for a
    path that is not a run's, for a bad name, and where the disk refuses.
    """
    opened = [open_run(results, run) for run in runs or [LATEST]]
    check_different(opened)
    found = [(directory, _anonymous(directory)) for directory in opened]
    chosen = name or "-vs-".join(run.record.experiment for _, run in found)
    published = publication(checked_name(chosen), found)
    return str(write(results, published, with_png=with_png) / "index.html")


def checked_name(name: str) -> str:
    """The name; `UsageError` for one that is no plain directory name."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--name {name}: give letters, digits, dots, dashes and underscores, "
            "the first of them a letter or a digit"
        )
    return name


def _anonymous(directory: RunDirectory) -> Run:
    record = directory.read_run()
    return collate(
        public(record),
        public_launches(record, directory.launches()),
        rejected=public_launches(record, directory.rejected()),
        diagnoses=diagnoses(directory),
    )
