"""The containers of one running cell, as one context manager."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from runner.engine.companions import CompanionPlan, companion_spec, fill, start_remedy
from runner.engine.ownership import OWNS_NAMESPACES, POD_LABEL, joiners_first, owner_labels
from runner.engine.protocol import Attached, ContainerSpec, ContainerState, Engine
from runner.errors import EngineError
from runner.matrix.cell import Limits

LOADGEN_USER = "7000:7000"
SERVER_USER = "7001:7001"
SERVER_UID = 7001
#: Where a workload that needs a disk finds a volume; it has the owner that the image gives it.
DISK = "/data"
#: Where the user's application is, and the home of the user it runs as; each launch has a copy.
APPLICATION = "/application"
HOME = "/home/application"
#: Where the content of an application's files is put, by number; they are links to here.
FILES = "/files"
#: Only the server may read them.
FILE_MODE = 0o400
#: Where the server's image has its packages and our program.
PYTHON_PATH = "/site:/server"
#: What a pod with names of its own calls itself.
HOST_NAME = "application"
LOADGEN_MEMORY_BYTES = 256 << 20
LOADGEN_PIDS = 512
#: The agent answers until its standard input ends: by removal, or with the runner that talks to it.
#: Imported, it is not compiled again; and it needs nothing that Python looks for at its start.
AGENT_COMMAND = (
    "python3", "-I", "-S", "-c",
    "import sys; sys.path.insert(0, '/agent'); import agent; sys.exit(agent.main())", "serve",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PodPlan:
    """What to start for one launch of a cell. `host_names`: whether `localhost` is one of them.

    `server_environment` and `server_files` (the content of /files/0 and so on) may be secret: they
    are given to the container, and are in no image.
    """

    run: str
    cell: str
    server_image: str
    loadgen_image: str
    limits: Limits
    server_command: tuple[str, ...] = ()
    server_volumes: tuple[str, ...] = ()
    server_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    server_files: tuple[bytes, ...] = field(default=(), repr=False)
    companions: tuple[CompanionPlan, ...] = ()
    host_names: bool = True

    @property
    def hosts(self) -> tuple[str, ...]:
        """The pod's names besides `localhost`, its own first; our own workloads need none."""
        if APPLICATION not in self.server_volumes:
            return ()
        names = [name for companion in self.companions for name in companion.hosts]
        return tuple(dict.fromkeys((HOST_NAME, *names)))


def with_our_path(variables: Mapping[str, str]) -> dict[str, str]:
    """An application's variables; what it adds to Python's path comes before what is ours."""
    if "PYTHONPATH" not in variables:
        return dict(variables)
    paths = [path for path in (variables["PYTHONPATH"], PYTHON_PATH) if path]
    return {**variables, "PYTHONPATH": ":".join(paths)}


def loadgen_spec(
    image: str,
    name: str,
    labels: Mapping[str, str],
    *,
    host_names: bool = True,
    hosts: tuple[str, ...] = (),
) -> ContainerSpec:
    """The sidecar: it owns the network and process namespaces and carries `ab` and its agent."""
    return ContainerSpec(
        name=f"{name}{OWNS_NAMESPACES}",
        image=image,
        user=LOADGEN_USER,
        command=AGENT_COMMAND,
        labels=labels,
        memory_bytes=LOADGEN_MEMORY_BYTES,
        pids=LOADGEN_PIDS,
        stdin=True,
        host_names=host_names,
        hosts=hosts,
        shares_memory=True,
        tmpfs={"/tmp": "rw,noexec,nosuid,size=128m,mode=1777"},  # noqa: S108 - inside the pod
    )


def server_spec(plan: PodPlan, name: str, labels: Mapping[str, str], joins: str) -> ContainerSpec:
    """The server, in the sidecar's namespaces."""
    return ContainerSpec(
        name=f"{name}-server",
        image=plan.server_image,
        user=SERVER_USER,
        command=plan.server_command,
        environment=plan.server_environment,
        labels=labels,
        joins=joins,
        shares_memory=True,
        memory_bytes=plan.limits.memory_bytes,
        pids=plan.limits.pids,
        tmpfs={"/tmp": "rw,noexec,nosuid,size=64m,mode=1777"},  # noqa: S108 - inside the pod
        volumes=plan.server_volumes,
    )


class Pod:
    """Sidecar and companions start on entry, the server once they are ready; exit removes all.

    Also after a start that failed half-way. Companions that come after others are started by
    `start_companion`.
    """

    def __init__(self, engine: Engine, plan: PodPlan) -> None:
        self.engine = engine
        self.plan = plan
        self.token = uuid.uuid4().hex[:12]
        self.loadgen = ""
        self._agent: Attached | None = None
        self.companions: dict[str, str] = {}
        self.server = ""
        self._name = f"monkey-matrix-{self.token}"
        self._labels = owner_labels(plan.run, plan.cell, self.token)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _start(self) -> None:
        plan, name, labels = self.plan, self._name, self._labels
        sidecar = loadgen_spec(
            plan.loadgen_image, name, labels, host_names=plan.host_names, hosts=plan.hosts
        )
        self.loadgen = self.engine.create(sidecar)
        self.engine.start(self.loadgen)
        self._agent = self.engine.attach(self.loadgen)
        for companion in plan.companions:
            if not companion.after:
                self.start_companion(companion)

    def start_companion(self, plan: CompanionPlan) -> None:
        """Start a container beside the server; `EngineError` with its name."""
        spec = companion_spec(plan, self._name, self._labels, self.loadgen)
        try:
            container = self.companions[plan.name] = self.engine.create(spec)
            fill(self.engine, container, plan)
            self.engine.start(container)
        except EngineError as error:
            why = f"{error}{start_remedy(error)}"
            raise EngineError(f"{plan.title} cannot be started: {why}") from error

    def start_server(self) -> None:
        """Start the server; its companions must be ready."""
        spec = server_spec(self.plan, self._name, self._labels, self.loadgen)
        self.server = self.engine.create(spec)
        if self.plan.server_files:
            files = {str(i): (data, FILE_MODE) for i, data in enumerate(self.plan.server_files)}
            self.engine.put(self.server, FILES, files, owner=(SERVER_UID, SERVER_UID))
        self.engine.start(self.server)

    def _remove(self) -> None:
        """Remove all containers; where a call failed, also what it may have made unseen.

        The agent goes first: it ends when nobody talks to it any more, and with it, as the first
        process of their namespace, all others of the pod. What has ended is removed sooner.
        """
        if self._agent:
            self._agent.close()
        known = self.containers
        if len(known) < 2 + len(self.plan.companions):
            # First: some engines keep the sidecar while one that it does not know of has joined it.
            self._remove_by_label()
        for container in known:
            self.engine.remove(container)

    @property
    def containers(self) -> list[str]:
        """The ids of the containers that were created, the sidecar's last."""
        made = (self.server, *self.companions.values(), self.loadgen)
        return [container for container in made if container]

    def _remove_by_label(self) -> None:
        # A create call that timed out may still have created.
        with contextlib.suppress(EngineError):
            for container in joiners_first(self.engine.owned()):
                if container.labels.get(POD_LABEL) == self.token:
                    self.engine.remove(container.id)

    def ask(self, request: str, timeout: float) -> bytes:
        """Ask the agent in the sidecar, a line for a line; `timeout` in seconds."""
        if self._agent is None:
            raise EngineError("the pod was not started")
        return self._agent.ask(request, timeout=timeout)

    def loadgen_state(self) -> ContainerState:
        """The state of the sidecar."""
        return self.engine.state(self.loadgen)

    def server_state(self) -> ContainerState:
        """The state of the server."""
        return self.engine.state(self.server)

    def server_throttled_s(self) -> float | None:
        """How long the server was kept from the CPU by a quota, in seconds."""
        return self.engine.throttled_s(self.server)

    def server_log(self) -> str:
        """What the server printed so far."""
        return self.engine.logs(self.server)

    def companion_state(self, name: str) -> ContainerState:
        """The state of a companion."""
        return self.engine.state(self.companions[name])

    def companion_log(self, name: str) -> str:
        """What a companion printed so far."""
        return self.engine.logs(self.companions[name])

    def restart_server(self, wait: Callable[[], None]) -> None:
        """Kill the server and start it once more, in the same container; `wait` passes the time."""
        self.engine.kill(self.server)
        while self.server_state().running:
            wait()
        self.engine.start(self.server)

    def signal_server(self, signal: str) -> None:
        """Send a signal to the server's process."""
        self.engine.kill(self.server, signal)
