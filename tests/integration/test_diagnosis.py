"""`run --diagnose` finds what blocks the event loop of a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.store.diagnoses import diagnoses
from runner.store.run_directory import open_run
from tests.unit.matrix.matrices import REPOSITORY

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]


def test_a_wait_in_c_is_named_and_a_patched_one_is_not(tmp_path: Path) -> None:
    directory = tmp_path / "application"
    shutil.copytree(REPOSITORY / "tests" / "data" / "blocks", directory)
    results = directory / "results"
    command = [sys.executable, "-m", "runner", "run", "--diagnose", "--results", str(results)]
    command += ["--file", str(directory / "matrix.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    latest = open_run(results, "latest")
    unpatched, found = (
        next(d for cell, d in diagnoses(latest).items() if ("gevent" in cell) is patched)
        for patched in (False, True)
    )
    assert unpatched.left_out == "gevent is not loaded in the server's processes"
    assert (found.gevent, found.loops, found.requests) == ("25.9.1", 1, 8)
    waits = found.blocks[0]
    assert (waits.what, waits.times) == ("app.py:20 waits in C (clock_nanosleep)", 8)
    # Each waited 0.2 s; on a busy machine for longer.
    assert waits.total_s > 8 * 0.15
    assert not any(block.what.startswith("app.py:15") for block in found.blocks)
    rows = json.loads((latest.path / "table.json").read_text(encoding="utf-8"))["rows"]
    assert [row["attempts"] for row in rows] == [1, 1], "it is no launch of theirs"
