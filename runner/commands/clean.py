"""`matrix clean`: remove this project's containers and images, and nobody else's."""

from __future__ import annotations

from contextlib import closing

from runner.build.images import remove_images
from runner.engine.connection import connect
from runner.engine.ownership import HOST_LABEL, OWNER_LABEL, host_id, is_alive
from runner.engine.protocol import OwnedContainer
from runner.errors import UsageError


def clean() -> str:
    """Remove everything with the project's label; return what was removed, a line each.

    Raises `UsageError` while a run of this host goes on.
    """
    with closing(connect()) as engine:
        owned = [container for container in engine.owned() if not _of_another_host(container)]
        for container in owned:
            if is_alive(container.labels.get(OWNER_LABEL, "")):
                raise UsageError(
                    f"a run is going on (it made {container.name}): end it first, then clean"
                )
        for container in owned:
            engine.remove(container.id)
        images = remove_images(engine)
    removed = [f"container {container.name}" for container in owned]
    removed += [f"image {name}" for name in images]
    return "\n".join([*removed, f"removed {len(owned)} containers and {len(images)} images"])


def _of_another_host(container: OwnedContainer) -> bool:
    """Whether a run of another machine, with the same engine, made it: is it alive? Who knows."""
    return container.labels.get(HOST_LABEL) != host_id()
