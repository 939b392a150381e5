"""One image: what it is made of, whether the engine has it, and how it is built."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from runner.application.remedies.rules import LeftOut
from runner.build.commands import explained_command
from runner.build.layers import File, Layer, Tar
from runner.engine.ownership import PROJECT_LABEL
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.cell import Cell

#: `no space left on device`, as engines pass it on.
DISK_FULL = "no space left"


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by name and by content.

    `image_id` is the engine's name for the content: engines that store images in different ways
    have different ones. `key` is ours, a digest of what the image was made of.
    """

    reference: str
    image_id: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an image is made and what it is called; equal keys mean equal content.

    `base` is the image below, and `base_id` the one that this name stood for when the recipe was
    made, where it stood for one; `layers` are the files of the build's context, which the
    Dockerfile copies to the same paths. `commands` are a user's that the Dockerfile runs, in its
    order: what they print is told, and they have no network. `left_out` is what of the user's was
    not copied.
    """

    reference: str
    kind: str
    key: str
    dockerfile: str
    base: str
    base_id: str = ""
    layers: tuple[Layer, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    left_out: LeftOut = field(default=lambda _: (), compare=False, repr=False)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the image."""
        return labels(self.kind, self.key)

    @property
    def all_arguments(self) -> Mapping[str, str]:
        """The values of the Dockerfile's `ARG`s."""
        return {"BASE": self.base, **self.arguments}

    def context(self) -> Iterator[bytes]:
        """The build's context, as a tar archive."""
        text = File(path="Dockerfile", content=self.dockerfile.encode())
        yield from Tar(*self.layers, Layer(title="Dockerfile", files=(text,)))


def current_image(engine: Engine, reference: str, key: str) -> Image | None:
    """The image where the engine has it and it was made of the same things."""
    found = engine.image(reference)
    if found is None or found.labels.get(KEY_LABEL) != key:
        return None
    return Image(reference=reference, image_id=found.id, key=key)


def ensure(engine: Engine, recipe: Recipe) -> Image:
    """The image, built where the engine has none yet; `EngineError` with the build's log."""
    if image := current_image(engine, recipe.reference, recipe.key):
        return image
    try:
        built = engine.build(
            recipe.context(),
            recipe.reference,
            recipe.labels,
            recipe.all_arguments,
            offline=bool(recipe.commands),
        )
    except EngineError as error:
        if recipe.commands:
            told = explained_command(error, recipe.commands, recipe.left_out)
            if told is not error:
                raise told from None
        raise explained(EngineError(f"{recipe.reference}, on {recipe.base}: {error}")) from error
    return Image(reference=recipe.reference, image_id=built, key=recipe.key)


def explained(error: EngineError) -> EngineError:
    """The error with a remedy, if the engine's own message has none."""
    if DISK_FULL not in str(error):
        return error
    return EngineError(
        f"the engine's disk is full ({error}): free some space (`docker system df` shows what is "
        "used), then run the same command again"
    )


# -- names and labels ------------------------------------------------------------------------------

#: What every image of ours is called. An engine never asks a registry for a name of its own host's,
#: and Podman would give it this prefix by itself.
REPOSITORY: Final = "localhost/monkey-matrix"
KIND_LABEL: Final = "org.monkey-matrix.kind"
KEY_LABEL: Final = "org.monkey-matrix.key"
#: The longest tag an engine takes.
LONGEST_TAG: Final = 128


def labels(kind: str, key: str) -> dict[str, str]:
    """Labels of an image: what kind it is, and the digest of all that it was made of."""
    return {PROJECT_LABEL: "1", KIND_LABEL: kind, KEY_LABEL: key}


def digest(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over parts, each with its length, so that no two lists give the same."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(f"{len(data)}:".encode())
        sha.update(data)
    return sha.hexdigest()


def cell_reference(experiment: str, cell: Cell) -> str:
    """The tag by which a cell can be run by hand; neither part of it may hold a `+`.

    The experiment is part of it: its workload is, and the same id may stand in several.
    """
    repository = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-") or "experiment"
    return f"{REPOSITORY}/cell-{repository}:{_tag(cell.id)}"


def _tag(cell_id: str) -> str:
    """The id in an engine's letters; one too long ends in its digest, so that none are equal."""
    tag = re.sub(r"[^A-Za-z0-9_.-]", "_", cell_id)
    if len(tag) <= LONGEST_TAG:
        return tag
    return f"{tag[: LONGEST_TAG - 13]}-{digest([cell_id])[:12]}"
