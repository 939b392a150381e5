"""Everything a run needs of images, made before anything is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from runner.application.services import OwnService
from runner.build.application_image import ApplicationImage
from runner.build.bases import (
    LOADGEN,
    BaseImage,
    BaseRequest,
    NoBaseError,
    ensure_bases,
    groups,
    resolve_kind,
)
from runner.build.bytecode import Sources, compile_all, of_archive, of_program
from runner.build.companions import Companion, CompanionImage, lock_companions
from runner.build.images import (
    LOADGEN_PROGRAM,
    ImageMaker,
    cell_recipe,
    environment_recipe,
    loadgen_recipe,
    program_files,
    server_files,
)
from runner.build.layers import Layer, shared_layers
from runner.build.lock import Lock, platform_of
from runner.build.recipe import Image, Recipe
from runner.build.service_images import (
    DebianService,
    ServiceImage,
    debian_service,
    pull_all,
    service_images,
)
from runner.build.suites import about_moving
from runner.build.wanted import OnEnvironment, Subject, Wanted
from runner.build.wheels import Wheel, pack_all, wheels_of
from runner.engine.protocol import Engine
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix import plugins
from runner.matrix.cell import Base, Cell, EnvironmentRequest
from runner.stages import Stages
from runner.text import listed

#: A bootstrap keeps one CPU busy, and waits for downloads now and then.
WORKERS = min(6, (os.cpu_count() or 1) + 1)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is ready to run, and what is not and why.

    `cells` maps a cell to its own image; `unavailable` and `failed` map a cell to the reason. Every
    cell asked for is in exactly one of the three. `services` are those of an application that are
    no companions, by name.
    """

    loadgen: Image
    bases: Mapping[str, BaseImage]
    environments: Mapping[EnvironmentRequest, Image]
    companions: Mapping[str, CompanionImage]
    cells: Mapping[Cell, Image]
    unavailable: Mapping[Cell, str]
    failed: Mapping[Cell, str]
    services: Mapping[str, ServiceImage] = field(default_factory=dict)


Packed: TypeAlias = Mapping[Wheel, Path | EngineError]
#: Gives the archive of bytecode of each of some sources by their name, for a base image.
Compile: TypeAlias = Callable[[BaseImage, Iterable[Sources]], Mapping[str, Path]]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What became of some base images, and of the images upon them."""

    bases: Mapping[BaseRequest, BaseImage | EngineError]
    images: Mapping[Subject, Image | EngineError]


def prepare(
    engine: Engine,
    cells: Sequence[Cell],
    locks: Mapping[EnvironmentRequest, Lock],
    *,
    experiment: str,
    base: Base,
    cache: Path,
    stages: Stages,
    application: ApplicationImage | None = None,
    services: Sequence[OwnService] = (),
) -> Prepared:
    """Make or find every image that the cells need. What fails for one does not stop the others.

    `application` is the user's own, which all cells serve, and `services` those that they talk to.
    Raises `UsageError` for what cannot be in its image, and `EngineUnavailableError` for a service
    that cannot be had.
    """
    pull_all(engine, services, stages)
    pythons = sorted({cell.python for cell in cells})
    kind = resolve_kind(engine, pythons, base) if pythons else base.kind
    stages.say(f"base images: {_origin(kind)}")
    if kind == "debian" and (note := about_moving(pythons)):
        stages.say(note)
    companions = lock_companions(
        [name for cell in cells for name in cell.companions],
        platform=platform_of(engine.info().architecture),
        cache=cache,
    )
    wanted = Wanted(
        experiment=experiment,
        cells=tuple(cells),
        locks=locks,
        companions=companions,
        application=application,
        cache=cache,
        services=tuple(
            dict.fromkeys(debian_service(own.service) for own in services if own.service.debian)
        ),
    )
    maker = ImageMaker(engine, stages.say)
    with _cancelled_on_error(1) as beside, _cancelled_on_error(WORKERS) as pool:
        packed = beside.submit(_packed, wanted, cache, stages)
        made_bases = [
            pool.submit(ensure_bases, engine, group, kind, base)
            for group in groups(wanted.bases, kind)
        ]
        compiled = partial(compile_all, engine, cache=cache)
        made = [pool.submit(_made, bases, packed, wanted, compiled, maker) for bases in made_bases]
        with stages.stage("base images"):
            wait(made_bases)
        with stages.stage("images"):
            wait(made)
    parts = [future.result() for future in made]
    images = _of_debian(wanted, services, parts)
    return replace(
        _prepared(wanted, parts, stages), services=service_images(engine, services, images)
    )


def _of_debian(
    wanted: Wanted, services: Sequence[OwnService], parts: Sequence[Made]
) -> Mapping[DebianService, Image]:
    """The images of services that were made; without one of them no cell can be measured."""
    found: dict[DebianService, Image] = {}
    for service in wanted.services:
        made = next(part.images[service] for part in parts if service in part.images)
        if isinstance(made, EngineError):
            names = [own.name for own in services if debian_service(own.service) == service]
            raise EngineUnavailableError(f"service {listed(names)}: {made}")
        found[service] = made
    return found


def pythons_of(cells: Sequence[Cell]) -> set[str]:
    """The Pythons of all images that the cells need."""
    companions = {name for cell in cells for name in cell.companions}
    of_companions = {plugins.companions()[name].python for name in companions}
    return {LOADGEN.python, *of_companions, *(cell.python for cell in cells)}


@contextmanager
def _cancelled_on_error(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that, interrupted, finishes what is being done and begins nothing more."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _packed(wanted: Wanted, cache: Path, stages: Stages) -> Packed:
    with stages.stage("packages"):
        return pack_all(wanted.wheels, cache)


def _made(
    bases: Future[dict[BaseRequest, BaseImage | EngineError]],
    packed: Future[Packed],
    wanted: Wanted,
    compiled: Compile,
    maker: ImageMaker,
) -> Made:
    """Make everything upon some bases, as soon as these and the packages are there."""
    found, images = bases.result(), dict[Subject, Image | EngineError]()
    recipes: dict[Subject, Recipe] = {}
    for request, base in found.items():
        for subject, recipe in _recipes(request, base, packed.result(), wanted, compiled).items():
            if isinstance(recipe, EngineError):
                images[subject] = recipe
            else:
                recipes[subject] = recipe
    made = maker.make(list(recipes.values()))
    images |= {subject: made[recipe.reference] for subject, recipe in recipes.items()}
    return Made(bases=found, images=images)


def _recipes(
    request: BaseRequest,
    base: BaseImage | EngineError,
    packed: Packed,
    wanted: Wanted,
    compiled: Compile,
) -> dict[Subject, Recipe | EngineError]:
    """What is made upon a base, or why it cannot be; a cell comes after its environment."""
    subjects = wanted.on(request)
    if isinstance(base, EngineError):
        return dict.fromkeys(subjects, base)
    sites = {subject: _site(subject, packed, wanted) for subject in subjects}
    try:
        layers = shared_layers(_with_bytecode(sites, base, compiled))
    except EngineError as error:
        return dict.fromkeys(subjects, error)
    recipes: dict[Subject, Recipe | EngineError] = {}
    for subject, site in sites.items():
        recipes[subject] = (
            site
            if isinstance(site, EngineError)
            else _recipe(subject, layers[subject], base, wanted, recipes)
        )
    return recipes


def _with_bytecode(
    sites: Mapping[Subject, tuple[Path, ...] | EngineError], base: BaseImage, compiled: Compile
) -> dict[Subject, tuple[Path, ...]]:
    """The packages of each image, then their bytecode and that of its program."""
    whole = {s: site for s, site in sites.items() if isinstance(site, tuple)}
    sources = {s: [*map(of_archive, site), *_program(s)] for s, site in whole.items()}
    archives = compiled(base, [one for several in sources.values() for one in several])
    return {s: (*site, *(archives[one.name] for one in sources[s])) for s, site in whole.items()}


def _program(subject: Subject) -> list[Sources]:
    """Our own program in an image, where it is more than the one file that is started."""
    if isinstance(subject, EnvironmentRequest):
        return [of_program(server_files())]
    return [of_program(program_files(LOADGEN_PROGRAM, "agent"))] if subject == LOADGEN else []


def _recipe(
    subject: Subject,
    layers: Sequence[Layer],
    base: BaseImage,
    wanted: Wanted,
    made: Mapping[Subject, Recipe | EngineError],
) -> Recipe | EngineError:
    if isinstance(subject, EnvironmentRequest):
        return environment_recipe(wanted.locks[subject], layers, base)
    if isinstance(subject, OnEnvironment):
        return _application_recipe(subject, wanted, made)
    if isinstance(subject, Cell):
        environment = made[wanted.below(subject)]
        if isinstance(environment, EngineError):
            return environment
        return cell_recipe(wanted.experiment, subject, environment)
    if isinstance(subject, str | DebianService):
        beside = wanted.possible[subject] if isinstance(subject, str) else subject
        return beside.recipe(layers, base)
    return loadgen_recipe(layers, base)


def _application_recipe(
    subject: OnEnvironment, wanted: Wanted, made: Mapping[Subject, Recipe | EngineError]
) -> Recipe | EngineError:
    recipe = made[wanted.below(subject)]
    if isinstance(recipe, EngineError) or wanted.application is None:
        return recipe
    if subject.prepared:
        return wanted.application.prepared(recipe)
    return wanted.application.recipe(recipe, wanted.cache)


def _site(subject: Subject, packed: Packed, wanted: Wanted) -> tuple[Path, ...] | EngineError:
    """The packages that an image gets of its own; a cell has its environment's."""
    lock = None
    if isinstance(subject, EnvironmentRequest):
        lock = wanted.locks[subject]
    elif isinstance(subject, str):
        lock = wanted.possible[subject].lock
    site = [packed[wheel] for wheel in wheels_of(lock)] if lock else []
    errors = [archive for archive in site if isinstance(archive, EngineError)]
    return errors[0] if errors else tuple(a for a in site if isinstance(a, Path))


def _prepared(wanted: Wanted, parts: Sequence[Made], stages: Stages) -> Prepared:
    bases = {request: base for part in parts for request, base in part.bases.items()}
    images = {subject: image for part in parts for subject, image in part.images.items()}
    for environment in wanted.environments:
        error = images[environment]
        if isinstance(error, EngineError) and not isinstance(error, NoBaseError):
            stages.say(f"environment {wanted.locks[environment].key} cannot be made: {error}")
    companions = _companions(wanted, images)
    cells = {
        cell: _with_companions(images[cell], cell.companions, companions) for cell in wanted.cells
    }
    return Prepared(
        loadgen=_loadgen(images[LOADGEN]),
        bases={
            e.python: base
            for e in wanted.environments
            if isinstance(base := bases[wanted.base(e)], BaseImage)
        },
        environments={
            e: image for e in wanted.environments if isinstance(image := images[e], Image)
        },
        companions={n: i for n, i in companions.items() if isinstance(i, CompanionImage)},
        cells={c: i for c, i in cells.items() if isinstance(i, Image)},
        unavailable={c: str(e) for c, e in cells.items() if isinstance(e, NoBaseError)},
        failed={
            c: str(e)
            for c, e in cells.items()
            if isinstance(e, EngineError) and not isinstance(e, NoBaseError)
        },
    )


def _companions(
    wanted: Wanted, images: Mapping[Subject, Image | EngineError]
) -> dict[str, CompanionImage | EngineError]:
    found: dict[str, CompanionImage | EngineError] = {}
    for name, companion in wanted.companions.items():
        image = images.get(name)
        if isinstance(companion, Companion) and isinstance(image, Image):
            found[name] = companion.image(image)
        else:
            found[name] = EngineError(f"companion {name}: {image or companion}")
    return found


def _with_companions(
    image: Image | EngineError,
    names: Iterable[str],
    companions: Mapping[str, CompanionImage | EngineError],
) -> Image | EngineError:
    """A cell's image, or why what it talks to cannot be had."""
    if isinstance(image, Image):
        for name in names:
            if isinstance(companion := companions[name], EngineError):
                return companion
    return image


def _origin(kind: str) -> str:
    return "from the registry" if kind == "registry" else "from Debian's suites, by mmdebstrap"


def _loadgen(image: Image | EngineError) -> Image:
    """The sidecar's image. Without it nothing at all can be measured."""
    if isinstance(image, EngineError):
        raise EngineUnavailableError(
            f"the load generator's image cannot be made: {image}; see to that, then run the same "
            "command again"
        ) from image
    return image
