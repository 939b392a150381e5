"""`matrix publish`: runs as page, README, tables, charts and evidence, fit to commit or host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runner.commands.by_hand import commands
from runner.errors import UsageError
from runner.paths import CACHE
from runner.publish.drawing.artist import Artist
from runner.publish.publication import publication
from runner.publish.record import public, public_launches
from runner.publish.source import PublishedRun
from runner.publish.write import write
from runner.report.run import collate
from runner.store.run_directory import LATEST, RunDirectory, open_run

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def publish(results: Path, runs: Sequence[str], name: str | None) -> str:
    """Publish the runs under a name; return where the page is.

    Without a name it is the experiment's, joined by `-vs-` for several. Raises `UsageError` for
    what is no run, for a name that is none, and where the disk refuses.
    """
    opened = [open_run(results, run) for run in runs or [LATEST]]
    with Artist() as artist:  # which starts while the runs are read
        sources = [_source(directory) for directory in opened]
        _different(sources)
        chosen = name or "-vs-".join(source.run.experiment for source in sources)
        published = publication(checked_name(chosen), sources, commands, CACHE, artist)
    return str(write(results, published) / "index.html")


def checked_name(name: str) -> str:
    """The name; `UsageError` for one that is no plain directory name."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--name {name}: give letters, digits, dots, dashes and underscores, "
            "the first of them a letter or a digit"
        )
    return name


def _source(directory: RunDirectory) -> PublishedRun:
    private = directory.read_run()
    run, launches = public(private), public_launches(private, directory.launches())
    return PublishedRun(directory=directory, collated=collate(run, launches))


def _different(sources: Sequence[PublishedRun]) -> None:
    paths = [source.directory.path for source in sources]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"{path}: given twice; name each run once")
