"""The engine of this machine: `matrix clean`, and an engine for a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing

from runner.build.images import remove_images
from runner.engine.connection import connect
from runner.engine.docker_engine import DockerEngine
from runner.engine.ownership import (
    HOST_LABEL,
    OWNER_LABEL,
    host_id,
    is_alive,
    joiners_first,
    sweep,
)
from runner.engine.protocol import Engine, OwnedContainer
from runner.errors import EngineError, EngineUnavailableError, UsageError
from runner.provision import Tool, ensure_engine
from runner.text import counted

# -- clean -----------------------------------------------------------------------------------------


def clean() -> str:
    """Remove everything with the project's label; return what was removed, a line each.

    Raises `UsageError` while a run of this host is going on.
    """
    with closing(connect()) as engine:
        try:
            return _cleaned(engine)
        except EngineError as error:
            raise EngineUnavailableError(
                f"the engine failed: {error}; see `matrix doctor`, then run `matrix clean` again"
            ) from None


def _cleaned(engine: Engine) -> str:
    owned = joiners_first(c for c in engine.owned() if not _of_another_host(c))
    for container in owned:
        if is_alive(container.labels.get(OWNER_LABEL, "")):
            raise UsageError(
                f"a run is going on (it made {container.name}): end it first, then clean"
            )
    for container in owned:
        engine.remove(container.id)
    images, used = remove_images(engine)
    return "\n".join(
        [
            *(f"container {container.name}" for container in owned),
            *(f"image {name}" for name in images),
            *(f"left: image {name}, which a container of another host uses" for name in used),
            f"removed {counted(len(owned), 'container')} and {counted(len(images), 'image')}",
        ]
    )


def _of_another_host(container: OwnedContainer) -> bool:
    """Whether another host made it. Its run may still be alive, so it is left alone.

    One that a user started by hand has the label that its image has, and no host.
    """
    return container.labels.get(HOST_LABEL, host_id()) != host_id()


# -- an engine for a run ---------------------------------------------------------------------------


def usable_engine(
    say: Callable[[str], None], *, install: bool, tools: Iterable[Tool] = ()
) -> DockerEngine:
    """Connect, and remove orphans of this host.

    With `install`, an engine and the `tools` are installed first where they are missing. Raises
    `EngineUnavailableError`.
    """
    if install:
        ensure_engine(say, tools)
    engine = connect()
    for orphan in sweep(engine):
        say(f"removed {orphan.name}, left by a run that has ended")
    return engine
