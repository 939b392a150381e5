"""Bases, images and names, on an engine in memory and a mmdebstrap that is a shell script."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from runner.build import base as bases
from runner.build import build
from runner.build.base import (
    BaseImage,
    NoBaseError,
    ensure_base,
    mmdebstrap_command,
    resolve_kind,
)
from runner.build.build import ensure_environment, ensure_loadgen
from runner.build.labels import KEY_LABEL, cell_reference
from runner.build.lock import Lock
from runner.build.prepare import prepare
from runner.engine.protocol import ContainerSpec, ExecResult
from runner.errors import EngineUnavailableError
from runner.matrix.cell import Base, Cell, EnvironmentRequest, Requirement
from runner.matrix.values import Server, Workload
from runner.stages import Stages
from tests.support.memory_engine import MemoryEngine

DEBIAN = Base(kind="debian")
BASE = BaseImage(reference="below", image_id="sha256:below", origin="debian")
LOCK = Lock(request=EnvironmentRequest(python="3.11", requirements=()), platform="p", text="")


def silent(_: MemoryEngine, __: ContainerSpec, ___: tuple[str, ...]) -> ExecResult:
    return ExecResult(exit_code=0, stdout=b"", stderr=b"")


class Watched(MemoryEngine):
    """Remembers each build's Dockerfile and the modes of what would be copied."""

    def build(self, context: Path, reference: str, labels: Mapping[str, str]) -> str:
        self.dockerfile = (context / "Dockerfile").read_text()
        self.modes = {
            str(path.relative_to(context)): path.stat().st_mode & 0o777
            for path in context.rglob("*")
            if path.name != "Dockerfile"
        }
        return super().build(context, reference, labels)


@pytest.fixture
def engine() -> Watched:
    return Watched(silent)


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / "module.py").write_text("")
    directory.chmod(0o755)
    (directory / "module.py").chmod(0o644)
    return directory


def mmdebstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    tool = tmp_path / "bin" / "mmdebstrap"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    monkeypatch.setattr("runner.build.base.os.geteuid", lambda: 0)


def cell(*names: str) -> Cell:
    return Cell(
        python="3.11",
        patch="gevent+grpc",
        server=Server(name="werkzeug"),
        workload=Workload(parameters=(("seconds", "0.5"),)),
        concurrency=1,
        requests=1,
        requirements=tuple(Requirement(name=name, specifier="==1.0.0") for name in names),
        varied=names,
    )


def readable(modes: Mapping[str, int]) -> bool:
    return set(modes.values()) <= {0o755, 0o644}


@pytest.mark.usefixtures("strict_umask")
def test_a_cells_user_can_read_its_files_whatever_the_umask(engine: Watched, site: Path) -> None:
    ensure_environment(engine, LOCK, site, BASE)
    assert readable(engine.modes), engine.modes
    assert engine.modes["server"] == 0o755
    assert engine.modes["server/main.py"] == 0o644


@pytest.mark.usefixtures("strict_umask")
def test_files_of_another_file_system_can_be_read_too(
    engine: Watched, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    ensure_environment(engine, LOCK, site, BASE)
    assert engine.modes["site/module.py"] == 0o644


@pytest.mark.usefixtures("strict_umask")
def test_the_sidecars_user_can_read_the_agent(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_loadgen_base", lambda *_: build.Image(reference="b", image_id="b"))
    ensure_loadgen(engine, "debian", DEBIAN)
    assert engine.modes == {"agent.py": 0o644}


def test_a_second_time_builds_nothing(engine: Watched, site: Path) -> None:
    first = ensure_environment(engine, LOCK, site, BASE)
    del engine.modes
    assert ensure_environment(engine, LOCK, site, BASE) == first
    assert not hasattr(engine, "modes")


def test_another_base_or_lock_is_another_image(engine: Watched, site: Path) -> None:
    other_base = BaseImage(reference="below", image_id="sha256:other", origin="debian")
    other_lock = Lock(request=LOCK.request, platform="p", text="flask==3.1.2\n")
    pairs = [(LOCK, BASE), (LOCK, other_base), (other_lock, BASE)]
    made = {ensure_environment(engine, lock, site, base).reference for lock, base in pairs}
    assert len(made) == 3


def test_an_environments_dockerfile_only_copies(engine: Watched, site: Path) -> None:
    ensure_environment(engine, LOCK, site, BASE)
    words = [line.split()[0] for line in engine.dockerfile.splitlines()]
    assert set(words) == {"FROM", "COPY", "ENV", "USER", "CMD"}


def test_a_tag_is_the_cells_id_in_an_engines_letters() -> None:
    name = cell_reference("My Experiment", cell("gevent"))
    assert name == "monkey-matrix/cell-my-experiment:py3.11-gevent1.0.0-gevent_grpc"


def test_ids_longer_than_a_tag_stay_apart() -> None:
    shared = [f"a-package-with-a-long-name-{n}" for n in range(6)]
    names = [cell_reference("x", cell(*shared, last)) for last in ("one", "two")]
    tags = [name.partition(":")[2] for name in names]
    assert tags[0] != tags[1]
    assert {len(tag) for tag in tags} == {128}


def test_auto_is_debian_where_no_registry_answers(engine: Watched) -> None:
    assert resolve_kind(engine, ["3.11"], Base(kind="auto")) == "debian"
    engine.known_images["python:3.11-slim"] = {}
    assert resolve_kind(engine, ["3.13", "3.11"], Base(kind="auto")) == "registry"


def test_a_python_without_a_suite_says_what_helps(engine: Watched) -> None:
    with pytest.raises(NoBaseError, match=r"no Debian suite carries Python 3\.12.*base: registry"):
        ensure_base(engine, "3.12", "debian", DEBIAN)


def test_a_made_base_is_used_again_until_its_recipe_changes(
    engine: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path, f"echo >> {tmp_path}/calls")
    made = ensure_base(engine, "3.11", "debian", DEBIAN)
    assert ensure_base(engine, "3.11", "debian", DEBIAN) == made
    assert (tmp_path / "calls").read_text() == "\n"
    engine.known_images[made.reference][KEY_LABEL] = "another recipe"
    ensure_base(engine, "3.11", "debian", DEBIAN)
    assert (tmp_path / "calls").read_text() == "\n\n"


def test_expired_suites_are_accepted_only_when_told() -> None:
    option = '--aptopt=Acquire::Check-Valid-Until "false"'
    assert option not in mmdebstrap_command("forky", ["python3"], allow_expired=False)
    assert option in mmdebstrap_command("forky", ["python3"], allow_expired=True)


def test_an_expired_suite_names_the_setting(
    engine: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mmdebstrap(monkeypatch, tmp_path, "echo 'E: Release file is not valid anymore' >&2; exit 1")
    with pytest.raises(NoBaseError, match="allow_expired: true"):
        ensure_base(engine, "3.14", "debian", DEBIAN)


@pytest.mark.parametrize(
    ("which", "user", "message"),
    [(None, 0, "apt-get install mmdebstrap"), ("/usr/bin/mmdebstrap", 1000, "needs root")],
)
def test_without_the_tool_or_root_it_says_what_to_type(
    engine: Watched,
    monkeypatch: pytest.MonkeyPatch,
    which: str | None,
    user: int,
    message: str,
) -> None:
    monkeypatch.setattr("runner.build.base.shutil.which", lambda _: which)
    monkeypatch.setattr("runner.build.base.os.geteuid", lambda: user)
    with pytest.raises(EngineUnavailableError, match=message):
        ensure_base(engine, "3.11", "debian", DEBIAN)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'E: apt-get update failed' >&2; exit 25", "E: apt-get update failed"),
        ("exec sleep 60", "was not bootstrapped within"),
    ],
)
def test_a_run_without_a_sidecar_ends_with_one_message(
    engine: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, message: str
) -> None:
    mmdebstrap(monkeypatch, tmp_path, script)
    monkeypatch.setattr(bases, "TIMEOUT_S", 0.3)
    with pytest.raises(EngineUnavailableError, match=message) as caught:
        prepare(
            engine,
            [],
            {},
            experiment="x",
            base=DEBIAN,
            cache=tmp_path,
            stages=Stages(lambda _: None),
        )
    assert caught.value.exit_code == 3
