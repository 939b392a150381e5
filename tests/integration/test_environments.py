"""Images: made once, holding what was locked, and nothing of this host."""

from __future__ import annotations

import io
import os
import re
import sys
import tarfile
from pathlib import Path

import docker
import pytest

from runner.build.base import ensure_base
from runner.build.build import ensure_environment
from runner.build.labels import KEY_LABEL
from runner.build.lock import Lock, Unavailable, resolve
from runner.build.prepare import Prepared, prepare
from runner.build.site_packages import install
from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineError
from runner.matrix.cell import Base, EnvironmentRequest, Requirement
from runner.stages import Stages
from tests.integration.conftest import CACHE, CELLS, a_cell

pytestmark = pytest.mark.engine
PLATFORM = "x86_64-manylinux_2_28"


def lock_of(*requirements: tuple[str, str], python: str = "3.11") -> Lock | Unavailable:
    request = EnvironmentRequest(
        python=python,
        requirements=tuple(Requirement(name=n, specifier=s) for n, s in requirements),
        exclude_newer="2026-11-01",
    )
    return resolve(request, PLATFORM)


def run(client: docker.DockerClient, image: str, program: str) -> str:
    output = client.containers.run(
        image, ["python3", "-c", program], network_mode="none", remove=True
    )
    return bytes(output).decode().strip()


def test_an_image_holds_exactly_the_lock(client: docker.DockerClient, prepared: Prepared) -> None:
    cell = CELLS[2]
    program = (
        "from importlib.metadata import distributions\n"
        "print(*sorted(d.metadata['Name'].lower().replace('.', '-').replace('_', '-') + '=='"
        " + d.version for d in distributions(path=['/site'])))"
    )
    found = set(run(client, prepared.cells[cell].reference, program).split())
    lock = lock_of(*((r.name, r.specifier) for r in cell.requirements))
    assert isinstance(lock, Lock)
    assert found == {f"{name}=={version}" for name, version in lock.versions.items()}


def test_a_second_time_builds_nothing(
    engine: DockerEngine, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise AssertionError("built again")

    monkeypatch.setattr(DockerEngine, "build", refuse)
    monkeypatch.setattr(DockerEngine, "import_image", refuse)
    locks = {r: _locked(r) for r in prepared.environments}
    again = prepare(
        engine,
        CELLS,
        locks,
        experiment="tests",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
    )
    assert again.cells == prepared.cells


def _locked(request: EnvironmentRequest) -> Lock:
    lock = resolve(request, PLATFORM)
    assert isinstance(lock, Lock)
    return lock


def test_no_wheels_is_unavailable_with_the_resolvers_reason() -> None:
    result = lock_of(("gevent", "==22.10.2"), python="3.13")
    assert isinstance(result, Unavailable)
    assert result.reason == "gevent==22.10.2 has no usable wheels (Python 3.13)"


def test_a_lock_names_no_address() -> None:
    lock = lock_of(("flask", "==3.1.*"))
    assert isinstance(lock, Lock)
    assert "--hash=sha256:" in lock.text
    assert "://" not in lock.text


def test_a_failing_build_stops_nobody_else(
    engine: DockerEngine, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = CELLS[0], a_cell(requirements=(Requirement(name="flask", specifier="==2.3.*"),))
    locks = {c.environment: _locked(c.environment) for c in (good, bad)}
    real = DockerEngine.build

    def build(self: DockerEngine, context: Path, reference: str, labels: dict[str, str]) -> str:
        # A Dockerfile that cannot be built, for the environment that is not there yet.
        (context / "Dockerfile").write_text("FROM monkey-matrix/no-such-base\n")
        return real(self, context, reference, labels)

    monkeypatch.setattr(DockerEngine, "build", build)
    monkeypatch.setattr("runner.build.build.SERVER_DOCKERFILE", "FROM {base}\n# {user}\n")
    made = prepare(
        engine,
        [good, bad],
        locks,
        experiment="tests",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
    )
    assert set(made.failed) == {good, bad}
    assert all("no-such-base" in reason for reason in made.failed.values())


def test_nothing_of_the_host_is_in_an_image(
    client: docker.DockerClient, prepared: Prepared
) -> None:
    container = client.containers.create(prepared.cells[CELLS[2]].reference, network_mode="none")
    try:
        chunks, _ = client.api.get_archive(str(container.id), "/")
        traces = _traces(io.BytesIO(b"".join(chunks)))
    finally:
        container.remove()
    assert traces == []


def _traces(archive: io.BytesIO) -> list[str]:
    """Files that name this host's home, a proxy, its package index or its mirror."""
    words = {str(Path.cwd()), sys.base_prefix} - {"/usr", "/usr/local"}
    words |= {os.environ[n] for n in os.environ if n.lower().endswith("_proxy") and os.environ[n]}
    words |= {os.environ[n] for n in os.environ if n in {"UV_INDEX_URL", "PIP_INDEX_URL"}}
    pattern = re.compile("|".join(re.escape(word) for word in words if len(word) > 3).encode())
    found = []
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            name = member.name.lstrip("./")
            if name.startswith("etc/apt/sources") and member.isfile() and member.size:
                found.append(member.name)
            if (
                member.isfile()
                and member.size < 1 << 20
                and name.startswith(("etc", "server", "site"))
            ):
                content = tar.extractfile(member)
                if content and pattern.search(content.read()):
                    found.append(member.name)
    return found


def test_image_environment_is_the_cells_own(
    client: docker.DockerClient, prepared: Prepared
) -> None:
    image = client.images.get(prepared.cells[CELLS[3]].reference)
    names = {entry.split("=")[0] for entry in image.attrs["Config"]["Env"]}
    assert {name for name in names if name.startswith("MATRIX_")} == {
        "MATRIX_PATCH",
        "MATRIX_SERVER",
        "MATRIX_WORKLOAD",
        "MATRIX_WORKLOAD_SECONDS",
    }
    assert names <= {
        "PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED",
        "MATRIX_PATCH", "MATRIX_SERVER", "MATRIX_WORKLOAD", "MATRIX_WORKLOAD_SECONDS",
    }  # fmt: skip
    assert image.attrs["Config"]["User"] == "7001:7001"
    assert image.labels[KEY_LABEL]


def test_a_changed_program_is_a_new_image(
    engine: DockerEngine, prepared: Prepared, tmp_path: Path
) -> None:
    request = CELLS[0].environment
    lock = _locked(request)
    (tmp_path / "main.py").write_text("print('another program')\n")
    base = ensure_base(engine, "3.11", "debian", Base())
    other = ensure_environment(engine, lock, install(lock, CACHE), base, tmp_path)
    try:
        assert other.reference != prepared.environments[request].reference
    finally:
        engine.remove_image(other.reference)


def test_a_failed_build_says_why(engine: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM monkey-matrix/no-such-base\n")
    with pytest.raises(EngineError, match="no-such-base"):
        engine.build(tmp_path, "monkey-matrix/env:test", {})
