"""Whole applications, measured by the installed program in a directory of their own."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.support import sdist
from tests.support.installed import CHECKOUT, Installed

pytestmark = pytest.mark.engine

FLASK = "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb"
LOAD = ("--requests", "200", "--concurrency", "5", "--launches", "1", "--repeats", "0")
#: Two patch modes under two servers; gunicorn-gevent patches by itself, so that both are one there.
CELLS = 3
SERVES = {"ok", "limited", "serialised"}


def rows(matrix: Installed) -> list[dict[str, Any]]:
    """The rows of the newest table."""
    table = json.loads((matrix.work / "results" / "latest" / "table.json").read_text())
    found: list[dict[str, Any]] = table["rows"]
    return found


def measure(matrix: Installed, name: str) -> list[dict[str, Any]]:
    """What a user does: put the file there, look at the plan, run it."""
    shutil.copy(CHECKOUT / "examples" / name / "matrix.yaml", matrix.work)
    assert "py3.11-none-gunicorn-gthread" in matrix("plan")
    matrix("run", *LOAD)
    return rows(matrix)


def test_flaskr_from_the_sdist_of_flask(matrix: Installed) -> None:
    sdist.unpack("flask==3.1.3", FLASK, matrix.work)
    found = measure(matrix, "flaskr")
    assert len(found) == CELLS
    assert {row["outcome"] for row in found} <= SERVES, found
    assert {row["failed_requests"] for row in found} == {0}


def test_ihatemoney_from_the_index(matrix: Installed) -> None:
    found = measure(matrix, "ihatemoney")
    assert len(found) == CELLS
    assert {row["outcome"] for row in found} <= SERVES, found
    run = json.loads((matrix.work / "results" / "latest" / "run.json").read_text())
    built = [one["name"] for env in run["environments"].values() for one in env["built"]]
    assert set(built) == {"debts"}


def test_flaskr_by_one_command(matrix: Installed) -> None:
    sdist.unpack("flask==3.1.3", FLASK, matrix.work)
    given = ("--chdir", "flask-3.1.3/examples/tutorial", "-r", "flask==3.1.3", "--python", "3.11")
    printed = matrix("try", *given, "--before", "flask --app flaskr init-db", "--write")
    assert "request: GET /, which answers with 200" in printed
    found = rows(matrix)
    assert len(found) == 5
    assert {row["outcome"] for row in found} <= SERVES, found
    assert "py3.11-none-gunicorn-gthread" in matrix("plan", "try")


def test_ihatemoney_by_one_command(matrix: Installed) -> None:
    given = ("ihatemoney.wsgi:application", "-r", "ihatemoney==7.2.1", "--python", "3.11")
    printed = matrix("try", *given)
    assert "request: GET /, which answers with 200" in printed
    found = rows(matrix)
    assert len(found) == 5
    assert {row["outcome"] for row in found} <= SERVES, found


#: What its databases are called, as its own configuration has it.
DATABASES = {
    "DATABASE_URL": "postgresql+psycopg2://matrix@db:7803/matrix",
    "REDIS_URL": "redis://cache:6379/0",
    "SECRET_KEY": "of-a-test-0123456789",
}


def put_shop(matrix: Installed) -> None:
    ignored = shutil.ignore_patterns("results", ".cache", "__pycache__")
    shutil.copytree(CHECKOUT / "examples" / "shop", matrix.work, dirs_exist_ok=True, ignore=ignored)


def test_shop_with_postgresql_and_redis_by_its_matrix_file(matrix: Installed) -> None:
    put_shop(matrix)
    matrix("run", "databases", *LOAD)
    found = rows(matrix)
    assert len(found) == 5
    assert {row["outcome"] for row in found} <= SERVES, found
    assert {row["failed_requests"] for row in found} == {0}


def test_shop_with_postgresql_and_redis_by_one_command(matrix: Installed) -> None:
    put_shop(matrix)
    (matrix.work / "matrix.yaml").unlink()
    services = ("db=postgres", "cache=redis", "upstream=grpc")
    given = [word for name in services for word in ("--service", name)]
    given += [word for name, value in DATABASES.items() for word in ("-e", f"{name}={value}")]
    given += ["--extra", "postgres", "--extra", "redis", "--path", "/catalogue"]
    printed = matrix("try", *given, "--before", "flask --app shop.wsgi db upgrade")
    assert "request: GET /catalogue, as `--path` says" in printed
    found = rows(matrix)
    assert len(found) == 8
    assert {row["outcome"] for row in found} <= SERVES, found
