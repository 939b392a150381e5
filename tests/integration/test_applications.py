"""Applications that fail as people's do: each ends in the right outcome, and says what helps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import SERVED

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]

APPLICATIONS = Path(__file__).parents[1] / "data" / "applications"
#: Each experiment takes some seconds, most of which it waits for the engine.
AT_A_TIME = 2
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run left: its rows by patch mode, its record, and what it printed."""

    rows: dict[str, dict[str, Any]]
    run: dict[str, Any]
    printed: str

    def reason(self, patch: str) -> str:
        return str(self.rows[patch]["reason"])


#: By experiment: the patch mode of a row, its outcome, and the words that its reason must have.
EXPECTED = [
    ("built", "none", "ok", ()),
    ("broken", "none", "unavailable", ("libpq-fe.h", "application.debian: [libpq-dev]")),
    ("pin-against-axis", "gevent", "ok", ()),
    ("missing-variable", "none", "import-error", ("application.environment: {SHOP_KEY: …}",)),
    ("missing-library", "none", "import-error", ("libmagic.so.1", "debian: [libmagic1]")),
    ("missing-command", "none", "before-failed", ("make tables", "application.debian: [make]")),
    ("unwritable", "none", "import-error", ("/var/lib/shop", "cannot be written")),
    ("left-out", "none", "import-error", ("version.py", "application.include: [version.py]")),
    ("login", "none", "wrong-answer", ("/login", "login", "request.headers")),
    ("rationed", "none", "wrong-answer", ("429", "rate limit", "load.rate")),
    ("no-table", "none", "wrong-answer", ("table item", "application.before")),
]


def archive(directory: Path, name: str) -> None:
    """A project as a source distribution."""
    with tarfile.open(directory / f"{name}-1.0.tar.gz", "w:gz") as sdist:
        sdist.add(directory / name, arcname=f"{name}-1.0")


def repository(directory: Path) -> None:
    """A project as a git repository, and a file of requirements that names its commit."""
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*GIT, *command], cwd=directory, check=True)
    head = subprocess.run(
        [*GIT, "rev-parse", "HEAD"], cwd=directory, check=True, capture_output=True, text=True
    )
    commit = head.stdout.strip()
    requirement = f"ours @ git+file://{directory}@{commit}\n"
    (directory.parent / "git.txt").write_text(requirement, encoding="utf-8")


def measured(directory: Path, experiment: str) -> Result:
    """Run an experiment as a user does."""
    results = directory / "results" / experiment
    command = [sys.executable, "-m", "runner", "run", experiment, "--results", str(results)]
    command += ["--file", str(directory / "matrix.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    found = json.loads((results / "latest" / "table.json").read_text())
    return Result(
        rows={row["patch"]: row for row in found["rows"]},
        run=json.loads((results / "latest" / "run.json").read_text()),
        printed=done.stdout + done.stderr,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """The results by experiment, all of them begun at once."""
    directory = tmp_path_factory.mktemp("applications") / "work"
    shutil.copytree(APPLICATIONS, directory)
    for name in ("native", "broken"):
        archive(directory, name)
    repository(directory / "ours")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running: dict[str, Future[Result]] = {
            name: pool.submit(measured, directory, name)
            for name in dict.fromkeys(name for name, *_ in EXPECTED)
        }
    return lambda name: running[name].result()


@pytest.mark.parametrize(
    ("experiment", "patch", "outcome", "words"),
    EXPECTED,
    ids=[f"{experiment}-{patch}" for experiment, patch, *_ in EXPECTED],
)
def test_an_application_ends_as_it_should(
    result: Callable[[str], Result],
    experiment: str,
    patch: str,
    outcome: str,
    words: tuple[str, ...],
) -> None:
    found = result(experiment)
    row = found.rows[patch]
    possible = SERVED if outcome == "ok" else {outcome}
    assert row["outcome"] in possible, row
    assert [word for word in words if word not in found.reason(patch)] == [], found.reason(patch)


def test_what_has_no_wheel_is_built_and_recorded(result: Callable[[str], Result]) -> None:
    (environment,) = result("built").run["environments"].values()
    built = {one["name"]: one["origin"].split()[0] for one in environment["built"]}
    assert built == {"debts": "sdist", "native": "archive", "ours": "git"}


def test_a_pin_that_gives_way_to_an_axis_is_listed(result: Callable[[str], Result]) -> None:
    (environment,) = result("pin-against-axis").run["environments"].values()
    (moved,) = environment["moved"]
    assert "greenlet 3.1.1 → " in moved
    assert "because of gevent==25.9.1" in moved


def test_what_excludes_an_axis_is_found_before_anything_starts() -> None:
    command = [sys.executable, "-m", "runner", "plan", "conflict", "--json"]
    command += ["--file", str(APPLICATIONS / "matrix.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reasons = {cell["patch"]: cell["unavailable"] for cell in json.loads(done.stdout)}
    assert reasons["none"] is None
    for words in ("gevent==25.9.1", "httpbin==0.10.2", "exclude each other", "another version"):
        assert words in reasons["gevent"]
