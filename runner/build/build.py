"""Images: one per environment, one tag per cell, and the sidecar's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.build.base import BaseImage, ensure_suite, registry_reference
from runner.build.labels import KEY_LABEL, cell_reference, digest, labels
from runner.build.lock import Lock
from runner.engine.pod import DISK, LOADGEN_USER, SERVER_USER
from runner.engine.protocol import Engine
from runner.errors import EngineError, NotFoundError
from runner.matrix.cell import Base, Cell
from runner.paths import IMAGES

SERVER_PROGRAM = IMAGES / "server"
AGENT = IMAGES / "loadgen" / "agent.py"
LOADGEN_PYTHON = "3.13"
LOADGEN_SUITE = "trixie"
LOADGEN_PACKAGES = ("apache2-utils", "python3-minimal", "libpython3-stdlib")

SERVER_DOCKERFILE = """\
FROM {base}
COPY site /site
COPY server /server
COPY --chown={user} data {disk}
ENV PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER {user}
CMD ["python3", "/server/main.py"]
"""
CELL_DOCKERFILE = """\
FROM {image}
ENV {environment}
"""
LOADGEN_DOCKERFILE = """\
FROM {base}
COPY agent.py /agent/agent.py
USER {user}
CMD ["sleep", "86400"]
"""
REGISTRY_LOADGEN_DOCKERFILE = """\
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends apache2-utils \\
 && rm -rf /var/lib/apt/lists/*
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by name and by content."""

    reference: str
    image_id: str


@contextmanager
def image_context(dockerfile: str) -> Iterator[Path]:
    """A build context with a Dockerfile, gone after the build."""
    with tempfile.TemporaryDirectory(prefix="monkey-matrix-") as name:
        directory = Path(name)
        (directory / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        yield directory


def current_image(engine: Engine, reference: str, key: str) -> str | None:
    """The image's id where it is there and was made of the same things."""
    image = engine.image_id(reference)
    if image is None or engine.image_labels(reference).get(KEY_LABEL) != key:
        return None
    return image


def program_digest(program: Path = SERVER_PROGRAM) -> str:
    """A digest of the server program's files."""
    return digest(
        [
            part
            for path in _program_files(program)
            for part in (str(path.relative_to(program)), path.read_bytes())
        ]
    )


def _program_files(program: Path) -> list[Path]:
    return sorted(program.rglob("*.py"))


def environment_reference(lock: Lock, base: BaseImage, program: Path = SERVER_PROGRAM) -> str:
    """The name of an environment's image: it changes with all that the image is made of."""
    key = digest([base.image_id, lock.digest, program_digest(program), SERVER_DOCKERFILE])
    return f"monkey-matrix/env:py{lock.request.python}-{key[:12]}"


def ensure_environment(
    engine: Engine, lock: Lock, site: Path, base: BaseImage, program: Path = SERVER_PROGRAM
) -> Image:
    """The image of an environment: base, locked packages, server program, in this order."""
    reference = environment_reference(lock, base, program)
    key = reference.rpartition("-")[2]
    if image := current_image(engine, reference, key):
        return Image(reference=reference, image_id=image)
    dockerfile = SERVER_DOCKERFILE.format(base=base.reference, user=SERVER_USER, disk=DISK)
    with image_context(dockerfile) as context:
        # Hard links: the context is read by the client, nothing is copied twice.
        shutil.copytree(site, context / "site", copy_function=link_or_copy)
        copy_program(program, context / "server")
        (context / "data").mkdir()
        (context / "data").chmod(0o755)
        built = engine.build(context, reference, labels("environment", key))
    return Image(reference=reference, image_id=built)


def link_or_copy(source: str, target: str) -> None:
    """Link a file into a build context, or copy it with its permissions."""
    try:
        Path(target).hardlink_to(source)
    except OSError:  # another file system
        shutil.copy(source, target)


def copy_program(program: Path, target: Path) -> None:
    """Copy a program's files so that a container's user may read them, whatever umask this is."""
    for path in _program_files(program):
        copy = target / path.relative_to(program)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o644)
    for directory in (target, *(path for path in target.rglob("*") if path.is_dir())):
        directory.chmod(0o755)


def server_environment(cell: Cell) -> dict[str, str]:
    """The variables that make an environment's image a cell."""
    return {
        "MATRIX_PATCH": cell.patch,
        **({"MATRIX_ORDER": cell.order} if cell.order else {}),
        "MATRIX_SERVER": cell.server.name,
        **{f"MATRIX_SERVER_{k.upper()}": str(v) for k, v in cell.server.settings},
        "MATRIX_WORKLOAD": cell.workload.name,
        **{f"MATRIX_WORKLOAD_{k.upper()}": v for k, v in cell.workload.parameters},
    }


def ensure_cell(engine: Engine, experiment: str, cell: Cell, image: Image) -> Image:
    """The image of a cell: its environment's, with the cell's settings baked in."""
    reference = cell_reference(experiment, cell)
    environment = server_environment(cell)
    settings = " ".join(f'{name}="{value}"' for name, value in environment.items())
    key = digest([image.image_id, settings])[:12]
    if current := current_image(engine, reference, key):
        return Image(reference=reference, image_id=current)
    dockerfile = CELL_DOCKERFILE.format(image=image.reference, environment=settings)
    with image_context(dockerfile) as context:
        return Image(
            reference=reference, image_id=engine.build(context, reference, labels("cell", key))
        )


def ensure_loadgen(engine: Engine, kind: str, base: Base) -> Image:
    """The sidecar's image: `ab` from Debian, a Python for the agent, and the agent."""
    source = _loadgen_base(engine, kind, base)
    key = digest([source.image_id, AGENT.read_bytes(), LOADGEN_DOCKERFILE])[:12]
    reference = f"monkey-matrix/loadgen:{key}"
    if image := current_image(engine, reference, key):
        return Image(reference=reference, image_id=image)
    dockerfile = LOADGEN_DOCKERFILE.format(base=source.reference, user=LOADGEN_USER)
    with image_context(dockerfile) as context:
        shutil.copyfile(AGENT, context / "agent.py")
        (context / "agent.py").chmod(0o644)
        built = engine.build(context, reference, labels("loadgen", key))
    return Image(reference=reference, image_id=built)


def _loadgen_base(engine: Engine, kind: str, base: Base) -> Image:
    """Debian with `ab` in it, bootstrapped, or on a registry's image by the network it has."""
    if kind == "debian":
        reference = f"monkey-matrix/base:loadgen-{LOADGEN_SUITE}"
        made = ensure_suite(engine, reference, LOADGEN_SUITE, LOADGEN_PACKAGES, base)
        return Image(reference=reference, image_id=made)
    below = registry_reference(LOADGEN_PYTHON, base)
    reference = "monkey-matrix/base:loadgen-registry"
    key = digest([below, REGISTRY_LOADGEN_DOCKERFILE])[:12]
    if image := current_image(engine, reference, key):
        return Image(reference=reference, image_id=image)
    with image_context(REGISTRY_LOADGEN_DOCKERFILE.format(base=below)) as context:
        built = engine.build(context, reference, labels("base", key))
    return Image(reference=reference, image_id=built)


def remove_images(engine: Engine) -> list[str]:
    """Remove every image with this project's label; return their names."""
    removed = []
    for image, names in engine.images():
        for reference in names or (image,):
            try:
                engine.remove_image(reference)
            except NotFoundError:
                continue
            except EngineError as error:
                if "image has dependent child images" not in str(error):
                    raise
            removed.append(reference)
    return removed
