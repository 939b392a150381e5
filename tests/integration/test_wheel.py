"""The wheel, installed into an empty environment and used in an empty directory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SERVED
from tests.support.command_line import Matrix, command_line
from tests.support.installed import CHECKOUT, Installed, install

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed `matrix`."""
    return install(tmp_path_factory.mktemp("wheel"))


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
    assert row["outcome"] in SERVED
    assert (row["requests"], row["concurrency"]) == (100, 5)
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
