"""One wheel: from the cache, or built in a container without a compiler, or else in one with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

from runner.build.bases import BaseImage, BaseRequest
from runner.build.lock import Lock, Unavailable, lock_all
from runner.build.missing import failure
from runner.build.recipe import digest
from runner.build.unbuilt import Unbuilt, how_to_build, requirements
from runner.build.wheel_builder import PROGRAM, Backend, Builder, BuildError, builder
from runner.build.wheels import Wheel, pack_all, wheels_of
from runner.engine.protocol import Engine
from runner.errors import EngineError, SpecError
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.resolver import Pinned

#: What of Debian a build gets beside what the application names: a compiler, and git, of which
#: versions are computed.
COMPILER: Final = ("build-essential", "python3-dev", "pkg-config", "git")
#: What calls a build's hooks in the container; it runs from Python 3.7 up.
PYPROJECT_HOOKS: Final = Pinned(
    name="pyproject-hooks",
    version="1.2.0",
    text="pyproject-hooks==1.2.0 "
    "--hash=sha256:9e5c6bfa8dcc30091c74b0cf803c81fdd29d94f01992a7707bc97babb1141913\n",
)
#: Gives the base image of a cell's Python, without or with a compiler.
Bases: TypeAlias = Callable[[bool], BaseImage]


def base_with_compiler(python: str, debian: Sequence[str]) -> BaseRequest:
    """The base image in which is built what fails without a compiler."""
    packages = tuple(dict.fromkeys((*COMPILER, *debian)))
    return BaseRequest(name=f"py{python}-compiler", python=python, packages=packages)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where, for what and with what wheels are built."""

    engine: Engine
    request: EnvironmentRequest
    platform: str
    bases: Bases
    cache: Path
    say: Callable[[str], None] = field(repr=False)

    def key(self, unbuilt: Unbuilt, base: BaseImage, required: Lock) -> str:
        """All that decides what a wheel holds.

        A base made of Debian's packages is named by these, so that it is the same on any machine.
        """
        of_base = base.reference if base.origin == "debian" else base.image_id
        python = self.request.python
        return digest([unbuilt.digest, python, self.platform, of_base, required.digest, PROGRAM])


@dataclass(frozen=True, kw_only=True)
class Made:
    """A wheel, and the digest of what it was built of and how."""

    wheel: Path
    digest: str


class CannotBuildError(EngineError):
    """There is no wheel, by the fault of what is built; the message says why and what helps."""


def wheel_of(unbuilt: Unbuilt, shop: Workshop) -> Made:
    """The wheel, built where it was not before.

    Raises `CannotBuildError` with the compiler's or the build's own reason.
    """
    if unbuilt.is_wheel:
        return Made(wheel=unbuilt.archive, digest=unbuilt.digest)
    backend, stated = how_to_build(unbuilt)
    required = _locked(stated, unbuilt, shop)
    why = ""
    for with_compiler in (False, True):
        base = shop.bases(with_compiler)
        key = shop.key(unbuilt, base, required)
        directory, failed = shop.cache / "built" / key, shop.cache / "built" / f"{key}.failed"
        if made := next(directory.glob("*.whl"), None):
            return Made(wheel=made, digest=key)
        if failed.exists():
            why = failed.read_text(encoding="utf-8")
            continue
        shop.say(f"building {unbuilt.what} for Python {shop.request.python}{_how(with_compiler)}")
        try:
            return Made(wheel=_built(unbuilt, backend, required, base, shop, directory), digest=key)
        except BuildError as error:
            why = str(failure(error.printed))
            _keep(failed, why)
    raise CannotBuildError(
        f"{unbuilt.what} has no wheel for Python {shop.request.python} and cannot be built: {why}"
    )


def _how(with_compiler: bool) -> str:
    return ", with a compiler" if with_compiler else ""


def _locked(stated: Sequence[str], unbuilt: Unbuilt, shop: Workshop) -> Lock:
    """The wheels that a build requires."""
    request = replace(
        shop.request,
        requirements=tuple(Requirement(name=one, specifier="") for one in stated),
    )
    if not stated:
        return Lock(request=request, platform=shop.platform, text="")
    why = ""
    try:
        found = lock_all([request], platform=shop.platform, cache_directory=shop.cache)[request]
    except SpecError as error:  # which speaks of the matrix file
        why = str(error).partition(":")[0]
    else:
        if isinstance(found, Lock):
            return found
        why = found.reason if isinstance(found, Unavailable) else ""
    raise CannotBuildError(f"{unbuilt.what} cannot be built: of what its build requires, {why}")


def _packed(required: Lock, shop: Workshop) -> list[Path]:
    found = pack_all(wheels_of(required), shop.cache).values()
    for archive in found:
        if isinstance(archive, EngineError):
            raise archive
    return [archive for archive in found if isinstance(archive, Path)]


def _built(
    unbuilt: Unbuilt,
    backend: Backend,
    required: Lock,
    base: BaseImage,
    shop: Workshop,
    directory: Path,
) -> Path:
    """Build it on a base image."""
    hooks = Wheel(pinned=PYPROJECT_HOOKS, python=shop.request.python, platform=shop.platform)
    tools = [path for path in pack_all([hooks], shop.cache).values() if isinstance(path, Path)]
    directory.mkdir(parents=True, exist_ok=True)
    with builder(shop.engine, base, tools) as container:
        container.send(_packed(required, shop), "packages")
        container.send([unbuilt.archive], "source")
        _send_more(container, unbuilt, backend, required, shop)
        with tempfile.TemporaryDirectory(dir=directory) as aside:
            made = container.wheel(backend, Path(aside))
            return made.replace(directory / made.name)


def _send_more(
    container: Builder, unbuilt: Unbuilt, backend: Backend, required: Lock, shop: Workshop
) -> None:
    """Send what the build itself says that it requires besides."""
    more = requirements(container.requires(backend), unbuilt)
    known = {str(one) for one in required.request.requirements}
    if set(more) <= known:
        return
    whole = _locked(tuple(sorted({*known, *more})), unbuilt, shop)
    container.send(_packed(whole, shop), "packages")


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
