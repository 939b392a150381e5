"""Images as one archive that an engine loads, instead of one build after the other.

A build makes an intermediate container, a commit and a context for each image. An archive, in the
form that `docker save` writes, holds each layer once, however many images have it, and an image
that only adds variables is a few lines of JSON. The layers of base images are named in it but not
there: the engine has them. If it has not, or stores images in another way, loading fails and the
images are built instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runner.build.dockerfile import Dockerfile, NeedsBuilderError, parse
from runner.build.layers import END, Layer, Tar, header, whole
from runner.build.recipe import KEY_LABEL, Recipe
from runner.engine.protocol import Engine, EngineImage
from runner.errors import EngineError

#: Stands in the archive's list of contents for a layer that the engine has.
PRESENT: Final = "present/layer.tar"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """An image to load: the base that the engine has, and what comes on top of it."""

    recipe: Recipe
    base: EngineImage
    layers: tuple[Layer, ...]
    config: Mapping[str, Any]


@dataclass
class ImageArchive:
    """The archive of some images; `diff_ids`, its layers' digests, are known once it is written."""

    images: tuple[Planned, ...]
    diff_ids: dict[Layer, str] = field(default_factory=dict)

    def layers_of(self, image: Planned) -> tuple[str, ...]:
        """The digests of all layers of an image."""
        return (*image.base.layers, *(self.diff_ids[layer] for layer in image.layers))

    def __iter__(self) -> Iterator[bytes]:
        """Write the archive: layers first, because images' configurations name their digests."""
        names: dict[Layer, str] = {}
        for layer in (layer for image in self.images for layer in image.layers):
            if layer not in names:
                names[layer] = f"{len(names)}/layer.tar"
                yield from self._layer(names[layer], layer)
        manifest = []
        for image in self.images:
            config = json.dumps(self._config(image), sort_keys=True).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            yield whole(name, config)
            present = [PRESENT] * len(image.base.layers)
            layers = [*present, *(names[layer] for layer in image.layers)]
            tags = [image.recipe.reference]
            manifest.append({"Config": name, "RepoTags": tags, "Layers": layers})
        yield whole("manifest.json", json.dumps(manifest).encode()) + END

    def _layer(self, name: str, layer: Layer) -> Iterator[bytes]:
        tar, sha = Tar(layer), hashlib.sha256()
        yield header(name, tar.size)
        for piece in tar:
            sha.update(piece)
            yield piece
        self.diff_ids[layer] = f"sha256:{sha.hexdigest()}"

    def _config(self, image: Planned) -> dict[str, Any]:
        """What the engine stores of an image, and takes the digest of as its id."""
        below = [{"created_by": "the base image"}] * len(image.base.layers)
        above = [{"created_by": f"COPY {layer.title}"} for layer in image.layers]
        return {
            "architecture": image.base.architecture,
            "os": "linux",
            "created": image.base.created,
            "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": self.layers_of(image)},
            "history": below + above,
        }


def described(recipe: Recipe) -> tuple[Dockerfile, tuple[Layer, ...]]:
    """What a recipe's Dockerfile says, and the layers as the image has them.

    Raises `NeedsBuilderError`.
    """
    said = parse(recipe.dockerfile, recipe.all_arguments)
    return said, tuple(said.applied(layer) for layer in recipe.layers)


def can_be_loaded(recipe: Recipe) -> bool:
    """Whether its Dockerfile is understood without a builder."""
    try:
        described(recipe)
    except NeedsBuilderError:
        return False
    return True


def plan(engine: Engine, recipes: Iterable[Recipe]) -> ImageArchive:
    """What must be loaded for the recipes, each of which may be the base of a later one."""
    planned: dict[str, Planned] = {}
    for recipe in recipes:
        said, layers = described(recipe)
        below = planned.get(said.base)
        # A name may stand for another image by now than the one that the recipe was made for.
        known = recipe.base_id if said.base == recipe.base else ""
        base = below.base if below else engine.image(known or said.base)
        if base is None:
            raise EngineError(f"{recipe.reference}: there is no image {said.base}")
        planned[recipe.reference] = Planned(
            recipe=recipe,
            base=base,
            layers=(*(below.layers if below else ()), *(layer for layer in layers if layer.holds)),
            config=said.config(below.config if below else base.config, recipe.labels),
        )
    return ImageArchive(tuple(planned.values()))


def load(engine: Engine, recipes: Iterable[Recipe]) -> dict[str, str]:
    """Load images in one call; return their ids by name.

    Raises `EngineError` unless the engine then has each of them as it was described.
    """
    archive = plan(engine, recipes)
    engine.load(iter(archive))
    ids = {}
    for image in archive.images:
        reference = image.recipe.reference
        found = engine.image(reference)
        if found is None:
            raise EngineError(f"{reference} is missing after images were loaded")
        if found.labels.get(KEY_LABEL) != image.recipe.key:
            raise EngineError(f"{reference} is another image than the one that was loaded")
        if found.layers != archive.layers_of(image):
            raise EngineError(f"{reference} has other layers than those that were loaded")
        ids[reference] = found.id
    return ids
