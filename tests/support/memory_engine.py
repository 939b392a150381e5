"""An engine without containers, for tests and benchmarks of everything around it.

It keeps the books of a real one: names are unique, a removed container is gone, a container that
joins another needs it running. What runs inside is a function handed in.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from runner.engine.ownership import PROJECT_LABEL
from runner.engine.protocol import (
    ContainerSpec,
    ContainerState,
    EngineImage,
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
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryProcess:
    """An `Attached` whose answers are what the behaviour answers to the agent's commands."""

    engine: MemoryEngine
    container: str

    def ask(self, line: str, *, timeout: float) -> bytes:
        """What the behaviour answers to `[name, {…}]`, or to what another program is asked."""
        spec = self.engine.attached_spec(self.container)
        asked = json.loads(line)
        name, config = asked if isinstance(asked, list) else ("", asked)
        command = ("python3", "/agent/agent.py", name, json.dumps(config))
        return self.engine.behaviour(self.engine, spec, command).stdout

    def close(self) -> None:
        """Nothing is kept open."""


#: What a command in a container answers; it may change the containers of the engine it is given.
Behaviour = Callable[["MemoryEngine", ContainerSpec, tuple[str, ...]], ExecResult]


@dataclass
class MemoryEngine:
    """An `Engine` in memory. `calls` counts calls by name; `layers` were loaded."""

    behaviour: Behaviour
    containers: dict[str, MemoryContainer] = field(default_factory=dict)
    known_images: dict[str, EngineImage] = field(default_factory=dict)
    layers: dict[str, bytes] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def close(self) -> None:
        """There is no connection."""

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

    def image(self, reference: str) -> EngineImage | None:
        """The image of that name or id."""
        by_id = {image.id: image for image in self.known_images.values()}
        return self.known_images.get(reference) or by_id.get(reference)

    def pull(self, reference: str) -> str:
        """No registry answers here."""
        raise EngineError(f"pulling {reference}: no registry")

    def import_image(self, archive: IO[bytes], reference: str, labels: Mapping[str, str]) -> str:
        """Know an image of that name."""
        archive.close()
        return self._know(reference, labels)

    def build(
        self,
        context: Iterator[bytes],
        reference: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        *,
        offline: bool = False,
    ) -> str:
        """Know an image of that name."""
        self._count("build")
        with tarfile.open(fileobj=io.BytesIO(b"".join(context))) as tar:
            if "Dockerfile" not in tar.getnames():
                raise EngineError(f"building {reference}: no Dockerfile")
        return self._know(reference, labels)

    def load(self, archive: Iterator[bytes]) -> None:
        """Know the images of an archive; each layer must be in it or known, and have its digest."""
        self._count("load")
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            files = {m.name: read.read() for m in tar if (read := tar.extractfile(m))}
        for image in json.loads(files["manifest.json"]):
            found = json.loads(files[image["Config"]])
            layers = found["rootfs"]["diff_ids"]
            for name, layer in zip(image["Layers"], layers, strict=True):
                if name in files:
                    self.layers[f"sha256:{hashlib.sha256(files[name]).hexdigest()}"] = files[name]
                elif not any(layer in known.layers for known in self.known_images.values()):
                    raise EngineError(f"open {name}: no such file or directory")
                if name in files and layer not in self.layers:
                    raise EngineError(f"invalid diffID for layer {layer}")
            self.known_images[image["RepoTags"][0]] = EngineImage(
                id=f"sha256:{image['Config'].removesuffix('.json')}",
                layers=tuple(layers),
                config=found["config"],
                architecture=found["architecture"],
            )

    def _know(self, reference: str, labels: Mapping[str, str]) -> str:
        image = EngineImage(
            id=f"sha256:{reference}",
            layers=(f"sha256:layer-of-{reference}",),
            config={"Labels": dict(labels)},
        )
        self.known_images[reference] = image
        return image.id

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

    def put(
        self,
        container: str,
        directory: str,
        files: Mapping[str, tuple[bytes, int]],
        *,
        owner: tuple[int, int],
    ) -> None:
        """Keep the files of a container that was not started; they must be for a volume."""
        self._count("put")
        found = self._container(container)
        if directory not in found.spec.volumes:
            raise EngineError("container rootfs is marked read-only")
        if found.state.running:
            raise EngineError(f"{container} runs already")
        found.files |= {f"{directory}/{name}": file for name, file in files.items()}

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
        """Remove a container; one that is gone is removed, one that others join is not."""
        self._count("remove")
        if any(other.spec.joins == container for other in self.containers.values()):
            raise EngineError(f"{container} has dependent containers which must be removed first")
        self.containers.pop(container, None)

    def owned(self) -> list[OwnedContainer]:
        """Every container with this project's label."""
        self._count("owned")
        return [
            OwnedContainer(id=name, name=c.spec.name, labels=c.spec.labels)
            for name, c in self.containers.items()
            if PROJECT_LABEL in c.spec.labels
        ]


def silent(_: MemoryEngine, __: ContainerSpec, ___: tuple[str, ...]) -> ExecResult:
    """A behaviour: every command succeeds and prints nothing."""
    return ExecResult(exit_code=0, stdout=b"", stderr=b"")
