"""The wheel, installed into an empty environment and used in an empty directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from tests.support.command_line import Matrix, command_line

pytestmark = pytest.mark.engine

CHECKOUT = Path(__file__).parents[2]
UV = uv.find_uv_bin()


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints to standard output."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed `matrix`."""
    directory = tmp_path_factory.mktemp("wheel")
    build = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    run(UV, *build, "--out-dir", directory, CHECKOUT, cwd=directory)
    (wheel,) = directory.glob("*.whl")
    environment = directory / "environment"
    run(UV, "venv", "--python", sys.executable, environment, cwd=directory)
    python = environment / "bin" / "python"
    # The versions are those of the lock, so that nobody's release of today can fail the test.
    locked = ("--constraints", CHECKOUT / "requirements.lock")
    run(UV, "pip", "install", "--python", python, *locked, wheel, cwd=directory)
    return environment / "bin" / "matrix"


class Installed:
    """The installed program, called in a directory with a home of its own."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program
        self.work = directory / "work"
        self.cache = directory / "home" / "cache"
        self.work.mkdir()

    def __call__(self, *arguments: str) -> str:
        # uv's downloads are reused: with an empty cache of its own it would take minutes.
        uv_cache = run(UV, "cache", "dir", cwd=self.work).strip()
        own = {"XDG_CACHE_HOME": str(self.cache), "UV_CACHE_DIR": uv_cache}
        return run(self.program, *arguments, cwd=self.work, **own)


@pytest.fixture
def installed(program: Path, tmp_path: Path) -> Iterator[Installed]:
    yield Installed(program, tmp_path)
    leftovers = {path.name for path in (tmp_path / "work").iterdir()}
    assert leftovers <= {"matrix.yaml", "matrix.schema.json", "results"}


def test_it_measures_and_publishes_in_an_empty_directory(installed: Installed) -> None:
    installed("init")
    file = installed.work / "matrix.yaml"
    file.write_text(
        file.read_text().replace("name: sleep, seconds: 1}", "name: sleep, seconds: 0.1}")
    )
    assert "py3.11-gevent26.9.0-gevent" in installed("plan")
    load = ("--requests", "100", "--concurrency", "5", "--launches", "1", "--repeats", "0")
    installed("run", "--select", "patch=none", *load)
    table = json.loads((installed.work / "results" / "latest" / "table.json").read_text())
    (row,) = table["rows"]
    assert row["ceiling_rps"] == pytest.approx(100 / 2.1)
    assert (row["outcome"], row["requests"], row["concurrency"]) == ("ok", 100, 5)
    installed("publish")
    (page,) = (installed.work / "results" / "published").glob("*/index.html")
    assert "py3.11-none" in page.read_text(encoding="utf-8")
    assert [path.name for path in installed.cache.iterdir()] == ["monkey-matrix"]


@pytest.mark.parametrize("run_", ["servers", "sleep"])
def test_tables_are_those_of_the_checkout(
    installed: Installed,
    run_: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    matrix: Matrix = command_line(monkeypatch, capsys)
    directory = str(CHECKOUT / "results" / "published" / run_)
    assert installed("table", directory) == matrix("table", directory).out
