"""`matrix run --like`: the same cells, locks and load again, without a matrix file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]

MATRIX = """\
version: 1
experiments:
  tiny:
    axes: {python: [3.11], patch: [none, gevent]}
    packages: {flask: "3.1.*", gevent: 25.9.1}
    exclude_newer: 2026-11-01
    workload: {seconds: 0.03}
    load: {concurrency: 5, requests: 20}
    limits: {startup: 20, load: 20, memory: 128m, pids: 256}
    base: debian
    launches: 1
    repeats: 0
"""


def matrix(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runner", *arguments, "--results", str(directory / "results")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def record(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "results/latest/run.json").read_text())
    return found


def test_a_run_is_made_again_and_stands_beside_the_first(tmp_path: Path) -> None:
    file = tmp_path / "matrix.yaml"
    file.write_text(MATRIX, encoding="utf-8")
    first = matrix(tmp_path, "run", "--file", str(file))
    assert first.returncode == 0, first.stderr
    there = record(tmp_path)
    file.unlink()
    again = matrix(tmp_path, "run", "--like", "latest")
    assert again.returncode == 0, again.stderr
    here = record(tmp_path)
    assert here["run_id"] != there["run_id"]
    assert here["cells"] == there["cells"]
    assert here["environments"] == there["environments"]
    assert here["limits"] == there["limits"]
    assert "measured before" not in again.stderr
    assert f"there: tiny, run {there['run_id']}" in again.stdout
    assert f"here: tiny, run {here['run_id']}" in again.stdout
    assert "The figures themselves, there | here." in again.stdout
    assert "launches that are the same" not in again.stdout
