"""What a pod's containers may do, asked of the engine and tried from inside."""

from __future__ import annotations

import time
from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from runner.engine.docker_engine import DockerEngine
from tests.integration.conftest import LIMITS, Maker, a_cell

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def containers(request: pytest.FixtureRequest) -> Iterator[dict[str, Container]]:
    """The two containers of a pod that is up."""
    client: docker.DockerClient = request.getfixturevalue("client")
    maker = Maker(request.getfixturevalue("engine"), request.getfixturevalue("prepared"))
    launch = maker.launch(a_cell())
    launch.start()
    pod = launch._pod
    assert pod
    try:
        yield {
            "loadgen": client.containers.get(pod.loadgen),
            "server": client.containers.get(pod.server),
        }
    finally:
        launch.close()


def inside(container: Container, *command: str) -> tuple[int, str]:
    """Exit status and output of a command run in a container."""
    result = container.exec_run(list(command))
    return int(result.exit_code or 0), bytes(result.output).decode()  # type: ignore[arg-type]


BOTH = pytest.mark.parametrize("role", ["loadgen", "server"])


def test_only_loopback(containers: dict[str, Container]) -> None:
    loadgen, server = containers["loadgen"], containers["server"]
    assert loadgen.attrs["HostConfig"]["NetworkMode"] == "none"
    assert server.attrs["HostConfig"]["NetworkMode"] == f"container:{loadgen.id}"
    devices = inside(loadgen, "cat", "/proc/net/dev")[1].splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]
    routes = inside(loadgen, "cat", "/proc/net/route")[1].splitlines()[1:]
    assert routes == []


@BOTH
def test_hardened(containers: dict[str, Container], role: str) -> None:
    container = containers[role]
    config = container.attrs["HostConfig"]
    assert config["CapDrop"] == ["ALL"]
    assert not config["CapAdd"]
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert config["ReadonlyRootfs"] is True
    assert config["Privileged"] is False
    assert not config["PortBindings"]
    assert not config["PublishAllPorts"]
    assert not config["Binds"]
    assert container.attrs["Mounts"] == []
    assert config["RestartPolicy"]["Name"] in {"", "no"}
    assert config["AutoRemove"] is False


def test_limits(containers: dict[str, Container]) -> None:
    config = containers["server"].attrs["HostConfig"]
    assert config["Memory"] == config["MemorySwap"] == LIMITS.memory_bytes
    assert config["PidsLimit"] == LIMITS.pids
    assert containers["loadgen"].attrs["HostConfig"]["Memory"] > 0
    assert containers["loadgen"].attrs["HostConfig"]["PidsLimit"] > 0


@BOTH
def test_from_inside(containers: dict[str, Container], role: str) -> None:
    container = containers[role]
    status = inside(container, "cat", "/proc/self/status")[1]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split()[0] == {"loadgen": "7000", "server": "7001"}[role]
    assert int(fields["CapEff"], 16) == 0
    assert int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert inside(container, "touch", "/written")[0] != 0
    assert inside(container, "ls", "/var/run/docker.sock")[0] != 0


@BOTH
def test_labels_say_whose_it_is(containers: dict[str, Container], role: str) -> None:
    labels = containers[role].labels
    for name in ("host", "owner", "run", "cell", "pod"):
        assert labels[f"org.monkey-matrix.{name}"]
    assert labels["org.monkey-matrix"] == "1"


def test_the_sidecar_has_an_init(containers: dict[str, Container]) -> None:
    assert containers["loadgen"].attrs["HostConfig"]["Init"] is True


def test_throttling_is_told_of_a_container_with_a_quota(
    engine: DockerEngine, client: docker.DockerClient, containers: dict[str, Container]
) -> None:
    server = containers["server"]
    assert engine.throttled_s(str(server.id)) == 0
    busy = ["python3", "-c", "while True: pass"]
    limited = client.containers.run(
        server.attrs["Image"], busy, detach=True, network_mode="none", cpu_quota=5000
    )
    try:
        deadline = time.monotonic() + 30
        while not (throttled := engine.throttled_s(str(limited.id))):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert throttled > 0
    finally:
        limited.remove(force=True)


def test_a_pod_without_a_companion_knows_its_address_and_no_name(
    containers: dict[str, Container],
) -> None:
    """The engine would set up names, and an interface, by starting its own program twice."""
    look = "import socket; print(socket.gethostbyname('127.0.0.1'), open('/etc/hosts').read())"
    assert inside(containers["server"], "python3", "-c", look)[1].split() == ["127.0.0.1"]
