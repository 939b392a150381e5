"""One wheel: from the cache, or built in a container without a compiler, or else in one with."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from runner.build.bases import BaseImage, BaseRequest
from runner.build.build_container import PROGRAM, Backend, BuildError, builder
from runner.build.layers import aside
from runner.build.lock import Lock, lock_all
from runner.build.missing import failure
from runner.build.recipe import digest
from runner.build.suites import interpreter_package
from runner.build.unbuilt import Unbuilt, how_to_build, requirements
from runner.build.wheels import Wheel, pack, pack_all, wheels_of
from runner.engine.protocol import Engine
from runner.errors import EngineError, SpecError
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.resolver import Pinned

#: What of Debian a build gets beside what the application names: a compiler, and git, of which
#: versions are computed.
COMPILER: Final = ("build-essential", "pkg-config", "git")
#: What calls a build's hooks in the container; it runs from Python 3.7 up.
PYPROJECT_HOOKS: Final = Pinned(
    name="pyproject-hooks",
    version="1.2.0",
    text="pyproject-hooks==1.2.0 "
    "--hash=sha256:9e5c6bfa8dcc30091c74b0cf803c81fdd29d94f01992a7707bc97babb1141913\n",
)
#: Gives the base image of a cell's Python, without or with a compiler.
Bases: TypeAlias = Callable[[bool], BaseImage]


def base_with_compiler(python: str, debian: Sequence[str], kind: str = "debian") -> BaseRequest:
    """The base image in which is built what fails without a compiler.

    A Python of a registry brings its own headers; Debian's would be another one's.
    """
    own = [f"{interpreter_package(python)}-dev"]
    headers = own if kind == "debian" else []
    packages = tuple(dict.fromkeys((*COMPILER, *headers, *debian)))
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

    def packed(self, required: Lock) -> list[Path]:
        """The archives of packages; `EngineError` if one cannot be had."""
        found = list(pack_all(wheels_of(required), self.cache).values())
        for archive in found:
            if isinstance(archive, EngineError):
                raise archive
        return [archive for archive in found if isinstance(archive, Path)]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is built, how its project says that it is, and the packages which that requires."""

    unbuilt: Unbuilt
    backend: Backend
    required: Lock

    def key(self, base: BaseImage) -> str:
        """All that decides what the wheel holds.

        A base made of Debian's packages is named by these, so that it is the same on any machine.
        """
        of_base = base.reference if base.origin == "debian" else base.key
        return digest([self.unbuilt.digest, self.required.digest, of_base, PROGRAM])


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
    task = Task(unbuilt=unbuilt, backend=backend, required=_locked(stated, unbuilt, shop))
    made = _tried(task, shop, with_compiler=False)
    if isinstance(made, str):
        made = _tried(task, shop, with_compiler=True)
    if isinstance(made, Made):
        return made
    python = shop.request.python
    raise CannotBuildError(
        f"{unbuilt.what} has no wheel for Python {python} and cannot be built: {made}"
    )


def _tried(task: Task, shop: Workshop, *, with_compiler: bool) -> Made | str:
    """The wheel, or why building it failed. Either is kept: the next time it would be the same."""
    base = shop.bases(with_compiler)
    key = task.key(base)
    with _turn(key):  # environments that are locked side by side need the same
        return _once(task, base, key, shop, with_what=", with a compiler" if with_compiler else "")


@cache
def _turn(_key: str) -> threading.Lock:
    return threading.Lock()


def _once(task: Task, base: BaseImage, key: str, shop: Workshop, *, with_what: str) -> Made | str:
    directory = shop.cache / "built" / key
    failed = directory.with_suffix(".failed")
    if wheel := next(directory.glob("*.whl"), None):
        return Made(wheel=wheel, digest=key)
    if failed.exists():
        return failed.read_text(encoding="utf-8")
    shop.say(f"building {task.unbuilt.what} for Python {shop.request.python}{with_what}")
    try:
        return Made(wheel=_built(task, base, shop, directory), digest=key)
    except BuildError as error:
        why = str(failure(error.printed))
        with aside(failed) as unfinished:
            unfinished.write_text(why, encoding="utf-8")
        return why


def _built(task: Task, base: BaseImage, shop: Workshop, directory: Path) -> Path:
    """Build it on a base image, into a directory."""
    hooks = Wheel(pinned=PYPROJECT_HOOKS, python=shop.request.python, platform=shop.platform)
    tools = [pack(hooks, shop.cache)]
    packages = shop.packed(task.required)
    directory.mkdir(parents=True, exist_ok=True)
    with (
        builder(shop.engine, base, tools) as container,
        tempfile.TemporaryDirectory(dir=directory) as unfinished,
    ):
        container.send(packages, "packages")
        container.send([task.unbuilt.archive], "source")
        container.send(_more(container.requires(task.backend), task, shop), "packages")
        made = container.wheel(task.backend, Path(unfinished))
        return made.replace(directory / made.name)


def _more(required: Sequence[str], task: Task, shop: Workshop) -> list[Path]:
    """The packages that the build says it requires besides."""
    known = {str(one) for one in task.required.request.requirements}
    more = set(requirements(required)) - known
    if not more:
        return []
    return shop.packed(_locked(sorted(known | more), task.unbuilt, shop))


def _locked(stated: Sequence[str], unbuilt: Unbuilt, shop: Workshop) -> Lock:
    """The wheels that a build requires."""
    wanted = tuple(Requirement(name=one, specifier="") for one in stated)
    request = replace(shop.request, requirements=wanted)
    if not wanted:
        return Lock(request=request, platform=shop.platform, text="")
    try:
        found = lock_all([request], platform=shop.platform, cache_directory=shop.cache)[request]
    except SpecError as error:
        why = str(error).partition(":")[0]  # what follows speaks of the matrix file
    else:
        if isinstance(found, Lock):
            return found
        why = found.reason
    raise CannotBuildError(f"{unbuilt.what} cannot be built: of what its build requires, {why}")
