"""Base images: an interpreter each, from a registry or from Debian's own suites."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.build.recipe import KEY_LABEL, REPOSITORY, Image, Recipe, digest, ensure, labels
from runner.build.suites import SUITES, bootstrap, contents, installed
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.cell import Base
from runner.paths import IMAGES
from runner.text import listed

#: How apt says that a package does not exist, or has no version.
NO_PACKAGE: Final = re.compile(
    r"Unable to locate package (?P<plain>[^\s'\"]+)"
    r"|Package '(?P<quoted>[^']+)' has no installation candidate"
)
#: Of a base image: digest of its packages. Two that were made of the same ones differ in times.
CONTENT_LABEL: Final = "org.monkey-matrix.content"


@dataclass(frozen=True, kw_only=True)
class BaseRequest:
    """A base image: a Python, and packages of the distribution, named in the matrix file or here.

    `named_in` is the key of the matrix file, which is to be corrected where one does not exist.
    """

    name: str
    python: str
    packages: tuple[str, ...] = ()
    named_in: str = ""


LOADGEN: Final = BaseRequest(name="loadgen", python="3.13", packages=("apache2-utils",))


def base_of_cells(python: str, debian: Iterable[str] = ()) -> BaseRequest:
    """The base image of the cells of a Python, with the packages that their application names."""
    packages = tuple(sorted(set(debian)))
    if not packages:
        return BaseRequest(name=f"py{python}", python=python)
    name = f"py{python}-{digest(packages)[:8]}"
    return BaseRequest(name=name, python=python, packages=packages, named_in="application.debian")


@dataclass(frozen=True, kw_only=True)
class BaseImage(Image):
    """An image with `python3` on its PATH. `origin` is `registry` or `debian`.

    `key` is a digest of its layers, or of its packages where it was made of Debian's.
    """

    origin: str


class NoBaseError(EngineError):
    """There is no base image for a Python; the message says why and what would help."""


def registry_reference(python: str, base: Base) -> str:
    """The official image of a Python, in the registry of the matrix file."""
    return f"{base.registry}python:{python}-slim"


def resolve_kind(engine: Engine, pythons: Iterable[str], base: Base) -> str:
    """`registry` or `debian`, one for all cells of a run: mixing them would confound it.

    `auto` takes the registry where one serves the first Python, and Debian otherwise. A pull fails
    at once where no registry can be resolved.
    """
    if base.kind != "auto":
        return base.kind
    reference = registry_reference(min(pythons), base)
    if engine.image(reference):
        return "registry"
    try:
        engine.pull(reference)
    except EngineError:
        return "debian"
    return "registry"


def pull_again(
    engine: Engine, pythons: Iterable[str], base: Base, say: Callable[[str], None]
) -> None:
    """Bring the official images that the engine has up to date with the registry."""
    for reference in sorted({registry_reference(python, base) for python in pythons}):
        if base.kind == "debian" or engine.image(reference) is None:
            continue
        try:
            engine.pull(reference)
        except EngineError as error:
            say(f"the engine's own {reference} is used, for it cannot be pulled again ({error})")


def groups(requests: Iterable[BaseRequest], kind: str) -> list[tuple[BaseRequest, ...]]:
    """Divide the requests into jobs: one bootstrap gives a plain image and one with packages."""
    wanted = list(dict.fromkeys(requests))
    if kind == "registry":
        return [(request,) for request in wanted]
    plain = {request.python: request for request in wanted if not request.packages}
    found: list[tuple[BaseRequest, ...]] = []
    for request in wanted:
        if request.packages:
            below = plain.pop(request.python, None)
            found.append((below, request) if below else (request,))
    return [*found, *((request,) for request in plain.values())]


def ensure_bases(
    engine: Engine, requests: Sequence[BaseRequest], kind: str, base: Base
) -> dict[BaseRequest, BaseImage | EngineError]:
    """The images of a group of requests, made or pulled where the engine has none yet.

    `NoBaseError` stands for one that is not available. Raises `EngineUnavailableError` if this
    host lacks what it takes to make one.
    """
    make = _from_registry if kind == "registry" else _from_suite
    try:
        return make(engine, requests, base)
    except EngineError as error:
        return dict.fromkeys(requests, error)


def has_bases(engine: Engine, requests: Iterable[BaseRequest]) -> bool:
    """Whether the engine has the images of all requests, made of Debian's packages before."""
    return all(
        request.python in SUITES and _of_debian(engine, *_named(request)) is not None
        for request in requests
    )


# -- from a registry -------------------------------------------------------------------------------


def _from_registry(
    engine: Engine, requests: Sequence[BaseRequest], base: Base
) -> dict[BaseRequest, BaseImage | EngineError]:
    return {request: _pulled(engine, request, base) for request in requests}


def _pulled(engine: Engine, request: BaseRequest, base: Base) -> BaseImage:
    reference = registry_reference(request.python, base)
    found = engine.image(reference)
    try:
        image = found.id if found else engine.pull(reference)
    except EngineError as error:
        raise NoBaseError(f"{reference} cannot be pulled: {error}") from error
    if not request.packages:
        return _of_registry(engine, reference, image)
    dockerfile = (IMAGES / "base" / "Dockerfile").read_text(encoding="utf-8")
    below = _of_registry(engine, reference, image).key
    key = digest([reference, below, dockerfile, *request.packages])[:12]
    recipe = Recipe(
        reference=f"{REPOSITORY}/base:{request.name}-registry-{key}",
        kind="base",
        key=key,
        dockerfile=dockerfile,
        base=reference,
        arguments={"PACKAGES": " ".join(request.packages)},
    )
    try:
        made = ensure(engine, recipe)
    except EngineError as error:
        raise _without_package(request, reference, str(error)) or error from None
    return _of_registry(engine, made.reference, made.image_id)


def _of_registry(engine: Engine, reference: str, image_id: str) -> BaseImage:
    found = engine.image(image_id)
    key = digest((found and found.layers) or [image_id])
    return BaseImage(reference=reference, image_id=image_id, key=key, origin="registry")


# -- from Debian's suites --------------------------------------------------------------------------


def _from_suite(
    engine: Engine, requests: Sequence[BaseRequest], base: Base
) -> dict[BaseRequest, BaseImage | EngineError]:
    """All images of one suite, by one bootstrap."""
    python = requests[0].python
    if python not in SUITES:
        raise NoBaseError(
            f"no Debian suite carries Python {python} (they carry {', '.join(SUITES)}); "
            "`base: registry` takes it from a registry"
        )
    suite = SUITES[python]
    named = {request: _named(request) for request in requests}
    made = {request: _of_debian(engine, *named[request]) for request in requests}
    missing = [request for request, image in made.items() if image is None]
    with tempfile.TemporaryDirectory() as directory:
        archives = {request: Path(directory) / f"{request.name}.tar" for request in missing}
        if missing:
            wanted = {path: request.packages for request, path in archives.items()}
            try:
                bootstrap(python, wanted, allow_expired=base.allow_expired)
            except EngineError as error:
                for request in missing:
                    if told := _without_package(request, f"Debian's {suite}", str(error)):
                        raise told from None
                raise NoBaseError(str(error)) from None
        for request, path in archives.items():
            reference, key = named[request]
            said = {**labels("base", key), CONTENT_LABEL: digest([key, *installed(path)])}
            with path.open("rb") as archive:
                engine.import_image(archive, reference, said)
            made[request] = _of_debian(engine, reference, key)
    return {request: image for request, image in made.items() if image}


def _named(request: BaseRequest) -> tuple[str, str]:
    """The name of the image that a bootstrap makes for a request, and the key in it."""
    key = digest(contents(request.python, request.packages))[:12]
    return f"{REPOSITORY}/base:{request.name}-{SUITES[request.python]}-{key}", key


def _of_debian(engine: Engine, reference: str, key: str) -> BaseImage | None:
    """The base where the engine has it, made of the same packages."""
    found = engine.image(reference)
    if found is None or found.labels.get(KEY_LABEL) != key:
        return None
    content = found.labels.get(CONTENT_LABEL)
    if content is None:
        return None
    return BaseImage(reference=reference, image_id=found.id, key=content, origin="debian")


def _without_package(request: BaseRequest, where: str, why: str) -> NoBaseError | None:
    """The error where the reason is that a package of the request does not exist."""
    names = dict.fromkeys(
        match["quoted"] or match["plain"]
        for match in NO_PACKAGE.finditer(why)
        if (match["quoted"] or match["plain"]) in request.packages
    )
    if not names or not request.named_in:
        return None
    return NoBaseError(
        f"`{request.named_in}`: {where}, which Python {request.python} comes from, has no package "
        f"{listed(list(names))}; correct the name, or leave it out"
    )
