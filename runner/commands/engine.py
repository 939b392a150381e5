"""An engine to work with, swept of what dead runs left."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from runner.engine.connection import connect
from runner.engine.docker_engine import DockerEngine
from runner.engine.ownership import sweep
from runner.provision import Tool, ensure_engine


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
        say(f"removed {orphan.name}, left by a run that is gone")
    return engine
