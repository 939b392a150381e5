"""What images a run needs, and which of them stands on which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from runner.build.application_image import ApplicationImage
from runner.build.bases import LOADGEN, BaseRequest, base_of_cells
from runner.build.companions import Companion
from runner.build.lock import Lock
from runner.build.service_images import DebianService
from runner.build.wheels import Wheel, wheels_of
from runner.errors import EngineError
from runner.matrix.cell import Cell, EnvironmentRequest


@dataclass(frozen=True, kw_only=True)
class OnEnvironment:
    """The image of an application on an environment, before or after its commands were run."""

    environment: EnvironmentRequest
    prepared: bool = False


#: What an image is for: an environment, the application on it, a cell, a companion by its name, a
#: service of Debian's packages, or the load generator.
Subject: TypeAlias = EnvironmentRequest | OnEnvironment | Cell | str | DebianService | BaseRequest


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What images are made for."""

    experiment: str
    cells: tuple[Cell, ...]
    locks: Mapping[EnvironmentRequest, Lock]
    companions: Mapping[str, Companion | EngineError]
    application: ApplicationImage | None
    cache: Path
    services: tuple[DebianService, ...] = ()

    @cached_property
    def environments(self) -> tuple[EnvironmentRequest, ...]:
        """Those of the cells."""
        return tuple(dict.fromkeys(cell.environment for cell in self.cells))

    @property
    def bases(self) -> list[BaseRequest]:
        """The base images of all of them."""
        found = [self.base(environment) for environment in self.environments]
        found += [LOADGEN, *(companion.base for companion in self.possible.values())]
        return [*found, *(service.base for service in self.services)]

    @property
    def possible(self) -> dict[str, Companion]:
        """The companions that have their lock."""
        return {n: c for n, c in self.companions.items() if isinstance(c, Companion)}

    @property
    def wheels(self) -> list[Wheel]:
        """The distributions of all of them."""
        locks = [self.locks[environment] for environment in self.environments]
        locks += [companion.lock for companion in self.possible.values() if companion.lock]
        return [wheel for lock in locks for wheel in wheels_of(lock)]

    def on(self, base: BaseRequest) -> list[Subject]:
        """Everything whose image stands on this base."""
        environments = [e for e in self.environments if self.base(e) == base]
        applications = [image for e in environments for image in self.on_environment(e)]
        cells = [cell for cell in self.cells if cell.environment in set(environments)]
        companions = [name for name, c in self.possible.items() if c.base == base]
        services = [service for service in self.services if service.base == base]
        loadgen = [LOADGEN] if base == LOADGEN else []
        return [*environments, *applications, *cells, *companions, *services, *loadgen]

    def base(self, environment: EnvironmentRequest) -> BaseRequest:
        """The base image of an environment."""
        return base_of_cells(
            environment.python, self.application.debian if self.application else ()
        )

    def on_environment(self, environment: EnvironmentRequest) -> list[OnEnvironment]:
        """The application's images on an environment, that of its cells last."""
        if self.application is None:
            return []
        plain = OnEnvironment(environment=environment)
        return [plain, *([replace(plain, prepared=True)] if self.application.prepare else [])]

    def below(self, subject: OnEnvironment | Cell) -> EnvironmentRequest | OnEnvironment:
        """The image that this one stands on."""
        if isinstance(subject, Cell):
            applications = self.on_environment(subject.environment)
            return applications[-1] if applications else subject.environment
        return replace(subject, prepared=False) if subject.prepared else subject.environment
