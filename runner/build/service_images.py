"""Images of services: those of registries, and those made of Debian's packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from runner.application.services import OwnService
from runner.build.bases import BaseImage, BaseRequest
from runner.build.companions import PASSWD
from runner.build.images import dockerfile_of, key_of
from runner.build.layers import File, Layer
from runner.build.recipe import REPOSITORY, Image, Recipe, digest
from runner.engine.companions import (
    COMPANION_TMPFS,
    COMPANION_USER,
    CompanionPlan,
    numbers,
)
from runner.engine.protocol import Engine, EngineImage
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.application import Service
from runner.matrix.known_images import known_image, user_of
from runner.matrix.services import INITIAL
from runner.paths import IMAGES
from runner.stages import Stages
from runner.text import one_line

#: The Python of the suite that services are taken from, as companions are.
PYTHON: Final = "3.13"
NAMED_IN: Final = "application.services"
PROGRAM: Final = IMAGES / "services" / "with-path"
WITH_PATH: Final = "/service/with-path"
ROOT: Final = frozenset({"", "0", "root"})
#: Where programs put their sockets and process ids.
RUN: Final = "/run"
RUN_DIRECTORIES: Final = (RUN, "/var/run")


@dataclass(frozen=True, kw_only=True)
class DebianService:
    """The image of a service that has some packages of Debian: services may share it."""

    packages: tuple[str, ...]

    @property
    def base(self) -> BaseRequest:
        """The base image, with the packages."""
        name = f"service-{digest(self.packages)[:8]}"
        return BaseRequest(name=name, python=PYTHON, packages=self.packages, named_in=NAMED_IN)

    def recipe(self, layers: Sequence[Layer], base: BaseImage) -> Recipe:
        """The image: base, a user with a name, and what finds the programs."""
        dockerfile = dockerfile_of("services")
        files = (
            File(path=WITH_PATH.lstrip("/"), content=PROGRAM.read_bytes(), mode=0o755),
            File(path="etc/passwd", content=PASSWD.encode()),
        )
        key = key_of(base, files, dockerfile)
        return Recipe(
            reference=f"{REPOSITORY}/service:{key}",
            kind="service",
            key=key,
            dockerfile=dockerfile,
            base=base.reference,
            base_id=base.image_id,
            layers=(*layers, Layer(title="what starts a service", files=files)),
        )


@dataclass(frozen=True, kw_only=True)
class ServiceImage(Image):
    """The image of a service, and how it is started.

    `digest` is what its registry knows the image by, None where it was made here.
    """

    digest: str | None
    plan: CompanionPlan


def debian_service(service: Service) -> DebianService:
    """The image that a service with `debian:` has."""
    return DebianService(packages=tuple(sorted(set(service.debian))))


# -- from a registry -------------------------------------------------------------------------------


def pull_all(engine: Engine, services: Iterable[OwnService], stages: Stages) -> None:
    """Pull each image that the engine has not; `EngineUnavailableError` says which cannot be had.

    A service that cannot be had stops everything: no cell can do without it.
    """
    for own in services:
        reference = own.service.image
        if reference is None or engine.image(reference):
            continue
        stages.say(f"service {own.name}: pulling {reference}")
        try:
            with stages.stage(f"pull of {reference}"):
                engine.pull(reference)
        except EngineError as error:
            raise EngineUnavailableError(
                f"service {own.name!r}: {reference} cannot be pulled: {one_line(str(error))}; "
                f"correct the name, load or build it under that name{_instead(reference)}"
            ) from error


def _instead(reference: str) -> str:
    """What a service can be besides the image, where that is known."""
    known = known_image(reference)
    if known is None or not known.packages:
        return ""
    package = min(known.packages, key=lambda name: (-len(name), name))
    return f", or take Debian's: `debian: [{package}]` with the `command:` that starts it"


def service_images(
    engine: Engine, services: Iterable[OwnService], made: Mapping[DebianService, Image]
) -> dict[str, ServiceImage]:
    """The images of services by name; those of registries were pulled, the others `made`."""
    found: dict[str, ServiceImage] = {}
    for own in services:
        if own.service.image is None:
            image = made[debian_service(own.service)]
            plan = replace(_of_debian(own), image=image.image_id)
            found[own.name] = ServiceImage(**vars(image), digest=None, plan=plan)
            continue
        pulled = engine.image(own.service.image)
        if pulled is None:
            raise EngineError(f"service {own.name!r}: {own.service.image} is gone; run it again")
        known_as = min(pulled.digests, default=None)
        found[own.name] = ServiceImage(
            reference=own.service.image,
            image_id=pulled.id,
            key=known_as or pulled.id,
            digest=known_as,
            plan=_of_image(own, pulled),
        )
    return found


# -- how it is started -----------------------------------------------------------------------------


def _common(own: OwnService) -> dict[str, Any]:
    service = own.service
    return {
        "name": own.name,
        "hosts": (own.name,),
        "memory_bytes": service.memory_bytes,
        "after": service.after,
        "healthcheck": service.healthcheck,
    }


def _of_debian(own: OwnService) -> CompanionPlan:
    """The command is for a shell, or a program with its arguments; the root is read-only."""
    service = own.service
    check = service.healthcheck
    common = _common(own)
    if check and check.command:
        common["healthcheck"] = replace(check, command=(WITH_PATH, *check.command))
    return CompanionPlan(
        **common,
        image="",
        entrypoint=(WITH_PATH,),
        command=service.command or (),
        environment=dict(service.environment),
        tmpfs={
            **COMPANION_TMPFS,
            RUN: _memory(COMPANION_USER),
            **_tmpfs(service, COMPANION_USER),
        },
    )


def _of_image(own: OwnService, image: EngineImage) -> CompanionPlan:
    """As the image says, but that nothing is root's, and all but its volumes is read-only.

    Who the image is made for owns its volumes, and directories in /run. A user of ours has them in
    memory instead: whatever their owner in the image, that in a container would be the same.
    """
    service, user = own.service, _user(own.service, image)
    volumes, memory, home = [RUN], dict(COMPANION_TMPFS), {}
    if user == COMPANION_USER:
        volumes = []
        places = (*RUN_DIRECTORIES, *sorted(image.config.get("Volumes") or {}))
        memory |= dict.fromkeys(places, _memory(user))
        home = {"HOME": "/tmp"}  # noqa: S108 - inside the pod
    memory |= _tmpfs(service, user)
    if own.files:
        volumes.append(INITIAL)
        memory.pop(INITIAL, None)
    return CompanionPlan(
        **_common(own),
        image=image.id,
        user=user,
        entrypoint=service.entrypoint or (),
        command=service.command or (),
        environment={**home, **dict(service.environment)},
        tmpfs=memory,
        volumes=tuple(volume for volume in volumes if volume not in memory),
        files=own.files,
    )


def _user(service: Service, image: EngineImage) -> str:
    """Who runs it: whom the matrix file says, else the image, else an image's root turns into."""
    if service.user:
        return service.user
    of_image = str(image.config.get("User") or "")
    if of_image.partition(":")[0] not in ROOT:
        return of_image
    return user_of(service.image or "") or COMPANION_USER


def _tmpfs(service: Service, user: str) -> dict[str, str]:
    """The directories in memory that the matrix file names; they belong to the service's user."""
    found = {}
    for entry in service.tmpfs:
        path, _, options = entry.partition(":")
        found[path] = _memory(user) + (f",{options}" if options else "")
    return found


def _memory(user: str) -> str:
    """The options of a directory in memory. Its mode is that of the image's directory.

    A user by name has numbers that only the image knows: for such a one it is root's.
    """
    owner = numbers(user)
    return "rw,exec,nosuid" + (f",uid={owner[0]},gid={owner[1]}" if owner else "")
