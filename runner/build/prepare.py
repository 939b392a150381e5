"""Everything a run needs of images, made before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runner.build.base import BaseImage, NoBaseError, ensure_base, resolve_kind
from runner.build.build import Image, ensure_cell, ensure_environment, ensure_loadgen
from runner.build.companions import CompanionImage, ensure_companions
from runner.build.lock import Lock, platform_of
from runner.build.site_packages import install
from runner.engine.protocol import Engine
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.cell import Base, Cell, EnvironmentRequest
from runner.stages import Stages

#: Bootstrapping and building are CPU and disk work; more at a time gains nothing on two cores.
WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is ready to run, and what is not and why.

    `cells` maps a cell to its own image; `unavailable` and `failed` map a cell to the reason. Every
    cell asked for is in exactly one of the three.
    """

    kind: str
    loadgen: Image
    bases: Mapping[str, BaseImage]
    environments: Mapping[EnvironmentRequest, Image]
    companions: Mapping[str, CompanionImage]
    cells: Mapping[Cell, Image]
    unavailable: Mapping[Cell, str]
    failed: Mapping[Cell, str]


def prepare(
    engine: Engine,
    cells: Sequence[Cell],
    locks: Mapping[EnvironmentRequest, Lock],
    *,
    experiment: str,
    base: Base,
    cache: Path,
    stages: Stages,
) -> Prepared:
    """Make or find every image that the cells need. What fails for one does not stop the others."""
    pythons = sorted({cell.python for cell in cells})
    kind = resolve_kind(engine, pythons, base) if pythons else base.kind
    stages.say(f"base images: {_origin(kind)}")
    with ThreadPoolExecutor(WORKERS) as pool:
        loadgen = pool.submit(_loadgen, engine, kind, base)
        with stages.stage("base images"):
            bases = dict(
                zip(pythons, pool.map(lambda p: _base(engine, p, kind, base), pythons), strict=True)
            )
        built = {
            request: pool.submit(
                _environment, engine, lock, bases[request.python], cache, stages.say
            )
            for request, lock in locks.items()
            if request in {cell.environment for cell in cells}
        }
        companions = ensure_companions(
            engine,
            [name for cell in cells if (name := cell.workload.kind.companion)],
            kind,
            base,
            platform=platform_of(engine.info().architecture),
            cache=cache,
        )
        with stages.stage("images"):
            environments = {request: future.result() for request, future in built.items()}
            tagged = list(
                pool.map(
                    lambda c: _tagged(engine, experiment, c, environments[c.environment]), cells
                )
            )
    outcome = {
        cell: _with_companion(cell, image, companions)
        for cell, image in zip(cells, tagged, strict=True)
    }
    return Prepared(
        kind=kind,
        loadgen=loadgen.result(),
        bases={p: b for p, b in bases.items() if isinstance(b, BaseImage)},
        environments={r: i for r, i in environments.items() if isinstance(i, Image)},
        companions={n: i for n, i in companions.items() if isinstance(i, CompanionImage)},
        cells={c: i for c, i in outcome.items() if isinstance(i, Image)},
        unavailable={c: str(e) for c, e in outcome.items() if isinstance(e, NoBaseError)},
        failed={c: str(e) for c, e in outcome.items() if isinstance(e, EngineError)},
    )


def _with_companion(
    cell: Cell,
    image: Image | NoBaseError | EngineError,
    companions: Mapping[str, CompanionImage | EngineError],
) -> Image | NoBaseError | EngineError:
    """The cell's image, or why what it talks to cannot be had."""
    companion = companions.get(cell.workload.kind.companion or "")
    if isinstance(image, Image) and isinstance(companion, EngineError):
        return companion
    return image


def _origin(kind: str) -> str:
    return "from the registry" if kind == "registry" else "from Debian's suites, by mmdebstrap"


def _loadgen(engine: Engine, kind: str, base: Base) -> Image:
    """The sidecar's image. Without it nothing at all can be measured."""
    try:
        return ensure_loadgen(engine, kind, base)
    except (NoBaseError, EngineError) as error:
        raise EngineUnavailableError(
            f"the load generator's image cannot be made: {error}; see to that, then run the same "
            "command again"
        ) from error


def _base(engine: Engine, python: str, kind: str, base: Base) -> BaseImage | NoBaseError:
    try:
        return ensure_base(engine, python, kind, base)
    except NoBaseError as error:
        return error


def _environment(
    engine: Engine,
    lock: Lock,
    base: BaseImage | NoBaseError,
    cache: Path,
    say: Callable[[str], None],
) -> Image | NoBaseError | EngineError:
    if isinstance(base, NoBaseError):
        return base
    try:
        image = ensure_environment(engine, lock, install(lock, cache), base)
    except EngineError as error:
        say(f"environment {lock.key} could not be built: {error}")
        return error
    return image


def _tagged(
    engine: Engine, experiment: str, cell: Cell, image: Image | NoBaseError | EngineError
) -> Image | NoBaseError | EngineError:
    if not isinstance(image, Image):
        return image
    try:
        return ensure_cell(engine, experiment, cell, image)
    except EngineError as error:
        return error
