"""What the engine's answers are taken for, without an engine."""

from __future__ import annotations

import io
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest

from runner.engine.docker_engine import DockerEngine
from runner.engine.protocol import ContainerSpec
from runner.errors import EngineError


def engine(**answers: Any) -> DockerEngine:
    """An engine whose API answers each call with what is given for it."""
    api = SimpleNamespace(
        **{name: lambda *_, _a=answer, **__: _a for name, answer in answers.items()}
    )
    return DockerEngine(SimpleNamespace(api=api))  # type: ignore[arg-type]


def inspected(status: str, **host_config: int) -> dict[str, Any]:
    state = {"Status": status, "Running": False, "ExitCode": 137, "OOMKilled": False}
    return {"State": state, "HostConfig": host_config}


def test_an_exit_is_the_containers_own() -> None:
    assert engine(inspect_container=inspected("exited")).state("c").exit_code == 137


@pytest.mark.parametrize("status", ["removing", "dead"])
def test_what_somebody_removes_has_not_exited_by_itself(status: str) -> None:
    with pytest.raises(EngineError, match="is being removed"):
        engine(inspect_container=inspected(status)).state("c")


STATISTICS = {
    "cpu_usage": {"total_usage": 5},
    "throttling_data": {"throttled_time": 2_500_000_000},
}


@pytest.mark.parametrize(
    ("host_config", "statistics", "throttled_s"),
    [
        ({}, STATISTICS, 0.0),
        ({"CpuQuota": 0, "NanoCpus": 0}, STATISTICS, 0.0),
        ({"CpuQuota": 5000}, STATISTICS, 2.5),
        ({"NanoCpus": 500}, STATISTICS, 2.5),
        # Docker 20.10, of a container that has joined a network which it did not set up.
        ({"CpuQuota": 5000}, STATISTICS | {"cpu_usage": {"total_usage": 0}}, None),
        ({"CpuQuota": 5000}, {"cpu_usage": {"total_usage": 5}}, None),
    ],
)
def test_throttling(
    host_config: dict[str, int], statistics: dict[str, Any], throttled_s: float | None
) -> None:
    answers = engine(
        inspect_container=inspected("running", **host_config), stats={"cpu_stats": statistics}
    )
    assert answers.throttled_s("c") == throttled_s


class Asked:
    """An API that keeps what each call was given, and answers what it is told."""

    def __init__(self, **answers: Any) -> None:
        self.given: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.given[name] = (args, kwargs)
            return self._answers.get(name, {})

        return call


def asked(**answers: Any) -> tuple[Asked, DockerEngine]:
    api = Asked(**answers)
    return api, DockerEngine(SimpleNamespace(api=api))  # type: ignore[arg-type]


def test_files_are_put_with_their_owner_and_mode() -> None:
    api, made = asked()
    files = {"0": (b"secret", 0o400), "1": (b"", 0o644)}
    made.put("c", "/files", files, owner=(7001, 7002))
    (container, directory, packed), _ = api.given["put_archive"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = {m.name: (m.mode, m.uid, m.gid, m.size) for m in tar}
    assert (container, directory) == ("c", "/files")
    assert found == {"0": (0o400, 7001, 7002, 6), "1": (0o644, 7001, 7002, 0)}


@pytest.mark.parametrize(
    ("hosts", "own", "known"),
    [
        ((), None, None),
        (("application", "db"), "application", {"application": "127.0.0.1", "db": "127.0.0.1"}),
    ],
)
def test_names_of_a_container_all_mean_itself(
    hosts: tuple[str, ...], own: str | None, known: dict[str, str] | None
) -> None:
    api, made = asked(create_container={"Id": "c"})
    made.create(ContainerSpec(name="n", image="i", user="u", hosts=hosts))
    assert api.given["create_container"][1]["hostname"] == own
    assert api.given["create_host_config"][1]["extra_hosts"] == known


@pytest.mark.parametrize(("offline", "network"), [(True, "none"), (False, None)])
def test_a_build_has_a_network_unless_it_must_not(offline: bool, network: str | None) -> None:
    steps = [{"stream": "Successfully built 1\n"}]
    api, made = asked(build=steps, inspect_image={"Id": "sha256:1"})
    assert made.build(iter([b""]), "x", {}, {}, offline=offline) == "sha256:1"
    assert api.given["build"][1]["network_mode"] == network
