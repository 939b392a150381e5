"""One image: what it is made of, whether the engine has it, and how it is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.build.labels import KEY_LABEL, labels
from runner.build.layers import File, Layer, Tar
from runner.engine.protocol import Engine
from runner.errors import EngineError

#: `no space left on device`, as engines pass it on.
DISK_FULL = "no space left"


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by name and by content."""

    reference: str
    image_id: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an image is made and what it is called; equal keys mean equal content.

    `base` is the image below, and `base_id` the one that this name stood for when the recipe was
    made, where it stood for one; `layers` are the files of the build's context, which the
    Dockerfile copies to the same paths.
    """

    reference: str
    kind: str
    key: str
    dockerfile: str
    base: str
    base_id: str = ""
    layers: tuple[Layer, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)

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
    return Image(reference=reference, image_id=found.id)


def ensure(engine: Engine, recipe: Recipe) -> Image:
    """The image, built where the engine has none yet; `EngineError` with the build's log."""
    if image := current_image(engine, recipe.reference, recipe.key):
        return image
    try:
        built = engine.build(
            recipe.context(), recipe.reference, recipe.labels, recipe.all_arguments
        )
    except EngineError as error:
        raise explained(EngineError(f"{recipe.reference}, on {recipe.base}: {error}")) from error
    return Image(reference=recipe.reference, image_id=built)


def explained(error: EngineError) -> EngineError:
    """The error with what helps, where the engine's own words do not say so."""
    if DISK_FULL not in str(error):
        return error
    return EngineError(
        f"the engine's disk is full ({error}): free some space (`docker system df` shows what is "
        "used), then run the same command again"
    )
