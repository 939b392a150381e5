"""The locks of an application's environments: on the host alone, or with what is built for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

from runner.application.application_lock import ApplicationLock
from runner.application.resolve import resolve_application
from runner.build.bases import BaseImage, NoBaseError, base_of_cells, ensure_bases, resolve_kind
from runner.build.lock import WORKERS
from runner.build.own_wheels import lock_application
from runner.build.wheel_build import base_with_compiler
from runner.commands.cells import Locker
from runner.commands.own import Own
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.cell import Base, EnvironmentRequest
from runner.paths import CACHE
from runner.resolver import Unavailable, uv_binary

Found = Mapping[EnvironmentRequest, ApplicationLock | Unavailable]


def own_locker(own: Own) -> Locker:
    """Locks without an engine: nothing is built, so that some dependencies may not be known."""

    def one(request: EnvironmentRequest, platform: str) -> ApplicationLock | Unavailable:
        return resolve_application(own.requirements, request, platform)

    return partial(_several, one)


def building_locker(own: Own, engine: Engine, base: Base, say: Callable[[str], None]) -> Locker:
    """Locks, and builds in containers what has no wheel."""
    only_one = threading.Lock()

    @cache
    def image(python: str, *, with_compiler: bool) -> BaseImage:
        based_on = base_with_compiler if with_compiler else base_of_cells
        request = based_on(python, own.application.debian)
        kind = resolve_kind(engine, [python], base)
        made = ensure_bases(engine, [request], kind, base)[request]
        if isinstance(made, EngineError):
            raise made
        return made

    def image_once(python: str, with_compiler: bool) -> BaseImage:
        with only_one:
            return image(python, with_compiler=with_compiler)

    def one(request: EnvironmentRequest, platform: str) -> ApplicationLock | Unavailable:
        try:
            return lock_application(
                engine,
                own.requirements,
                request,
                platform=platform,
                bases=partial(image_once, request.python),
                project=own.project,
                cache=CACHE,
                say=say,
            )
        except NoBaseError as error:
            return Unavailable(request=request, reason=str(error))

    return partial(_several, one)


def _several(
    one: Callable[[EnvironmentRequest, str], ApplicationLock | Unavailable],
    requests: Iterable[EnvironmentRequest],
    platform: str,
) -> Found:
    wanted = list(requests)
    uv_binary()  # see `lock_all`
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda request: one(request, platform), wanted)
        return dict(zip(wanted, found, strict=True))
