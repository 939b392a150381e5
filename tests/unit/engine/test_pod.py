"""What is started for a launch, on an engine in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.engine.companions import CompanionPlan
from runner.engine.pod import (
    FILE_MODE,
    PYTHON_PATH,
    Pod,
    PodPlan,
    with_our_path,
)
from runner.errors import EngineError
from runner.matrix.cell import Limits
from tests.support.memory_engine import MemoryEngine, silent

VOLUMES = ("/application", "/home/application", "/files")


def companion(name: str, *hosts: str) -> CompanionPlan:
    return CompanionPlan(name=name, image=name, memory_bytes=1, hosts=hosts)


def plan(**changes: object) -> PodPlan:
    fields: dict[str, object] = {
        "run": "run",
        "cell": "cell",
        "server_image": "server",
        "loadgen_image": "loadgen",
        "limits": Limits(memory_bytes=100),
    }
    return PodPlan(**{**fields, **changes})  # type: ignore[arg-type]


def test_what_is_secret_is_given_to_the_server_alone_and_files_before_it_starts() -> None:
    engine = MemoryEngine(silent)
    own = plan(
        server_volumes=VOLUMES,
        server_environment={"TOKEN": "secret"},
        server_files=(b"one", b"two"),
        companions=(companion("grpc", "upstream"),),
    )
    with Pod(engine, own) as pod:
        pod.start_server()
        with_it = [n for n, c in engine.containers.items() if "TOKEN" in c.spec.environment]
        assert with_it == [pod.server]
        assert engine.containers[pod.server].files == {
            "/files/0": (b"one", FILE_MODE),
            "/files/1": (b"two", FILE_MODE),
        }
        assert "secret" not in repr(engine.containers[pod.server].spec)
    assert "secret" not in repr(own)
    assert "b'one'" not in repr(own)


def test_files_that_the_engine_refuses_leave_nothing_behind() -> None:
    engine = MemoryEngine(silent)
    with (
        pytest.raises(EngineError, match="read-only"),
        Pod(engine, plan(server_files=(b"",))) as pod,
    ):
        pod.start_server()
    assert engine.containers == {}


def test_companions_are_found_by_name_and_all_of_them_go() -> None:
    engine = MemoryEngine(silent)
    several = (companion("grpc", "upstream"), companion("http"))
    with Pod(engine, plan(companions=several, server_volumes=VOLUMES)) as pod:
        pod.start_server()
        assert list(pod.companions) == ["grpc", "http"]
        assert len(engine.containers) == len(pod.containers) == 4
        engine.containers[pod.companions["http"]].log = "ready"
        assert (pod.companion_log("http"), pod.companion_log("grpc")) == ("ready", "")
        assert pod.companion_state("grpc").running
    assert engine.containers == {}


def test_the_pod_of_an_application_has_names_and_that_of_a_workload_none() -> None:
    services = (companion("grpc", "upstream", "api"), companion("http", "web"))
    assert plan(companions=services).hosts == ()
    own = plan(companions=services, server_volumes=VOLUMES)
    assert own.hosts == ("application", "upstream", "api", "web")
    engine = MemoryEngine(silent)
    with Pod(engine, own) as pod:
        assert engine.containers[pod.loadgen].spec.hosts == own.hosts
        assert engine.containers[pod.companions["grpc"]].spec.hosts == ()


def test_what_an_application_adds_to_pythons_path_comes_first() -> None:
    assert with_our_path({"A": "1"}) == {"A": "1"}
    assert with_our_path({"PYTHONPATH": "lib"}) == {"PYTHONPATH": f"lib:{PYTHON_PATH}"}
    assert with_our_path({"PYTHONPATH": ""}) == {"PYTHONPATH": PYTHON_PATH}


def test_a_service_gets_its_files_before_it_starts_and_the_next_waits_for_it() -> None:
    engine = MemoryEngine(silent)
    files = {"/init/1.sql": (b"create", 0o644), "/init/more/run.sh": (b"#!", 0o755)}
    database = replace(
        companion("db", "db"),
        user="postgres",
        environment={"PASSWORD": "secret"},
        command=("start", "secret"),
        volumes=("/run", "/init"),
        files=files,
    )
    second = replace(database, name="b", after=("db",))
    own = plan(server_volumes=VOLUMES, companions=(database, second))
    assert "secret" not in repr(own)
    with Pod(engine, own) as pod:
        assert set(pod.companions) == {"db"}
        started = engine.containers[pod.companions["db"]]
        assert started.files == files
        assert (started.spec.user, started.spec.volumes) == ("postgres", ("/run", "/init"))
        pod.start_companion(own.companions[1])
        assert set(pod.companions) == {"db", "b"}
    assert engine.containers == {}


@pytest.mark.parametrize(
    ("engine_says", "remedy"),
    [
        ("unable to find user x: no matching entries", "`user: NUMBER`"),
        ('exec: "x": executable file not found in $PATH', "correct its `command:`"),
    ],
)
def test_a_service_that_the_engine_cannot_start_is_named(engine_says: str, remedy: str) -> None:
    class Refusing(MemoryEngine):
        def start(self, container: str) -> None:
            if self.containers[container].spec.name.endswith("-db"):
                raise EngineError(engine_says)
            super().start(container)

    engine = Refusing(silent)
    with (
        pytest.raises(EngineError, match="service 'db' cannot be started: ") as caught,
        Pod(engine, plan(companions=(companion("db", "db"),))),
    ):
        pass
    assert remedy in str(caught.value)
    assert engine.containers == {}
