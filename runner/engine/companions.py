"""Containers beside the server: companions of ours, and services of an application."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from runner.engine.protocol import ContainerSpec, Engine
from runner.errors import EngineError
from runner.matrix.application import Healthcheck

COMPANION_USER: Final = "7002:7002"
COMPANION_PIDS: Final = 4096
COMPANION_TMPFS: Final = {"/tmp": "rw,exec,nosuid,size=1g,mode=1777"}  # noqa: S108


@dataclass(frozen=True, kw_only=True)
class CompanionPlan:
    """A container beside the server: what to start, and the memory it may use, in bytes.

    `name` is that of the application's service, or the kind of the workload's companion; `hosts`
    are the names that the server has for it, all of which mean the pod itself. `kind` is which of
    our companions it is, None for a service that is none: that is ready by its `healthcheck`, or
    without one once it runs. It starts when those in `after` are ready.

    `volumes` come and go with it, and begin as the image has them; `files`, content and mode by
    path, are put into them before it starts. `command`, `environment` and the check may be secret.
    """

    name: str
    image: str
    memory_bytes: int
    hosts: tuple[str, ...] = ()
    kind: str | None = None
    user: str = COMPANION_USER
    entrypoint: tuple[str, ...] = field(default=(), repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    tmpfs: Mapping[str, str] = field(default_factory=lambda: COMPANION_TMPFS)
    volumes: tuple[str, ...] = ()
    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)
    healthcheck: Healthcheck | None = field(default=None, repr=False)
    after: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is called in messages."""
        if self.kind == self.name:
            return f"the companion {self.name!r}"
        return f"service {self.name!r}" + (f" (companion {self.kind})" if self.kind else "")


def companion_spec(
    plan: CompanionPlan, name: str, labels: Mapping[str, str], joins: str
) -> ContainerSpec:
    """A container beside the server, in the sidecar's namespaces, as a user of its own."""
    return ContainerSpec(
        name=f"{name}-companion-{plan.name}",
        image=plan.image,
        user=plan.user,
        entrypoint=plan.entrypoint,
        command=plan.command,
        environment=plan.environment,
        labels=labels,
        joins=joins,
        memory_bytes=plan.memory_bytes,
        pids=COMPANION_PIDS,
        tmpfs=plan.tmpfs,
        volumes=plan.volumes,
    )


def fill(engine: Engine, container: str, plan: CompanionPlan) -> None:
    """Put the files of a created container into its volumes."""
    for volume in plan.volumes:
        below = {
            posixpath.relpath(path, volume): file
            for path, file in plan.files.items()
            if path.startswith(f"{volume}/")
        }
        if below:
            engine.put(container, volume, below, owner=(0, 0))


def start_remedy(error: EngineError) -> str:
    """What helps a service that the engine cannot start, as the rest of a sentence."""
    if "unable to find user" in str(error):
        return "; `user: NUMBER` is one that its image need not know"
    if "executable file not found" in str(error) or "no such file or directory" in str(error):
        return "; correct its `command:` or `entrypoint:`"
    return ""


def numbers(user: str) -> tuple[int, int] | None:
    """User and group by number, None for a user by name, whose numbers only the image knows."""
    uid, _, gid = user.partition(":")
    if not uid.isdecimal() or (gid and not gid.isdecimal()):
        return None
    return int(uid), int(gid or 0)
