"""The lock of an application with wheels of all that has none in the index.

What has no wheel tells what it depends on only when it was built. So it is resolved, built, and
resolved again, until nothing is new. Nothing of it runs on this machine.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email.parser import Parser
from pathlib import Path
from typing import Final, TypeAlias

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from runner.application.application_lock import ApplicationLock
from runner.application.pins import AnySource, Requirements, Sdist
from runner.application.resolve import resolve_application
from runner.application.sources import source_at
from runner.build.unbuilt import Fetching, Unbuilt, fetched
from runner.build.wheel_build import Bases, CannotBuildError, Workshop, wheel_of
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import Built, Unavailable, uv_binary

#: How often is resolved: once more than what is built brings something else to build.
MOST_ROUNDS: Final = 20
#: Compilers keep a CPU busy each.
WORKERS: Final = 2
PROJECT: Final = "application.install"
#: What is built: its name and version, or where it comes from.
Wanted: TypeAlias = Sdist | AnySource


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Something that was built, and what it depends on as its metadata lists it."""

    built: Built
    requires: tuple[str, ...]


def lock_application(
    engine: Engine,
    requirements: Requirements,
    request: EnvironmentRequest,
    *,
    platform: str,
    bases: Bases,
    project: Path | None = None,
    secret: tuple[Path, ...] = (),
    cache: Path,
    say: Callable[[str], None],
) -> ApplicationLock | Unavailable:
    """The lock of an application in a cell, with `lock.built`, or why there is none.

    `bases` gives the base image of the cell's Python, without or with a compiler. With a `project`
    the directory of the application itself is installed too; files that are `secret` are left out
    of what is copied to a container. Raises `IndexUnavailableError`, `EngineUnavailableError`, and
    `SpecError` for a package or version that does not exist.
    """
    uv_binary()  # looked up before there are threads
    requirements = _with_project(requirements, project)
    shop = Workshop(
        engine=engine, request=request, platform=platform, bases=bases, cache=cache, say=say
    )
    fetching = Fetching(
        request=request, platform=platform, cache=cache, project=project, secret=secret
    )
    finished: dict[Wanted, Finished] = {}
    for _ in range(MOST_ROUNDS):
        known = {one.built.name: one.requires for one in finished.values()}
        found = resolve_application(requirements, request, platform, built=known)
        if isinstance(found, Unavailable):
            return found
        wanted = (*found.sdists, *found.sources)
        if not (missing := [one for one in wanted if one not in finished]):
            return replace(found, lock=replace(found.lock, built=_each_once(wanted, finished)))
        try:
            made = _all_built(missing, shop, fetching)
        except CannotBuildError as error:
            return Unavailable(request=request, reason=str(error))
        requirements = _named(requirements, made)
        finished |= {_by_name(one, done): done for one, done in made.items()}
    return Unavailable(
        request=request,
        reason=f"after {MOST_ROUNDS} rounds of building there is always something more to build",
    )


def _each_once(wanted: Sequence[Wanted], finished: Mapping[Wanted, Finished]) -> tuple[Built, ...]:
    """What was built, by name; of what is required twice the first counts."""
    built = {one.name: one for one in (finished[which].built for which in reversed(wanted))}
    return tuple(built[name] for name in sorted(built))


def _with_project(requirements: Requirements, project: Path | None) -> Requirements:
    """With the application's own directory."""
    if project is None:
        return requirements
    extras = tuple(sorted(requirements.extras))
    own = source_at(str(project.resolve()), place=PROJECT, roots=(project,), extras=extras)
    return replace(requirements, sources=(*requirements.sources, own))


def _all_built(missing: list[Wanted], shop: Workshop, fetching: Fetching) -> dict[Wanted, Finished]:
    def one(wanted: Wanted) -> Finished:
        try:
            unbuilt = fetched(wanted, fetching)
        except EngineError as error:  # it says of what
            raise CannotBuildError(str(error)) from error
        return _finished(unbuilt, shop)

    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(missing, pool.map(one, missing), strict=True))


def _named(requirements: Requirements, made: Mapping[Wanted, Finished]) -> Requirements:
    """With the names of sources that were found out by building them."""
    sources = (
        replace(source, name=source.name or made[source].built.name) if source in made else source
        for source in requirements.sources
    )
    return replace(requirements, sources=tuple(sources))


def _by_name(wanted: Wanted, finished: Finished) -> Wanted:
    return wanted if wanted.name else replace(wanted, name=finished.built.name)


def _finished(unbuilt: Unbuilt, shop: Workshop) -> Finished:
    try:
        made = wheel_of(unbuilt, shop)
    except CannotBuildError:
        raise
    except EngineError as error:
        raise CannotBuildError(f"{unbuilt.what}: {error}") from error
    try:
        name, version, *_ = parse_wheel_filename(made.wheel.name)
        metadata = _metadata(made.wheel)
    except (InvalidWheelFilename, zipfile.BadZipFile, KeyError) as error:
        raise CannotBuildError(f"{unbuilt.what}: what was built is no wheel ({error})") from None
    if unbuilt.name and canonicalize_name(unbuilt.name) != name:
        raise CannotBuildError(f"{unbuilt.what}: what was built is called {name}: correct the name")
    built = Built(
        name=name, version=str(version), origin=unbuilt.origin, digest=made.digest, wheel=made.wheel
    )
    return Finished(built=built, requires=tuple(metadata))


def _metadata(wheel: Path) -> list[str]:
    """What a wheel says that it depends on."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (n for n in packed.namelist() if n.endswith(".dist-info/METADATA"))
        text = packed.read(name).decode("utf-8", "replace")
    return Parser().parsestr(text, headersonly=True).get_all("Requires-Dist", [])
