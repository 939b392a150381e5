"""Where the patch stands decides what happens: cells of one application, in one run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.conftest import SERVED
from tests.unit.matrix.matrices import REPOSITORY

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The rows of the run by server and placement."""
    directory = tmp_path_factory.mktemp("placements") / "application"
    shutil.copytree(REPOSITORY / "tests" / "data" / "placements", directory)
    command = [sys.executable, "-m", "runner", "run", "--file", str(directory / "matrix.yaml")]
    command += ["--results", str(directory / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    latest = directory / "results" / "latest"
    table = json.loads((latest / "table.json").read_text(encoding="utf-8"))
    return {f"{row['server']} {row['placement']}": row for row in table["rows"]}


def test_before_all_imports_is_not_the_first_line_of_the_configuration(
    rows: dict[str, dict[str, Any]],
) -> None:
    assert rows["gunicorn-gevent-w1 first"]["outcome"] in SERVED
    assert rows["gunicorn-gevent-w1 config"]["outcome"] == "hang-at-first-request"


def test_uwsgi_serves_the_application(rows: dict[str, dict[str, Any]]) -> None:
    uwsgi = rows["uwsgi-w1-t16 by-app"]
    assert uwsgi["outcome"] in SERVED
    assert uwsgi["environment.TOLD"] == "in an include"
    assert uwsgi["in_effect"] is None
