"""One launch to make, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from runner.application.remedies.rules import LeftOut
from runner.application.secret_values import Secrets
from runner.engine.companions import CompanionPlan
from runner.engine.pod import (
    APPLICATION,
    DISK,
    FILES,
    HOME,
    LOADGEN_MEMORY_BYTES,
    PodPlan,
    with_our_path,
)
from runner.errors import EngineError
from runner.matrix import plugins
from runner.matrix.application import Service
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits
from runner.measurement import companion
from runner.measurement.asked import WORKLOAD, Asked
from runner.measurement.records import LaunchRecord

#: What a server is told that is to say what blocks its event loop.
DIAGNOSE: Final = {"MATRIX_DIAGNOSE": "1"}


@dataclass(frozen=True, kw_only=True)
class OwnStart:
    """What the user's application is started with that no image has, for it may be secret.

    `environment` are variables, `files` the contents of the image's `files` in their order, and
    `services` what is started of those that are no companions, by name. `left_out` gives what of
    its source was not copied that a missing module or file may be.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: tuple[bytes, ...] = field(default=(), repr=False)
    left_out: LeftOut = field(default=lambda _: (), compare=False, repr=False)
    services: Mapping[str, CompanionPlan] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One launch to make: in which wave, and where its cell is in the round's order, from 1.

    `companion_images` maps a companion's name to its image; `own` is None for our own workloads.
    `asked` is what is sent, and its right answer. `before_s` is how long what runs before the
    server may take, in seconds; 0: nothing does. `diagnosed`: gevent's monitor thread is on.
    """

    run: str
    cell: Cell
    number: int
    server_image: str
    loadgen_image: str
    limits: Limits
    opening: AbOpening
    attempt: int = 1
    position: int = 1
    wave: int = 1
    server_command: tuple[str, ...] = ()
    companion_images: Mapping[str, str] = field(default_factory=dict)
    own: OwnStart | None = None
    asked: Asked = WORKLOAD
    before_s: float = 0.0
    diagnosed: bool = False


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """The record of a launch and the files that go with it, by name.

    `secrets` were known only in the launch, such as a header that a command printed: they are not
    stored.
    """

    record: LaunchRecord
    files: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Secrets = field(default=Secrets(), repr=False)


def memory_of(cell: Cell, limits: Limits) -> int:
    """The memory in bytes that a cell's pod may use, as far as that limits how many are up.

    It counts for users' applications: our own workloads use little of their limits.
    """
    if cell.workload.kind is not plugins.APPLICATION:
        return 0
    companions = sum(plugins.companions()[name].memory_bytes for name in cell.companions)
    others = sum(s.memory_bytes for s in cell.services if s.companion is None)
    return limits.memory_bytes + companions + others + LOADGEN_MEMORY_BYTES


def _without(environment: Mapping[str, str], cell: Cell) -> dict[str, str]:
    """Secret variables, without those that are axes: the cell's image has their values."""
    axes = dict(cell.variables)
    return {name: value for name, value in environment.items() if name not in axes}


def pod_plan(job: Job) -> PodPlan:
    """What to start for a launch."""
    kind, own = job.cell.workload.kind, job.own
    volumes = [DISK] if kind.disk else []
    if own:
        volumes += [APPLICATION, HOME, *([FILES] if own.files else [])]
    return PodPlan(
        run=job.run,
        cell=job.cell.id,
        server_image=job.server_image,
        server_command=job.server_command,
        loadgen_image=job.loadgen_image,
        limits=job.limits,
        server_volumes=tuple(volumes),
        server_environment={
            **(_without(with_our_path(own.environment), job.cell) if own else {}),
            **(DIAGNOSE if job.diagnosed else {}),
        },
        server_files=own.files if own else (),
        companions=(
            *_of_workload(job),
            *services_of(job.cell.services, own or OwnStart(), job.companion_images),
        ),
        # Our own servers and workloads call themselves 127.0.0.1; what runs in a companion,
        # PostgreSQL for one, may look for `localhost`, and a user's application as well.
        host_names=bool(own or job.cell.companions),
    )


def _of_workload(job: Job) -> Iterator[CompanionPlan]:
    """The companion of a workload of ours."""
    if kind := job.cell.workload.kind.companion:
        yield companion.plan_of(kind, job.companion_images.get(kind))


def services_of(
    services: Iterable[Service], own: OwnStart, companion_images: Mapping[str, str]
) -> Iterator[CompanionPlan]:
    """What is started of an application's services; `EngineError` for one without an image."""
    for service in services:
        if kind := service.companion:
            yield companion.plan_of(kind, companion_images.get(kind), service)
        elif plan := own.services.get(service.name):
            yield plan
        else:
            raise EngineError(f"there is no image of the service {service.name!r}")
