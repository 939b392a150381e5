"""Measure, once per run, how the `ab` in use opens its connections."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from runner.engine.ownership import owner_labels
from runner.engine.pod import loadgen_spec
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.ceiling import AbOpening

PROBE_TIMEOUT_S = 30.0


@contextlib.contextmanager
def _sidecar(engine: Engine, image: str) -> Iterator[str]:
    """A sidecar without a server, for as long as the block lasts."""
    token = uuid.uuid4().hex[:12]
    spec = loadgen_spec(image, f"monkey-matrix-{token}", owner_labels("probe", "ab", token))
    container = engine.create(spec)
    try:
        engine.start(container)
        yield container
    finally:
        engine.remove(container)


@dataclass(frozen=True, kw_only=True)
class AbFacts:
    """What was found out about the `ab` in use; `version` is its package's."""

    opening: AbOpening
    version: str | None


def ab_facts(engine: Engine, image: str) -> AbFacts:
    """Ask the sidecar image's `ab` against a listener of the agent's own.

    Raises `EngineError` where it cannot be asked.
    """
    with _sidecar(engine, image) as container:
        command = ("python3", "/agent/agent.py", "ab-opening", "{}")
        result = engine.exec(container, command, timeout=PROBE_TIMEOUT_S)
    try:
        answer = json.loads(result.stdout)
        opened, version = answer["opened_before_first_answer"], answer["version"]
    except (ValueError, KeyError):
        said = (result.stderr or result.stdout).decode("utf-8", "replace").strip()[-300:]
        raise EngineError(
            f"ab's way of opening connections could not be measured: {said}"
        ) from None
    opening = AbOpening.FIRST_ALONE if opened == 1 else AbOpening.TOGETHER
    return AbFacts(opening=opening, version=version)
