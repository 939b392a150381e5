"""Measure, once per run, how the `ab` in use opens its connections."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator

from runner.engine.ownership import owner_labels
from runner.engine.pod import loadgen_spec
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.measurement.ceiling import AbOpening

PROBE_TIMEOUT_S = 30.0


@contextlib.contextmanager
def _sidecar(engine: Engine, image: str, run: str) -> Iterator[str]:
    """A sidecar without a server, for as long as the block lasts."""
    token = uuid.uuid4().hex[:12]
    spec = loadgen_spec(image, f"monkey-matrix-{token}", owner_labels(run, "ab", token))
    container = engine.create(spec)
    try:
        engine.start(container)
        yield container
    finally:
        engine.remove(container)


def ab_opening(engine: Engine, image: str, run: str) -> AbOpening:
    """Ask the sidecar image's `ab` against a listener of the agent's own."""
    with _sidecar(engine, image, run) as container:
        command = ("python3", "/agent/agent.py", "ab-opening", "{}")
        result = engine.exec(container, command, timeout=PROBE_TIMEOUT_S)
    try:
        opened = json.loads(result.stdout)["opened_before_first_answer"]
    except (ValueError, KeyError):
        said = (result.stderr or result.stdout).decode("utf-8", "replace").strip()[-300:]
        raise EngineError(
            f"ab's way of opening connections could not be measured: {said}"
        ) from None
    return AbOpening.FIRST_ALONE if opened == 1 else AbOpening.TOGETHER
