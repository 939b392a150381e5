"""One launch to make, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.application.secret_values import Secrets
from runner.engine.pod import DISK, PodPlan
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits
from runner.measurement import companion
from runner.measurement.records import LaunchRecord


@dataclass(frozen=True, kw_only=True)
class Job:
    """One launch to make: in which wave, and where its cell is in the round's order, from 1."""

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
    companion_image: str | None = None


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """The record of a launch and the files that go with it, by name.

    `secrets` were known only in the launch, such as a header that a command printed: they are not
    stored.
    """

    record: LaunchRecord
    files: Mapping[str, bytes] = field(default_factory=dict)
    secrets: Secrets = field(default=Secrets(), repr=False)


def pod_plan(job: Job) -> PodPlan:
    """What to start for a launch."""
    kind = job.cell.workload.kind
    return PodPlan(
        run=job.run,
        cell=job.cell.id,
        server_image=job.server_image,
        server_command=job.server_command,
        loadgen_image=job.loadgen_image,
        limits=job.limits,
        server_volumes=(DISK,) if kind.disk else (),
        companion=companion.plan_of(kind.companion, job.companion_image),
        # Our own servers and workloads call themselves 127.0.0.1; what runs in a companion,
        # PostgreSQL for one, may look for `localhost`.
        host_names=kind.companion is not None,
    )
