"""A run from end to end on each engine that Debian has: `make engines`, before a release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.engines.debian_engine import KINDS, Kind, running

pytestmark = [pytest.mark.engine, pytest.mark.root]

MATRIX = Path(__file__).with_name("matrix.yaml")
CELLS = 4
#: Outcomes of a cell that answers: which it is depends on what else the machine does, too.
SERVED = {"ok", "limited", "serialised"}
#: The cell with all: gevent, gRPC, and a companion.
CELL = "py3.11-gevent25.9.1-grpcio1.76.0-gevent-grpc"
TIMEOUT_S = 600
APPEAR_S = 120.0


class Bench:
    """A matrix file and results of a test's own, and the engine that is used."""

    def __init__(self, directory: Path, address: str) -> None:
        self.directory = directory
        self.environment = os.environ | {"DOCKER_HOST": address}
        self.client = docker.DockerClient(base_url=address, version="1.41", timeout=120)
        shutil.copy(MATRIX, directory / "matrix.yaml")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def matrix(self, *arguments: str) -> tuple[str, str]:
        """What a command that succeeds prints, and says."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, (arguments, out, err)
        return out, err

    def shell(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", commands],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def containers(self) -> list[str]:
        return [str(one["Names"][0]) for one in self.client.api.containers(all=True)]

    def images(self) -> set[str]:
        return {str(one["Id"]) for one in self.client.api.images(all=True)}

    def by_hand(self) -> list[str]:
        """The commands that `matrix show` prints, one each."""
        shown, _ = self.matrix("show", "latest", CELL)
        printed = shown.partition("== Reproduce by hand ==\n")[2].partition("\n== ")[0]
        return printed.strip().splitlines()


@pytest.fixture(scope="module", params=KINDS, ids=[kind.name for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def bench(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(kind, tmp_path_factory.mktemp(kind.name)) as address:
        made = Bench(tmp_path_factory.mktemp("bench"), address)
        yield made
        made.client.close()


# The tests of an engine follow each other: each goes on with what the one before has left.


def test_every_kind_of_cell_is_measured(bench: Bench, kind: Kind) -> None:
    _, err = bench.matrix("run")
    assert f"measuring {CELLS} launches" in err
    table = json.loads((bench.directory / "results" / "latest" / "table.json").read_text())
    assert {row["outcome"] for row in table["rows"]} <= SERVED
    assert {row["failed_requests"] for row in table["rows"]} == {0}
    run = json.loads((bench.directory / "results" / "latest" / "run.json").read_text())
    assert run["engine"]["product"] == ("Podman" if "podman" in kind.name else "Docker")
    assert bench.containers() == []


def test_doctor_finds_whether_limits_are_kept(bench: Bench, kind: Kind) -> None:
    out, _ = bench.matrix("doctor")
    kept = "ok      limits: pids and memory are kept"
    overlooked = "note    limits: the engine overlooks the limit of pids and of memory, so that no"
    assert (overlooked if kind.rootless else kept) in out
    assert f"at {bench.environment['DOCKER_HOST']} (DOCKER_HOST)" in out


def test_a_second_run_measures_and_builds_nothing(bench: Bench) -> None:
    before = bench.images()
    _, err = bench.matrix("run")
    assert f"measured before, used again: {CELLS} of {CELLS} launches" in err
    assert "measuring" not in err
    assert bench.images() == before


def test_a_cell_is_reproduced_by_hand(bench: Bench) -> None:
    commands = bench.by_hand()
    said = bench.shell("\n".join(commands))
    assert "Complete requests:      40" in said
    assert "it does not answer" not in said
    assert bench.containers() == []


def test_what_a_killed_run_left_is_swept(bench: Bench) -> None:
    process = bench.start("run", "--fresh")
    deadline = time.monotonic() + APPEAR_S
    while not any(name.endswith("-server") for name in bench.containers()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    left = bench.containers()
    assert left
    _, err = bench.matrix("run")
    swept = {line.split()[1].rstrip(",") for line in err.splitlines() if "left by a run" in line}
    # The engine may have made one more after its client was gone.
    assert swept >= {name.lstrip("/") for name in left}
    assert bench.containers() == []


def test_clean_leaves_nothing_also_of_what_was_started_by_hand(bench: Bench) -> None:
    start = [line for line in bench.by_hand() if line.startswith(("docker run", "timeout"))]
    bench.shell("\n".join(start))
    assert len(bench.containers()) == 3
    out, _ = bench.matrix("clean")
    assert "removed 3 containers" in out
    assert bench.containers() == []
    assert bench.images() == set()
