"""What `run.json` holds of what an application talks to: what was started, and nothing secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from runner.application.services import OwnService
from runner.build.service_images import ServiceImage
from runner.measurement.records import Record


class ServiceRecord(Record):
    """A service as it was started: a `companion` of ours, an `image`, or packages of `debian`.

    `digest` is what a registry knows the image by, None for one that was made here; `image_id` is
    None for a companion, whose image is in the run's `companions`. Texts have `${NAME}` where a
    variable of the host's is, whose value is secret; `secret_environment` are the variables that
    have such a value. `volumes`, besides those of the image, came and went with it, and so did
    `tmpfs`, which was in memory; `files` were put there. It was ready when `check` succeeded or
    `port` accepted connections, for which it had `within_s` seconds; `after` are those that it
    waited for. `memory_mib` is the most that it might use.
    """

    companion: str | None = None
    image: str | None = None
    digest: str | None = None
    image_id: str | None = None
    debian: tuple[str, ...] = ()
    user: str | None = None
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    secret_environment: tuple[str, ...] = ()
    tmpfs: dict[str, str] = Field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    port: int | None = None
    within_s: float | None = None
    after: tuple[str, ...] = ()
    memory_mib: int | None = None

    def __str__(self) -> str:
        """`companion grpc`, `postgres:17 (sha256:…)`, `Debian's redis-server`."""
        if self.companion:
            return f"companion {self.companion}"
        digest = (self.digest or self.image_id or "").rpartition("sha256:")[2][:12]
        what = self.image or f"Debian's {', '.join(self.debian)}"
        return f"{what} ({digest})" if digest else what


def as_record(value: object) -> object:
    """A service as the first runs of schema 4 have it: the name of a companion."""
    return {"companion": value} if isinstance(value, str) else value


def service_records(
    companions: Mapping[str, str], others: Sequence[tuple[OwnService, ServiceImage]]
) -> dict[str, ServiceRecord]:
    """The records of services by name; `companions` maps those that are some to their kinds."""
    found = {name: ServiceRecord(companion=kind) for name, kind in companions.items()}
    return found | {own.name: _record(own, image) for own, image in others}


def _record(own: OwnService, image: ServiceImage) -> ServiceRecord:
    public, plan = own.public, image.plan
    program = plan.entrypoint if public.debian else public.entrypoint or ()
    check = public.healthcheck
    return ServiceRecord(
        image=public.image,
        digest=image.digest,
        image_id=image.image_id,
        debian=public.debian,
        user=plan.user,
        entrypoint=program,
        command=public.command or (),
        environment=dict(public.environment),
        secret_environment=own.secret_environment,
        tmpfs=dict(plan.tmpfs),
        volumes=plan.volumes,
        files=tuple(plan.files),
        check=(*(program if public.debian else ()), *check.command)
        if check and check.command
        else (),
        port=check.port if check else None,
        within_s=check.within_s if check else None,
        after=public.after,
        memory_mib=public.memory_bytes >> 20,
    )
