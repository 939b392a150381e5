"""What the rest of the program may ask of a container engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final, Protocol

DOCKER: Final = "Docker"
#: Among `security` of an engine that runs without root.
ROOTLESS: Final = "name=rootless"


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself. `endpoint` is the one address used for the whole run.

    `engine_id` is unique to the engine, None in runs of an earlier release and for Podman, which
    has none. `product` is whose engine it is, `Docker` or `Podman`.
    """

    endpoint: str
    version: str
    api_version: str
    operating_system: str
    kernel: str
    architecture: str
    cpus: int
    memory_bytes: int
    cgroup_version: str
    storage_driver: str
    security: tuple[str, ...] = ()
    engine_id: str | None = None
    product: str = DOCKER

    @property
    def label(self) -> str:
        """Its version, with its product's name where that is not Docker."""
        name = self.version if self.product == DOCKER else f"{self.product} {self.version}"
        return f"{name} (rootless)" if self.is_rootless else name

    @property
    def is_rootless(self) -> bool:
        """Whether it runs without root."""
        return ROOTLESS in self.security

    @property
    def overlooks_limits(self) -> bool:
        """Whether limits of memory and processes surely have no effect, though none is refused."""
        return self.is_rootless and self.cgroup_version == "1"


@dataclass(frozen=True, kw_only=True)
class EngineImage:
    """An image as the engine has it.

    `layers` are the digests of its layers' uncompressed archives, the lowest first; `config` is
    what its containers start with (`Env`, `User`, `Cmd`, `Labels` …). `digests` are what registries
    know it by, `postgres@sha256:…`; an image that was made here has none.
    """

    id: str
    layers: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = ""
    created: str = ""
    digests: tuple[str, ...] = ()

    @property
    def labels(self) -> Mapping[str, str]:
        """The image's labels."""
        return self.config.get("Labels") or {}


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """One container of a pod. `joins` is the container whose network and pids it shares.

    `shares_memory`: it shares /dev/shm too, with the one it joins, or with those that join it.
    `volumes` are places on the engine's disk that come and go with the container. `stdin`: its
    first process can be talked to by `Engine.attach`, and has no log. Without `host_names` there
    is no `/etc/hosts`, so `localhost` is unknown (127.0.0.1 is not): Docker before 28 then starts
    a container with a network of its own for a quarter of the CPU (60 instead of 230 ms), for it
    does not start its own program twice to set up an interface that is not wanted. `hosts` are
    further names of 127.0.0.1, for it and all that join it; the first is its own name. Without
    `entrypoint` and `command` it has the image's; with an `entrypoint` alone it has no command.
    """

    name: str
    image: str
    user: str
    entrypoint: tuple[str, ...] = field(default=(), repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    joins: str | None = None
    memory_bytes: int = 0
    pids: int = 0
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    stdin: bool = False
    host_names: bool = True
    hosts: tuple[str, ...] = ()
    shares_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """The state of a container. `exit_code` means something only when not running."""

    running: bool
    exit_code: int
    oom_killed: bool
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class ExecResult:
    """What a command in a container printed. `exit_code` is None when the deadline cut it off."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, kw_only=True)
class OwnedContainer:
    """A container with this project's labels."""

    id: str
    name: str
    labels: Mapping[str, str]


class Attached(Protocol):
    """The first process of a container, attached to: it answers each line with one line."""

    def ask(self, line: str, *, timeout: float) -> bytes:
        """Send a line and return the one answered.

        `EngineError` if none comes within `timeout` seconds, or the process has ended.
        """
        ...

    def close(self) -> None:
        """Hang up, which ends the process's standard input."""
        ...


class Engine(Protocol):
    """A container engine. Every call may raise `EngineError`; times are in seconds."""

    def info(self) -> EngineInfo:
        """Describe the engine."""
        ...

    def image(self, reference: str) -> EngineImage | None:
        """The image of that name or id, None if the engine has none."""
        ...

    def pull(self, reference: str) -> str:
        """Pull an image and return its id; raise `EngineError` with the registry's reason."""
        ...

    def import_image(self, archive: IO[bytes], reference: str, labels: Mapping[str, str]) -> str:
        """Make an image of a root file system in a tar archive; return its id."""
        ...

    def build(
        self,
        context: Iterator[bytes],
        reference: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        *,
        offline: bool = False,
    ) -> str:
        """Build a tar archive with a Dockerfile in it; raise `EngineError` with the build's log.

        `arguments` are values for the Dockerfile's `ARG`s; `offline` runs its commands without a
        network. Returns the image's id.
        """
        ...

    def load(self, archive: Iterator[bytes]) -> None:
        """Take in the images of an archive as `docker save` writes it; `EngineError` if refused."""
        ...

    def images(self) -> list[tuple[str, tuple[str, ...]]]:
        """(id, names) of each image that carries this project's label."""
        ...

    def remove_image(self, reference: str) -> None:
        """Remove an image or one of its names; one that does not exist is no error."""
        ...

    def create(self, spec: ContainerSpec) -> str:
        """Create a hardened container and return its id."""
        ...

    def put(
        self,
        container: str,
        directory: str,
        files: Mapping[str, tuple[bytes, int]],
        *,
        owner: tuple[int, int],
    ) -> None:
        """Put files into a directory of a created container: by name, their content and mode.

        `owner` is their user and group. Where its root file system cannot be written to, engines
        take them for a volume of the container only.
        """
        ...

    def start(self, container: str) -> None:
        """Start a created container."""
        ...

    def state(self, container: str) -> ContainerState:
        """The state of the container; `NotFoundError` if it was removed."""
        ...

    def exec(
        self, container: str, command: Iterable[str], *, timeout: float, user: str = ""
    ) -> ExecResult:
        """Run a command in a running container and wait for it, at most `timeout` seconds.

        It runs in the container's working directory with the container's variables, and without
        `user` as the container's user.
        """
        ...

    def attach(self, container: str) -> Attached:
        """Talk to the first process of a running container that was created with `stdin`."""
        ...

    def throttled_s(self, container: str) -> float | None:
        """Seconds a CPU quota held the container back, None if the engine does not say."""
        ...

    def logs(self, container: str) -> str:
        """All that the container printed so far, both streams."""
        ...

    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal to the container's first process; one that is not running is no error."""
        ...

    def remove(self, container: str) -> None:
        """Remove a container, running or not; one that is already removed is no error."""
        ...

    def owned(self) -> list[OwnedContainer]:
        """Every container that carries this project's label, running or not."""
        ...
