"""What a pod's containers may do, asked of the engine and tried from inside."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

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
