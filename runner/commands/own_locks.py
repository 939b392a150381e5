"""The locks of an application's environments: on the host alone, or with what is built for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runner.application.application_lock import ApplicationLock
from runner.application.pins import Requirements
from runner.application.resolve import resolve_application
from runner.build.bases import BaseImage, base_of_cells, ensure_bases, resolve_kind
from runner.build.lock import WORKERS, keep
from runner.build.own_wheels import lock_application
from runner.build.recipe import digest
from runner.build.wheel_build import base_with_compiler
from runner.commands.cells import Locker
from runner.commands.own import Own
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.cell import Base, EnvironmentRequest
from runner.paths import CACHE
from runner.resolver import Unavailable, uv_binary

STORED = TypeAdapter(ApplicationLock)
REQUIREMENTS = TypeAdapter(Requirements)


def own_locker(own: Own) -> Locker:
    """Locks without an engine: nothing is built, so that some dependencies may not be known."""

    def one(request: EnvironmentRequest, platform: str) -> ApplicationLock | Unavailable:
        return resolve_application(own.requirements, request, platform)

    return partial(_several, one)


def building_locker(
    own: Own, engine: Engine, base: Base, say: Callable[[str], None], *, fresh: bool = False
) -> Locker:
    """Locks, and builds in containers what has no wheel.

    A lock made before is used again unless `fresh`, so that a run goes on with what it began with.
    """

    def lock_them(
        requests: Iterable[EnvironmentRequest], platform: str
    ) -> Mapping[EnvironmentRequest, ApplicationLock | Unavailable]:
        wanted = list(requests)
        kind = resolve_kind(engine, {request.python for request in wanted}, base)
        bases = Bases(engine=engine, debian=own.application.debian, kind=kind, base=base)

        def one(request: EnvironmentRequest, platform: str) -> ApplicationLock | Unavailable:
            stored = stored_lock(own, request, platform)
            if not fresh and (found := _read(stored)):
                return found
            made = lock_application(
                engine,
                own.requirements,
                request,
                platform=platform,
                bases=partial(bases.image, request.python),
                project=own.project,
                secret=own.secret_paths,
                cache=CACHE,
                say=say,
            )
            if isinstance(made, ApplicationLock) and not made.sources:
                keep(stored, STORED.dump_json(made).decode())
            return made

        return _several(one, wanted, platform)

    return lock_them


@dataclass(frozen=True, kw_only=True)
class Bases:
    """The base images of an application's cells, without and with a compiler, each made once."""

    engine: Engine
    debian: tuple[str, ...]
    kind: str
    base: Base
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def image(self, python: str, with_compiler: bool) -> BaseImage:
        """The image of a Python; raises the `EngineError` that stands for one."""
        request = (
            base_with_compiler(python, self.debian, self.kind)
            if with_compiler
            else base_of_cells(python, self.debian)
        )
        with self.one_at_a_time:
            made = ensure_bases(self.engine, [request], self.kind, self.base)[request]
        if isinstance(made, EngineError):
            raise made
        return made


def stored_lock(own: Own, request: EnvironmentRequest, platform: str) -> Path:
    """Where the lock of an environment is kept. What is built of a source is built each time."""
    asked = [request.python, platform, request.exclude_newer or "", *map(str, request.requirements)]
    name = digest([*asked, REQUIREMENTS.dump_json(own.requirements), str(own.project)])[:32]
    return CACHE / "locks" / f"{name}.json"


def _read(stored: Path) -> ApplicationLock | None:
    """A lock that was kept, None for one that cannot be used any more."""
    try:
        found = STORED.validate_json(stored.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if all(built.wheel.exists() for built in found.lock.built) else None


def _several(
    one: Callable[[EnvironmentRequest, str], ApplicationLock | Unavailable],
    requests: Iterable[EnvironmentRequest],
    platform: str,
) -> Mapping[EnvironmentRequest, ApplicationLock | Unavailable]:
    wanted = list(requests)
    uv_binary()  # see `lock_all`
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda request: one(request, platform), wanted)
        return dict(zip(wanted, found, strict=True))
