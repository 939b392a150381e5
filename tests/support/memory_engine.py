"""An engine without containers, for tests and benchmarks of everything around it.

It keeps the books of a real one: names are unique, a removed container is gone, a container that
joins another needs it running. What runs inside is a function handed in.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from runner.engine.ownership import PROJECT_LABEL
from runner.engine.protocol import (
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ExecResult,
    OwnedContainer,
)
from runner.errors import EngineError, NotFoundError

RUNNING = ContainerState(running=True, exit_code=0, oom_killed=False)
CREATED = ContainerState(running=False, exit_code=0, oom_killed=False)


@dataclass
class MemoryContainer:
    """One container: what was asked for and how it stands."""

    spec: ContainerSpec
    state: ContainerState = CREATED
    log: str = ""


@dataclass(frozen=True)
class MemoryProcess:
    """See `runner.engine.protocol.Attached`: what the behaviour answers to the agent's commands."""

    engine: MemoryEngine
    container: str

    def ask(self, line: str, *, timeout: float) -> bytes:
        """What the behaviour answers to `[name, {…}]`."""
        name, config = json.loads(line)
        spec = self.engine.attached_spec(self.container)
        command = ("python3", "/agent/agent.py", name, json.dumps(config))
        return self.engine.behaviour(self.engine, spec, command).stdout

    def close(self) -> None:
        """Nothing is kept open."""


#: What a command in a container answers; it may change the containers of the engine it is given.
Behaviour = Callable[["MemoryEngine", ContainerSpec, tuple[str, ...]], ExecResult]


@dataclass
class MemoryEngine:
    """See `runner.engine.protocol.Engine`. `calls` counts calls by name."""

    behaviour: Behaviour
    containers: dict[str, MemoryContainer] = field(default_factory=dict)
    known_images: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def _count(self, call: str) -> None:
        self.calls[call] = self.calls.get(call, 0) + 1

    def _container(self, container: str) -> MemoryContainer:
        try:
            return self.containers[container]
        except KeyError:
            raise NotFoundError(f"no such container: {container}") from None

    def info(self) -> EngineInfo:
        """Describe the engine."""
        self._count("info")
        return EngineInfo(
            endpoint="memory",
            version="0",
            api_version="0",
            operating_system="none",
            kernel="none",
            architecture="x86_64",
            cpus=2,
            memory_bytes=0,
            cgroup_version="2",
            storage_driver="none",
        )

    def image_id(self, reference: str) -> str | None:
        """The image's content id, None where there is no such image."""
        return f"sha256:{reference}" if reference in self.known_images else None

    def image_labels(self, reference: str) -> Mapping[str, str]:
        """The image's labels."""
        if reference not in self.known_images:
            raise NotFoundError(f"no such image: {reference}")
        return self.known_images[reference]

    def pull(self, reference: str) -> str:
        """No registry answers here."""
        raise EngineError(f"pulling {reference}: no registry")

    def import_image(self, archive: IO[bytes], reference: str, labels: Mapping[str, str]) -> str:
        """Know an image of that name."""
        archive.close()
        return self._know(reference, labels)

    def build(self, context: Path, reference: str, labels: Mapping[str, str]) -> str:
        """Know an image of that name."""
        if not (context / "Dockerfile").is_file():
            raise EngineError(f"building {reference}: no Dockerfile")
        return self._know(reference, labels)

    def _know(self, reference: str, labels: Mapping[str, str]) -> str:
        self.known_images[reference] = dict(labels)
        return f"sha256:{reference}"

    def tag(self, image: str, reference: str) -> None:
        """Give an image one more name."""
        self._know(reference, self.image_labels(image.removeprefix("sha256:")))

    def images(self) -> list[tuple[str, tuple[str, ...]]]:
        """(id, names) of every image."""
        return [(f"sha256:{name}", (name,)) for name in self.known_images]

    def remove_image(self, reference: str) -> None:
        """Forget an image."""
        self.known_images.pop(reference, None)

    def create(self, spec: ContainerSpec) -> str:
        """Create a container; its name must be free."""
        self._count("create")
        if any(c.spec.name == spec.name for c in self.containers.values()):
            raise EngineError(f"the name {spec.name} is in use")
        container = f"c{next(iter(self._numbers))}"
        self.containers[container] = MemoryContainer(spec)
        return container

    def start(self, container: str) -> None:
        """Start a container; the one it joins must run."""
        self._count("start")
        found = self._container(container)
        if found.spec.joins and not self._container(found.spec.joins).state.running:
            raise EngineError(f"{found.spec.joins} is not running")
        found.state = RUNNING

    def state(self, container: str) -> ContainerState:
        """How the container stands."""
        self._count("state")
        return self._container(container).state

    def exec(
        self,
        container: str,
        command: Iterable[str],
        *,
        timeout: float,
        user: str = "",
    ) -> ExecResult:
        """What the behaviour answers."""
        self._count("exec")
        return self.behaviour(self, self._container(container).spec, tuple(command))

    def attach(self, container: str) -> MemoryProcess:
        """Talk to a running container that was created with `stdin`."""
        self._count("attach")
        found = self._container(container)
        if not (found.spec.stdin and found.state.running):
            raise EngineError(f"{container} cannot be talked to")
        return MemoryProcess(self, container)

    def attached_spec(self, container: str) -> ContainerSpec:
        """The container whose process is asked something; one that is gone answers nothing."""
        self._count("ask")
        return self._container(container).spec

    def throttled_s(self, container: str) -> float | None:
        """Nothing is ever held back here."""
        self._count("throttled_s")
        self._container(container)
        return 0.0

    def logs(self, container: str) -> str:
        """All that the container printed."""
        self._count("logs")
        return self._container(container).log

    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Killed is not running; any other signal is written to the log."""
        self._count("kill")
        found = self._container(container)
        if signal == "SIGKILL":
            found.state = ContainerState(running=False, exit_code=137, oom_killed=False)
        else:
            found.log += f"{signal}\n"

    def remove(self, container: str) -> None:
        """Remove a container; one that is gone is removed."""
        self._count("remove")
        self.containers.pop(container, None)

    def owned(self) -> list[OwnedContainer]:
        """Every container with this project's label."""
        self._count("owned")
        return [
            OwnedContainer(id=name, name=c.spec.name, labels=c.spec.labels)
            for name, c in self.containers.items()
            if PROJECT_LABEL in c.spec.labels
        ]
