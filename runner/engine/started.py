"""A container beside the pods, which does one thing for this program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from runner.engine.protocol import ContainerSpec, Engine


@contextlib.contextmanager
def started(engine: Engine, spec: ContainerSpec) -> Iterator[str]:
    """The id of a container that runs for as long as the block lasts, and is then removed."""
    container = engine.create(spec)
    try:
        engine.start(container)
        yield container
    finally:
        engine.remove(container)
