"""An engine to work with, swept of what dead runs left."""

from __future__ import annotations

from collections.abc import Callable

from runner.engine.connection import connect
from runner.engine.docker_engine import DockerEngine
from runner.engine.ownership import sweep
from runner.provision import ensure_engine


def usable_engine(say: Callable[[str], None], *, install: bool) -> DockerEngine:
    """Connect, installing an engine first where `install` allows; remove orphans of this host.

    Raises `EngineUnavailableError`.
    """
    if install:
        ensure_engine(say)
    engine = connect()
    for orphan in sweep(engine):
        say(f"removed {orphan.name}, left by a run that is gone")
    return engine
