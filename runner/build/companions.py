"""Companions: the services that workloads talk to, with images and versions of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runner.build.bases import BaseImage, BaseRequest, base_of_cells
from runner.build.images import contract_file, dockerfile_of, key_of
from runner.build.layers import File, Layer
from runner.build.lock import Lock, Unavailable, lock_all
from runner.build.recipe import REPOSITORY, Image, Recipe
from runner.build.wheels import SITE
from runner.engine.companions import COMPANION_USER
from runner.errors import EngineError
from runner.matrix import plugins
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.matrix.plugins import CompanionKind

#: PostgreSQL refuses a user without a name.
PASSWD: Final = f"root:x:0:0::/root:/bin/sh\ncompanion:x:{COMPANION_USER}::/tmp:/bin/sh\n"


@dataclass(frozen=True, kw_only=True)
class CompanionImage(Image):
    """A companion's image, and the exact versions of its Python packages."""

    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Companion:
    """A companion with its lock; None if it needs no Python packages."""

    kind: CompanionKind
    lock: Lock | None

    @property
    def base(self) -> BaseRequest:
        """Its interpreter with its packages of the distribution."""
        if not self.kind.debian:
            return base_of_cells(self.kind.python)
        return BaseRequest(name=self.kind.name, python=self.kind.python, packages=self.kind.debian)

    def recipe(self, layers: Sequence[Layer], base: BaseImage) -> Recipe:
        """Its image: base, locked packages, program."""
        name, dockerfile = self.kind.name, dockerfile_of("companions")
        files = (
            File(path="companion/main.py", content=self.kind.program.read_bytes()),
            contract_file("companion"),
            File(path="etc/passwd", content=PASSWD.encode()),
            File(path=SITE, content=None),
        )
        key = key_of(base, files, self.lock.digest if self.lock else "", dockerfile)
        return Recipe(
            reference=f"{REPOSITORY}/companion:{name}-{key}",
            kind="companion",
            key=key,
            dockerfile=dockerfile,
            base=base.reference,
            base_id=base.image_id,
            layers=(*layers, Layer(title=f"the companion {name}", files=files)),
        )

    def image(self, made: Image) -> CompanionImage:
        """The image with what it holds."""
        versions = dict(self.lock.versions) if self.lock else {}
        return CompanionImage(
            reference=made.reference, image_id=made.image_id, key=made.key, versions=versions
        )


def lock_companions(
    names: Iterable[str], *, platform: str, cache: Path
) -> dict[str, Companion | EngineError]:
    """Companions by name, ready to be made; an error for one that has no lock."""
    kinds = {name: plugins.companions()[name] for name in sorted(set(names))}
    requests = {name: _request(kind) for name, kind in kinds.items()}
    locks = lock_all(
        [request for request in requests.values() if request.requirements],
        platform=platform,
        cache_directory=cache,
    )
    return {name: _companion(kind, locks.get(requests[name])) for name, kind in kinds.items()}


def _companion(kind: CompanionKind, lock: Lock | Unavailable | None) -> Companion | EngineError:
    if isinstance(lock, Unavailable):
        return EngineError(lock.reason)
    return Companion(kind=kind, lock=lock)


def _request(companion: CompanionKind) -> EnvironmentRequest:
    return EnvironmentRequest(
        python=companion.python,
        requirements=tuple(
            sorted(Requirement(name=n, specifier=s) for n, s in companion.packages.items())
        ),
        exclude_newer=companion.exclude_newer,
    )
