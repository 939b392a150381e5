"""`matrix try`: an application that lacks everything is tried, and told what supplies it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from runner.application.remedies.rules import remedy_of
from runner.commands.run import RunOptions
from runner.commands.trial.advice import advice
from runner.commands.trial.command import made
from runner.commands.trial.draft import Draft
from runner.commands.trial.given import Given, completed
from runner.commands.trial.look import asked_for, job_to_look, served_by
from runner.matrix.file import load
from runner.measurement import evidence
from runner.measurement.clock import SystemClock
from runner.measurement.launch import Launch
from runner.measurement.server_log import exceptions
from runner.progress import PlainReporter

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]

TRIED = Path(__file__).parents[1] / "data" / "tried"
SECRET = "s3cr3t-of-the-shop"
#: By route: the option that supplies what it lacks.
MISSING = {
    "/variable": "-e SHOP_TOKEN=…",
    "/told": "-e SHOP_URL=…",
    "/library": "--debian libmagic1",
    "/program": "--debian git",
    "/module": "-r requirements.txt -r pyyaml",
    "/left-out": "--include version.py",
    "/table": '--before "flask --app wsgi:app create-tables"',
    "/refused": "--service postgres",
    "/no-host": "--service database=postgres",
}


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a command printed, and what it ended with."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's own directory."""
    path = tmp_path_factory.mktemp("tried") / "shop"
    shutil.copytree(TRIED, path)
    return path


def matrix_try(directory: Path, *arguments: str) -> Tried:
    """Do as a user does."""
    command = [sys.executable, "-m", "runner", "try", "--python", "3.11", *arguments]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, env=os.environ
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Tried(code=done.returncode, out=done.stdout, err=done.stderr)


def test_one_option_after_the_other_and_it_serves(directory: Path) -> None:
    failed = matrix_try(directory)
    assert failed.code == 1, failed
    assert "missing: the variable SHOP_KEY is not set\n    add: -e SHOP_KEY=…" in failed.out
    assert "matrix show latest py3.11-none-gunicorn-gthread" in failed.out

    served = matrix_try(directory, "-e", f"SHOP_KEY={SECRET}", "--write")
    assert served.code == 0, served
    assert re.search(
        r"request: GET /catalogue, a route of the application that waits the longest, for GET / "
        r"redirects to /login\?next=/, which looks like a login; \d+(\.\d)? ms alone",
        served.out,
    ), served.out
    assert "A first look" in served.out
    assert (
        "missing: the variable SHOP_TOKEN is not set (GET /variable fails without it)\n"
        "    add: -e SHOP_TOKEN=…"
    ) in served.out
    assert not {"higher", "lower", "undecided"} & set(re.findall(r"[a-z]+", served.out))
    table = json.loads((directory / "results" / "latest" / "table.json").read_text())
    assert len(table["rows"]) == 5
    assert {row["launches"] for row in table["rows"]} == {1}
    assert sum(row["time_taken_s"] for row in table["rows"]) < 120

    experiment = load(directory / "matrix.yaml").experiment("try")
    assert experiment.request
    assert experiment.request.path == "/catalogue"
    assert experiment.least_launches == 3
    found = [path for path in directory.rglob("*") if path.is_file()]
    assert [path for path in found if SECRET.encode() in path.read_bytes()] == []


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[tuple[Launch, Draft]]:
    """The application in a container, ready to be asked."""
    given = Given(directory=directory, python="3.11", variables={"SHOP_KEY": SECRET})
    options = RunOptions(results=directory / "results", fresh=True)
    reporter = PlainReporter(Console(stderr=True))
    draft, ready, _ = made(Draft(given=completed(given)), options, reporter)
    with contextlib.closing(ready.engine):
        cell = served_by([*ready.prepared.cells])
        assert cell
        launch = Launch(ready.engine, job_to_look(ready, cell), SystemClock())
        with contextlib.closing(launch):
            launch.bring_up()
            launch.await_ready()
            assert launch.verdict is None
            yield launch, draft


def test_each_thing_that_is_missing_is_answered_with_its_option(directory: Path) -> None:
    with serving(directory) as (launch, draft):
        looked, routes = asked_for(launch, ["/", *MISSING])
        log = evidence.server_log(launch.pod)
    assert {one.answer.status for one in looked[1:] if one.answer} == {500}
    assert {"/", *MISSING, "/logout"} < set(routes)
    parts = re.split(r"Exception on (/[\w-]+) \[GET\]", log)
    told = {}
    for path, part in zip(parts[1::2], parts[2::2], strict=True):
        (said, *_) = exceptions(part)
        remedy = remedy_of(said, part, draft.left_out_as)
        told[path] = remedy and advice(remedy, draft).option
    assert told == MISSING
