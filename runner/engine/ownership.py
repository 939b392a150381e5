"""Who owns a container, so that a start removes what dead runs left, and nothing else.

Every container carries the host and the process that made it. A process is identified by its
pid, its start time and the boot it lives in, because pids are reused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from runner.engine.protocol import Engine, OwnedContainer

PROJECT_LABEL: Final = "org.monkey-matrix"
HOST_LABEL: Final = "org.monkey-matrix.host"
OWNER_LABEL: Final = "org.monkey-matrix.owner"
RUN_LABEL: Final = "org.monkey-matrix.run"
CELL_LABEL: Final = "org.monkey-matrix.cell"
POD_LABEL: Final = "org.monkey-matrix.pod"
#: How the name of a container ends whose namespaces the others of its pod share.
OWNS_NAMESPACES: Final = "-loadgen"


def process_start(pid: int) -> str | None:
    """When a process started, in clock ticks since boot, or None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


@cache
def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@cache
def host_id() -> str:
    """This host's name, and its machine id where it has one."""
    machine = Path("/etc/machine-id")
    return f"{socket.gethostname()}/{machine.read_text().strip() if machine.exists() else ''}"


def identity(pid: int | None = None) -> str:
    """`pid:start:boot` of a process, by default this one."""
    pid = pid or os.getpid()
    return f"{pid}:{process_start(pid)}:{boot_id()}"


def owner_labels(run: str, cell: str, pod: str) -> dict[str, str]:
    """The labels every container of this process carries."""
    return {
        PROJECT_LABEL: "1",
        HOST_LABEL: host_id(),
        OWNER_LABEL: identity(),
        RUN_LABEL: run,
        CELL_LABEL: cell,
        POD_LABEL: pod,
    }


def is_alive(owner: str) -> bool:
    """Whether the process that `identity` described still runs on this host."""
    pid, _, rest = owner.partition(":")
    return pid.isdigit() and owner == identity(int(pid)) and not rest.startswith("None")


def is_orphan(labels: Mapping[str, str]) -> bool:
    """Whether a container of this project was made on this host by a process that has ended."""
    return labels.get(HOST_LABEL) == host_id() and not is_alive(labels.get(OWNER_LABEL, ""))


def joiners_first(containers: Iterable[OwnedContainer]) -> list[OwnedContainer]:
    """In the order of removal: Podman keeps a container while others are in its namespaces."""
    return sorted(containers, key=lambda container: container.name.endswith(OWNS_NAMESPACES))


def remove_run(engine: Engine, run: str) -> None:
    """Remove all containers of this process's run.

    A run is called after the second it began in: one that another process began in the same second,
    with the same engine, is called the same.
    """
    _remove(engine, {RUN_LABEL: run})


def remove_own(engine: Engine) -> None:
    """Remove all containers of this process, also of a run at whose end it could not remove them.

    A worker serves several runs; only after its end does a start find that nobody owns them.
    """
    _remove(engine, {})


def _remove(engine: Engine, labels: Mapping[str, str]) -> None:
    mine = {HOST_LABEL: host_id(), OWNER_LABEL: identity(), **labels}
    for container in joiners_first(engine.owned()):
        if mine.items() <= container.labels.items():
            engine.remove(container.id)


def sweep(engine: Engine) -> list[OwnedContainer]:
    """Remove what dead runs of this host left; return what was removed."""
    orphans = [c for c in joiners_first(engine.owned()) if is_orphan(c.labels)]
    for container in orphans:
        engine.remove(container.id)
    return orphans
