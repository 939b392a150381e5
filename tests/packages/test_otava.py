"""A history, read by the change-point tool that it is written for: Apache Otava."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.history.series import history
from runner.history.write import write
from tests.support.golden import ROOT
from tests.support.over_time import CHANGED, GEVENT, NONE, records, run_of

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def otava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Otava in an environment of its own: it needs an older numpy than the project has."""
    environment = tmp_path_factory.mktemp("otava") / "venv"
    python = environment / "bin" / "python"
    lock = ROOT / "tests" / "otava.lock"
    only_locked = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
    for command in (
        (UV, "venv", "--quiet", "--python", sys.executable, environment),
        (UV, "pip", "install", "--quiet", "--python", python, *only_locked, "-r", lock),
    ):
        subprocess.run(command, check=True)
    return environment / "bin" / "otava"


def changes(otava: Path, directory: Path, group: str) -> dict[str, list[tuple[str, float]]]:
    """The changes that Otava finds in a history: of each series the runs, and by how much."""
    result = subprocess.run(
        (otava, "analyze", group, "--since", "2020-01-01", "--output", "json"),
        env={**os.environ, "OTAVA_CONFIG": "otava.yaml"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = {}
    for line in result.stdout.splitlines():
        for test, points in json.loads(line).items():
            found[test] = [
                (
                    point["attributes"]["run"],
                    float(change["mean_after"]) / float(change["mean_before"]),
                )
                for point in points
                for change in point["changes"]
            ]
    return found


def test_a_change_of_three_per_cent_is_found_where_it_is(otava: Path, tmp_path: Path) -> None:
    runs = [*records()]
    page = write(tmp_path / "history", history(run_of(*one) for one in runs))
    found = changes(otava, page.parent, "sleep")
    assert {f"sleep/{NONE.id}/rate", f"sleep/{GEVENT.id}/rss_ratio"} <= found.keys()
    [(run, ratio)] = found.pop(f"sleep/{GEVENT.id}/rate_ratio")
    assert run == runs[CHANGED][0].run_id
    assert ratio == pytest.approx(0.97, abs=0.005)
    assert found.pop(f"sleep/{NONE.id}/rate") == []
    of_equal_figures = {test: points for test, points in found.items() if "rate" not in test}
    assert {str(points) for points in of_equal_figures.values()} == {"[]"}
