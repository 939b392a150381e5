"""Images: one per environment, one name per cell, the load generator's; loaded, or else built."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from runner.build.archive import can_be_loaded, load
from runner.build.bases import BaseImage
from runner.build.bytecode import COMPILER
from runner.build.dockerfile import environment_line
from runner.build.layers import File, Layer
from runner.build.lock import Lock
from runner.build.recipe import (
    DISK_FULL,
    REPOSITORY,
    Image,
    Recipe,
    cell_reference,
    current_image,
    digest,
    ensure,
    explained,
)
from runner.build.wheels import FORMAT, SITE
from runner.contract import CONTRACT
from runner.engine.pod import DISK, with_our_path
from runner.engine.protocol import Engine
from runner.errors import EngineError, NotFoundError
from runner.matrix.cell import Cell
from runner.paths import IMAGES

SERVER_PROGRAM: Final = IMAGES / "server" / "monkey_matrix_server"
LOADGEN_PROGRAM: Final = IMAGES / "loadgen"
#: How engines say that a container uses an image.
IN_USE: Final = re.compile(r"container \S+ is using|being used by|in use by a container")
CELL_DOCKERFILE: Final = "ARG BASE\nFROM ${BASE}\n"


def dockerfile_of(directory: str) -> str:
    """The Dockerfile beside a program in `images`."""
    return (IMAGES / directory / "Dockerfile").read_text(encoding="utf-8")


class ImageMaker:
    """Makes images, all that are missing in one call; builds them where the engine refuses that."""

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        self._engine = engine
        self._say = say
        self._lock = threading.Lock()
        self._loads = True

    def make(self, recipes: Sequence[Recipe]) -> dict[str, Image | EngineError]:
        """Each image by name, or why there is none; a recipe comes after that of its base.

        What only a builder understands is built first, so that the rest can be loaded upon it.
        """
        made: dict[str, Image | EngineError] = {}
        for built, loaded in _steps([r for r in recipes if self._found(r) is None]):
            for recipe in built:
                made[recipe.reference] = self._made(recipe, made.get(recipe.base))
            try:
                self._load(loaded, made)
            except EngineError as error:  # the disk is full: building takes no less
                full = explained(error)
                return {r.reference: self._found(r) or full for r in recipes}
            for recipe in loaded:
                made[recipe.reference] = self._made(recipe, made.get(recipe.base))
        return {r.reference: made.get(r.reference) or self._made(r, None) for r in recipes}

    def _load(self, recipes: Sequence[Recipe], made: Mapping[str, Image | EngineError]) -> None:
        """Load those whose base could be made; `EngineError` only where building is no help."""
        failed = {name for name, image in made.items() if isinstance(image, EngineError)}
        to_load = []
        for recipe in recipes:
            if recipe.base in failed:
                failed.add(recipe.reference)
            else:
                to_load.append(recipe)
        if not to_load or not self._loads:
            return
        try:
            load(self._engine, to_load)
        except EngineError as error:
            if DISK_FULL in str(error):
                raise
            self._build_from_now_on(error)

    def _found(self, recipe: Recipe) -> Image | None:
        """The image, where the engine has it already."""
        return current_image(self._engine, recipe.reference, recipe.key)

    def _build_from_now_on(self, error: EngineError) -> None:
        """Say once that loading failed."""
        with self._lock:
            first, self._loads = self._loads, False
        if first:
            why = str(error).splitlines()[0].rstrip(":")
            self._say(f"the engine does not load images ({why}): they are built one by one")

    def _made(self, recipe: Recipe, base: Image | EngineError | None) -> Image | EngineError:
        if isinstance(base, EngineError):
            return base
        try:
            return ensure(self._engine, recipe)
        except EngineError as error:
            return error


def _steps(recipes: Sequence[Recipe]) -> Iterator[tuple[list[Recipe], list[Recipe]]]:
    """Divide recipes into what is built and then what is loaded, as often as one needs the other.

    A build needs the next step where its base has to be loaded.
    """
    steps: dict[str, int] = {}
    loaded: dict[str, bool] = {}
    for recipe in recipes:
        loaded[recipe.reference] = can_be_loaded(recipe)
        waits = loaded.get(recipe.base, False) and not loaded[recipe.reference]
        steps[recipe.reference] = steps.get(recipe.base, 0) + waits
    for step in range(max(steps.values(), default=-1) + 1):
        now = [recipe for recipe in recipes if steps[recipe.reference] == step]
        yield (
            [recipe for recipe in now if not loaded[recipe.reference]],
            [recipe for recipe in now if loaded[recipe.reference]],
        )


def program_files(program: Path, target: str) -> tuple[File, ...]:
    """The files of a program, readable by a container's user whatever the umask here."""
    return tuple(
        File(path=f"{target}/{path.relative_to(program)}", content=path.read_bytes())
        for path in sorted(program.rglob("*.py"))
    )


def server_files(program: Path = SERVER_PROGRAM) -> tuple[File, ...]:
    """The server program, a package, and in it what it and the runner agree on."""
    package = f"server/{SERVER_PROGRAM.name}"
    return (*program_files(program, package), contract_file(package))


def contract_file(target: str) -> File:
    """What a program and the runner agree on, to stand beside the program."""
    return File(path=f"{target}/{CONTRACT.name}", content=CONTRACT.read_bytes())


def key_of(base: BaseImage, files: Iterable[File], *parts: str) -> str:
    """The key of an image of ours upon a base: what its content follows from."""
    contents = [part for file in files for part in (file.path, file.content or b"")]
    return digest([base.key, COMPILER, FORMAT, *parts, *contents])[:12]


def environment_recipe(
    lock: Lock, layers: Sequence[Layer], base: BaseImage, program: Path = SERVER_PROGRAM
) -> Recipe:
    """The image of an environment: base, locked packages, server program, in this order.

    `layers` hold the packages, and the bytecode of these and of the program.
    """
    files = server_files(program)
    dockerfile = dockerfile_of("server")
    key = key_of(base, files, lock.digest, dockerfile)
    data = File(path=DISK.lstrip("/"), content=None)
    site = File(path=SITE, content=None)
    return Recipe(
        reference=f"{REPOSITORY}/env:py{lock.request.python}-{key}",
        kind="environment",
        key=key,
        dockerfile=dockerfile,
        base=base.reference,
        base_id=base.image_id,
        layers=(*layers, Layer(title="the server program", files=(site, *files, data))),
    )


def server_environment(cell: Cell) -> dict[str, str]:
    """The variables that make an environment's image a cell."""
    return {
        "MATRIX_PATCH": cell.patch,
        **({"MATRIX_PLACEMENT": cell.placement} if cell.placement else {}),
        "MATRIX_SERVER": cell.server.name,
        **{f"MATRIX_SERVER_{k.upper()}": str(v) for k, v in cell.server.settings},
        "MATRIX_WORKLOAD": cell.workload.name,
        **{f"MATRIX_WORKLOAD_{k.upper()}": v for k, v in cell.workload.parameters},
        **with_our_path(dict(cell.variables)),
    }


def cell_recipe(experiment: str, cell: Cell, environment: Recipe) -> Recipe:
    """The image of a cell: its environment's, or its application's on that, with its settings."""
    dockerfile = CELL_DOCKERFILE + environment_line(server_environment(cell)) + "\n"
    return Recipe(
        reference=cell_reference(experiment, cell),
        kind="cell",
        key=digest([environment.reference, dockerfile])[:12],
        dockerfile=dockerfile,
        base=environment.reference,
    )


def loadgen_recipe(layers: Sequence[Layer], base: BaseImage) -> Recipe:
    """The sidecar's image: `ab`, a Python from its base, programs, their bytecode in `layers`."""
    files, dockerfile = program_files(LOADGEN_PROGRAM, "agent"), dockerfile_of("loadgen")
    key = key_of(base, files, dockerfile)
    return Recipe(
        reference=f"{REPOSITORY}/loadgen:{key}",
        kind="loadgen",
        key=key,
        dockerfile=dockerfile,
        base=base.reference,
        base_id=base.image_id,
        layers=(*layers, Layer(title="the agent", files=files)),
    )


def remove_images(engine: Engine) -> tuple[list[str], list[str]]:
    """Remove every image with this project's label that no container uses.

    Returns the names of those that were removed, and of those that are in use.
    """
    removed, used = [], []
    for image, names in engine.images():
        for reference in names or (image,):
            try:
                engine.remove_image(reference)
            except NotFoundError:
                continue
            except EngineError as error:
                if IN_USE.search(str(error)):
                    used.append(reference)
                    continue
                if "image has dependent child images" not in str(error):
                    raise
            removed.append(reference)
    return removed, used
