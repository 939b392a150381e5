"""The directory that all runs go to: whether it can be used, and which run is meant."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.store.atomic import unwritable

#: A run of a thousand launches leaves some 30 MiB.
ROOM_BYTES: Final = 50 * 1024 * 1024
LATEST: Final = "latest"


def check_results(results: Path) -> None:
    """Make the results directory where it is missing, and see that it can be written to.

    Raises `UsageError` with the remedy where it is a file, read-only, or on a full disk.
    """
    for path in (results, *results.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"{path}: is a file, not a directory; move it away, or pass another --results DIR"
            )
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results) as probe:
            probe.write(b"?")
        free = shutil.disk_usage(results).free
    except OSError as error:
        raise unwritable(results, error) from error
    if free < ROOM_BYTES:
        raise UsageError(
            f"{results}: no room: {free >> 20} MiB free, {ROOM_BYTES >> 20} MiB needed; "
            "free some space, or pass another --results DIR"
        )


def find_run(results: Path, run: str) -> Path:
    """The directory of a run given as `latest` or as a path.

    Raises `UsageError` where there is no run yet, it is gone, or the path is not a run's.
    """
    if run == LATEST:
        return _latest(results)
    path = Path(run)
    if not path.exists():
        raise UsageError(f"{run}: no such run; pass `latest` or a directory below {results}")
    if not (path / "run.json").exists():
        raise UsageError(
            f"{run}: not a run directory (it has no run.json); "
            f"pass `latest` or a directory like {results}/EXPERIMENT/RUN-ID"
        )
    return path.resolve()


def _latest(results: Path) -> Path:
    link = results / LATEST
    if (link / "run.json").exists():
        return link.resolve()
    if link.is_symlink():
        raise UsageError(
            f"{link}: points at a run that is gone ({link.readlink()}); pass a directory"
        )
    raise UsageError(f"{results}: no runs yet; `make matrix` makes one")
