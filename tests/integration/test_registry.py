"""Interpreters from a registry, one of the test's own on loopback."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from runner.build.bases import NoBaseError, base_of_cells, ensure_bases, resolve_kind
from runner.build.prepare import Prepared
from runner.engine.docker_engine import DockerEngine
from runner.matrix.cell import Base
from runner.provision import REGISTRY
from tests.integration.conftest import SERVED
from tests.integration.test_run import MATRIX, Project

pytestmark = pytest.mark.engine

CONFIGURATION = """\
version: 0.1
storage:
  filesystem: {{rootdirectory: {directory}}}
http: {{addr: "127.0.0.1:0"}} # a free port, which the log names
log: {{accesslog: {{disabled: true}}}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The prefix of images in a registry that holds nothing yet."""
    directory = tmp_path_factory.mktemp("registry")
    assert not REGISTRY.is_missing, f"these tests need {REGISTRY.program}: {REGISTRY.remedy}"
    configuration, log = directory / "registry.yml", directory / "log"
    configuration.write_text(CONFIGURATION.format(directory=directory / "images"))
    with log.open("wb") as out:
        command = ["docker-registry", "serve", str(configuration)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 30
        while not (listens := re.search(r'listening on [0-9.]+:([0-9]+)"', log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"localhost:{listens[1]}/"
    finally:
        process.terminate()
        process.wait(30)


def with_ab(client: docker.DockerClient, below: str) -> str:
    """A stand-in for a Python of the registry on which apt has nothing left to install."""
    apt_get = "/usr/bin/apt-get"
    dockerfile = (
        f"FROM {below}\nUSER root\nRUN printf '#!/bin/sh\\n' > {apt_get} && chmod +x {apt_get}\n"
    )
    tag = f"monkey-matrix/test:with-ab-{os.getpid()}"
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True, forcerm=True)
    return tag


@pytest.fixture(scope="module")
def served(registry: str, client: docker.DockerClient, prepared: Prepared) -> Iterator[str]:
    """The registry with stand-ins for the official images of two Pythons."""
    stand_ins = {
        "3.11": prepared.bases["3.11"].reference,
        "3.13": with_ab(client, prepared.loadgen.reference),
    }
    names = [stand_ins["3.13"]]
    for python, reference in stand_ins.items():
        name = f"{registry}python"
        client.images.get(reference).tag(name, f"{python}-slim")
        client.images.push(name, f"{python}-slim")
        names.append(f"{name}:{python}-slim")
        client.images.remove(names[-1])
    yield registry
    for name in names:
        client.images.remove(name, force=True)


def test_a_run_on_a_registrys_images(served: str, tmp_path: Path) -> None:
    base = f"base: {{kind: auto, registry: '{served}'}}"
    project = Project(
        tmp_path, MATRIX.replace("base: debian", base).replace("launches: 3", "launches: 1")
    )
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "base images: from the registry" in stderr
    assert {row["outcome"] for row in project.rows()} <= SERVED, stdout
    run = (project.results / "latest" / "run.json").read_text()
    assert f"{served}python:3.11-slim" in run
    assert '"origin": "registry"' in run


def test_what_a_registry_has_by_now_is_pulled_by_a_fresh_run(
    served: str, client: docker.DockerClient, tmp_path: Path
) -> None:
    base = f"base: {{kind: registry, registry: '{served}'}}"
    project = Project(
        tmp_path, MATRIX.replace("base: debian", base).replace("launches: 3", "launches: 1")
    )
    name = f"{served}python"

    def base_of_run(*options: str) -> str:
        """The image that the cell of a run was made on."""
        code, _, stderr = project.matrix("run", "--select", "patch=none", *options)
        assert code == 0, stderr
        run = json.loads((project.results / "latest" / "run.json").read_text())
        [environment] = run["environments"].values()
        return str(environment["base"]["digest"])

    first, old = base_of_run(), client.images.get(f"{name}:3.11-slim")
    dockerfile = f"FROM {name}:3.11-slim\nUSER root\nRUN touch /newer\n".encode()
    newer, _ = client.images.build(
        fileobj=io.BytesIO(dockerfile), tag=f"{name}:3.11-slim", rm=True, forcerm=True
    )
    client.images.push(name, "3.11-slim")
    old.tag(name, "3.11-slim")
    assert base_of_run() == first
    assert base_of_run("--fresh") != first
    assert client.images.get(f"{name}:3.11-slim").id == newer.id


def test_what_a_registry_lacks_is_unavailable(
    served: str, engine: DockerEngine, tmp_path: Path
) -> None:
    base = Base(kind="registry", registry=served)
    error = ensure_bases(engine, [base_of_cells("3.12")], "registry", base)[base_of_cells("3.12")]
    assert isinstance(error, NoBaseError)
    assert "python:3.12-slim cannot be pulled" in str(error)
    matrix = MATRIX.replace("base: debian", f"base: {{kind: registry, registry: '{served}'}}")
    project = Project(
        tmp_path, matrix.replace("[3.11]", "[3.11, 3.12]").replace("launches: 3", "launches: 1")
    )
    code, stdout, _ = project.matrix("run", "--select", "patch=none")
    assert code == 0
    outcomes = {row["python"]: row["outcome"] for row in project.rows()}
    assert outcomes.pop("3.11") in SERVED
    assert outcomes == {"3.12": "unavailable"}
    assert "cannot be pulled" in stdout


def test_without_a_registry_auto_is_debian(engine: DockerEngine) -> None:
    nowhere = Base(kind="auto", registry=f"localhost:{free_port()}/")
    assert resolve_kind(engine, ["3.11", "3.13"], nowhere) == "debian"
