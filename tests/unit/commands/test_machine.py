"""`matrix clean` and `matrix doctor`, on an engine in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.build import bases
from runner.build.bases import LOADGEN, base_of_cells
from runner.build.recipe import KEY_LABEL
from runner.commands import doctor, machine
from runner.engine.ownership import HOST_LABEL, OWNER_LABEL, PROJECT_LABEL, owner_labels
from runner.engine.protocol import ContainerSpec, EngineImage
from runner.errors import EngineError, EngineUnavailableError, UsageError
from tests.support.memory_engine import MemoryEngine, silent


class Engine(MemoryEngine):
    """With what only a real one can do, and images that containers use."""

    served = False

    def __init__(self) -> None:
        super().__init__(silent)

    def close(self) -> None:
        """Nothing is open."""

    def is_served(self, reference: str) -> bool:
        return self.served

    def remove_image(self, reference: str) -> None:
        using = [n for n, c in self.containers.items() if c.spec.image == reference]
        if using:
            raise EngineError(f"conflict: container {using[0]} is using its referenced image 1")
        super().remove_image(reference)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    made.known_images["localhost/monkey-matrix/cell:1"] = EngineImage(id="sha256:1")
    for module in (machine, doctor):
        monkeypatch.setattr(module, "connect", lambda: made)
    return made


# -- clean -----------------------------------------------------------------------------------------


def a_container(engine: Engine, name: str, labels: Mapping[str, str], joins: str = "") -> str:
    spec = ContainerSpec(
        name=name,
        image="localhost/monkey-matrix/cell:1",
        user="u",
        labels={PROJECT_LABEL: "1", **labels},
        joins=joins or None,
    )
    return engine.create(spec)


def test_what_a_user_started_by_hand_goes_too_joiners_first(engine: Engine) -> None:
    sidecar = a_container(engine, "by-hand-loadgen", {})
    a_container(engine, "by-hand-server", {}, joins=sidecar)
    assert machine.clean().splitlines() == [
        "container by-hand-server",
        "container by-hand-loadgen",
        "image localhost/monkey-matrix/cell:1",
        "removed 2 containers and 1 image",
    ]
    assert not engine.containers
    assert not engine.known_images


def test_what_another_host_uses_is_left_and_named(engine: Engine) -> None:
    a_container(engine, "theirs", {HOST_LABEL: "another/host", OWNER_LABEL: "1:2:3"})
    assert machine.clean().splitlines() == [
        "left: image localhost/monkey-matrix/cell:1, which a container of another host uses",
        "removed 0 containers and 0 images",
    ]
    assert len(engine.containers) == 1


@pytest.mark.parametrize(
    "said",
    [
        "unable to remove repository reference (must force) - container 0a is using its image 1b",
        "unable to delete 1b (cannot be forced) - image is being used by running container 0a",
        "image used by 0a: image is in use by a container: consider listing external containers",
    ],
)
def test_every_engine_says_in_its_way_that_an_image_is_in_use(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def refuse(_: str) -> None:
        raise EngineError(said)

    monkeypatch.setattr(engine, "remove_image", refuse)
    assert "left: image" in machine.clean()


def test_a_run_that_is_going_on_is_left_alone(engine: Engine) -> None:
    a_container(engine, "a-pod", owner_labels("run", "cell", "pod"))
    with pytest.raises(UsageError, match="a run is going on"):
        machine.clean()
    assert engine.known_images


def test_an_engine_that_fails_meanwhile_is_said_to_and_nothing_of_a_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise EngineError("the disk is gone")

    monkeypatch.setattr(engine, "remove_image", fail)
    with pytest.raises(EngineUnavailableError, match=r"disk is gone.*`matrix clean` again"):
        machine.clean()


# -- doctor ----------------------------------------------------------------------------------------

FILE = """\
version: 1
experiments:
  one:
    axes: {python: [3.11], patch: [none]}
"""


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody of the engine's group, who is not root."""
    monkeypatch.setattr("runner.commands.doctor.os.geteuid", lambda: 1000)


def findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bool]:
    monkeypatch.setattr(doctor, "CACHE", tmp_path / ".cache")
    monkeypatch.setattr(doctor, "ignored_limits", lambda *_: [])
    file = tmp_path / "matrix.yaml"
    file.write_text(FILE)
    return doctor.doctor(file, tmp_path / "results", install=False, say=lambda _: None)


def line(text: str, subject: str) -> str:
    return next(line for line in text.splitlines() if line[8:].startswith(f"{subject}:"))


@pytest.mark.usefixtures("as_user")
def test_a_user_without_root_and_registry_is_not_ready(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, healthy = findings(tmp_path, monkeypatch)
    assert not healthy
    assert line(text, "base images").startswith("MISSING")
    assert "serves python:3.11-slim" in text
    engine.served = True
    text, healthy = findings(tmp_path, monkeypatch)
    assert healthy
    assert "from the registry, as python:3.11-slim" in line(text, "base images")


@pytest.mark.usefixtures("as_user")
def test_base_images_that_were_made_before_will_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for request in (base_of_cells("3.11"), LOADGEN):
        reference, key = bases._named(request)
        labels = {KEY_LABEL: key, bases.CONTENT_LABEL: "x"}
        engine.known_images[reference] = EngineImage(id=reference, config={"Labels": labels})
    text, healthy = findings(tmp_path, monkeypatch)
    assert healthy
    assert line(text, "base images") == "ok      base images: those that the engine has"
    assert line(text, "limits") == "ok      limits: pids and memory are kept"


def test_limits_are_tried_once_there_is_an_image(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, _ = findings(tmp_path, monkeypatch)
    assert line(text, "limits").startswith("note    limits: not tried yet")
    engine.known_images["localhost/monkey-matrix/base:py3.11"] = EngineImage(id="sha256:2")
    tried: list[str] = []

    def overlooks(_: object, image: str) -> list[str]:
        tried.append(image)
        return ["pids", "memory"]

    monkeypatch.setattr(doctor, "ignored_limits", overlooks)
    file = tmp_path / "matrix.yaml"
    text, _ = doctor.doctor(file, tmp_path / "results", install=False, say=lambda _: None)
    assert "overlooks the limit of pids and of memory" in line(text, "limits")
    assert tried == ["localhost/monkey-matrix/base:py3.11"]


def test_a_cache_that_cannot_be_written_is_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".cache").touch()
    text, healthy = findings(tmp_path, monkeypatch)
    assert not healthy
    assert "is a file, not a directory" in line(text, "cache")


def test_an_engine_that_fails_is_a_finding(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> None:
        raise EngineError("boom")

    monkeypatch.setattr(engine, "images", fail)
    text, healthy = findings(tmp_path, monkeypatch)
    assert not healthy
    assert "MISSING engine: it failed: boom" in text
