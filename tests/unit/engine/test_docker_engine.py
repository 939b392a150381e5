"""What the engine's answers are taken for, without an engine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from docker.credentials.errors import StoreError
from docker.errors import APIError, NotFound

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


# -- other engines ---------------------------------------------------------------------------------

INFO = {
    "ID": "made up for each answer", "OperatingSystem": "debian", "KernelVersion": "6.1",
    "Architecture": "amd64", "NCPU": 2, "MemTotal": 1, "Driver": "overlay", "CgroupVersion": "2",
}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "label", "engine_id"),
    [("Podman Engine", "Podman 4.3.1", None), ("Engine", "4.3.1", INFO["ID"])],
)
def test_podman_has_no_id_and_is_named(part: str, label: str, engine_id: str | None) -> None:
    version = {"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": part}]}
    found = engine(info=INFO, version=version).info()
    assert (found.label, found.engine_id) == (label, engine_id)


@pytest.mark.parametrize(
    "said", [{"SecurityOptions": ["name=seccomp", "name=rootless"]}, {"Rootless": True}]
)
@pytest.mark.parametrize("cgroups", ["1", "2"])
def test_an_engine_without_root_is_named_and_its_limits_known(
    said: dict[str, Any], cgroups: str
) -> None:
    """Podman before 4.4 says so in a place of its own."""
    version = {"Version": "26.1.5", "ApiVersion": "1.45"}
    found = engine(info=INFO | {"CgroupVersion": cgroups} | said, version=version).info()
    assert found.label == "26.1.5 (rootless)"
    assert found.security.count("name=rootless") == 1
    assert found.overlooks_limits is (cgroups == "1")


def test_the_engine_is_known_by_the_address_that_it_has() -> None:
    version = {"Version": "1", "ApiVersion": "1.41"}
    api = SimpleNamespace(info=lambda: INFO, version=lambda: version)
    made = DockerEngine(SimpleNamespace(api=api), "unix:///some.sock")  # type: ignore[arg-type]
    assert made.info().endpoint == "unix:///some.sock"


def test_an_import_gives_the_whole_name_as_one() -> None:
    """Podman before 4.4 overlooks a tag that comes by itself."""
    answer = b'{"status": "sha256:1"}\n'.decode()
    api, made = asked(import_image_from_stream=answer, inspect_image={"Id": "sha256:1"})
    name = "localhost/monkey-matrix/base:py"
    assert made.import_image(io.BytesIO(b"x"), name, {}) == "sha256:1"
    given = api.given["import_image_from_stream"][1]
    assert given["repository"] == name
    assert "tag" not in given
    assert api.given["inspect_image"][0] == (name,)


def test_a_name_that_an_import_did_not_give_is_an_error() -> None:
    made = calling(
        import_image_from_stream=lambda *_, **__: '{"status": "sha256:1"}',
        inspect_image=_raises(NotFound("no such image")),
    )
    with pytest.raises(EngineError, match="is missing after it was imported"):
        made.import_image(io.BytesIO(b"x"), "name:tag", {})


def calling(**calls: Callable[..., object]) -> DockerEngine:
    """An engine whose API makes these calls."""
    return DockerEngine(SimpleNamespace(api=SimpleNamespace(**calls)))  # type: ignore[arg-type]


def _raises(*errors: Exception) -> Callable[..., None]:
    """A call that raises one error after the other, then succeeds."""
    left = [*errors]

    def call(*_: object, **__: object) -> None:
        if left:
            raise left.pop(0)

    return call


IMPROPER = APIError("", explanation="cannot remove: container state improper: stopped")


def test_a_container_that_ends_while_it_is_killed_is_removed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runner.engine.docker_engine.REMOVAL_PAUSE_S", 0)
    calling(remove_container=_raises(IMPROPER, IMPROPER)).remove("c")
    with pytest.raises(EngineError, match="state improper"):
        calling(remove_container=_raises(*[IMPROPER] * 5)).remove("c")


def test_a_container_that_others_depend_on_is_not_removed_again() -> None:
    made = calling(remove_container=_raises(APIError("", explanation="has dependent containers")))
    with pytest.raises(EngineError, match="dependent"):
        made.remove("c")


def test_the_users_proxies_are_none_of_a_cells_variables() -> None:
    api, made = asked(create_container={"Id": "c"})
    made.create(ContainerSpec(name="n", image="i", user="u"))
    assert api.given["create_container"][1]["use_config_proxy"] is False


def test_a_failing_credential_helper_is_an_error_of_the_engine() -> None:
    made = calling(build=_raises(StoreError("no such helper")))
    with pytest.raises(EngineError, match="no such helper"):
        made.build(iter([b""]), "x", {}, {})
