"""What recording a request costs: the application called recorded and not, in turns."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.common import Options, figure
from tests.support.program import install

REQUESTS, REPEATS = 20_000, 15
GOAL_US = 2.0


def run(_options: Options) -> Iterator[str]:
    """Microseconds a request."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        recorded = _recorded(Path(directory))
        pairs = [(_us(recorded), _us(_application)) for _ in range(REPEATS)]
    cost = statistics.median(with_it - without for with_it, without in pairs)
    yield figure(
        f"CPU a request, Python {sys.version_info.major}.{sys.version_info.minor}",
        f"{cost:.2f} µs",
        f"≤ {GOAL_US:g} µs",
        met=cost <= GOAL_US,
    )


def _application(_environ: object, start: Callable[..., object]) -> list[bytes]:
    start("200 OK", [])
    return [b"Hello World"]


def _recorded(directory: Path) -> Callable[..., Any]:
    sys.path.insert(0, str(install(directory)))
    made: Callable[..., Any] = import_module("monkey_matrix_server.recording").Recorded(
        _application
    )
    return made


def _us(application: Callable[..., Any]) -> float:
    """CPU time of one request, in microseconds."""
    began = time.process_time()
    for _ in range(REQUESTS):
        answer = application({}, _start)
        for _part in answer:
            pass
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    return (time.process_time() - began) / REQUESTS * 1e6


def _start(*_: object) -> None:
    pass
