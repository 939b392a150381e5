"""`matrix history`: figures over time, from many runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.history.series import history as history_of
from runner.history.write import write
from runner.publish.index import DIRECTORY
from runner.report.run import read_run
from runner.store.run_directory import LATEST, RUN, RunDirectory, open_run

#: Where histories are written below the directory of results, if nowhere else.
HISTORY: Final = "history"


def history(results: Path, given: Sequence[str], output: Path | None) -> str:
    """Write the history of these runs; return where its page is.

    Each of `given` is a run or a directory of runs; without any, they are the published ones.
    Raises `UsageError` for what is neither, and where nothing was launched.
    """
    names = given or [str(results / DIRECTORY)]
    runs = [read_run(run) for name in names for run in _runs(results, name)]
    found = history_of(runs)
    if not found.cells:
        raise UsageError(f"{', '.join(names)}: nothing was launched in these runs")
    return str(write(output or results / HISTORY, found))


def _runs(results: Path, name: str) -> list[RunDirectory]:
    """The run of this name, or the runs in the directory of this name."""
    path = Path(name)
    if name == LATEST or (path / RUN).exists():
        return [open_run(results, name)]
    inside = sorted(one.parent for one in path.glob(f"*/{RUN}") if not one.parent.is_symlink())
    if not inside:
        raise UsageError(f"{name}: no run, and no directory of runs{_what_may_be_meant(path)}")
    return [open_run(results, str(one)) for one in inside]


def _what_may_be_meant(path: Path) -> str:
    """Where runs are instead: one level further down, or beside the published ones."""
    around = path.parent if path.name == DIRECTORY else path
    below = sorted(run.parent.parent for run in around.glob(f"*/*/{RUN}"))
    return f"; name that of an experiment, such as {below[0]}" if below else f" (no */{RUN})"
