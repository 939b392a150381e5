"""What the client of a run on several hosts and its workers tell each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from runner.commands.cells import LockedCells
from runner.engine.protocol import EngineInfo
from runner.matrix.cell import Experiment
from runner.paths import IMAGES
from runner.store.records import Host, RunRecord


class Held(NamedTuple):
    """A round that a worker has on its disk: of which shards, by the key of `Prepared`.

    `fresh` is the id of the run that began it where that was one with `--fresh`, else empty.
    """

    experiment: str
    shards: int
    key: str
    number: int
    fresh: str = ""


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """A worker says who it is: its program, its machine and engine, and what it still holds.

    `engine_key` is unique to the engine.
    """

    program: str
    host: Host
    engine: EngineInfo
    engine_key: str
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One shard of a run: its cells, locked, and what all of its rounds have in common.

    `shard` counts from 1. With `fresh`, what the worker holds of it is thrown away.
    """

    run: str
    experiment: Experiment
    locked: LockedCells
    jobs: int | None
    seed: int
    shard: int
    shards: int
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A worker is ready for a shard: what `run.json` would hold if it ran the shard alone.

    `key` is equal where a round that was made before can be used for this run.
    """

    record: RunRecord
    key: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """One round of a shard to be made, or handed over: it has the number `number` in the run.

    Without `cells` it is of all the shard's. `full_rates` are the rates in requests per second
    that the host's baselines reached, by cell.
    """

    run: str
    key: str
    number: int
    cells: frozenset[str] | None = None
    full_rates: Mapping[str, float] = field(default_factory=dict)


class Stored(NamedTuple):
    """A launch as it is on the worker's disk: its `result.json` and its other files.

    `final` is False for an attempt that was disturbed and repeated.
    """

    result: bytes
    files: Mapping[str, bytes]
    final: bool


@dataclass(frozen=True, kw_only=True)
class Made:
    """What there is of a round. It is not `whole` where the worker was told to stop."""

    launches: Sequence[Stored]
    whole: bool


@cache
def program() -> str:
    """This program's version, and a digest of its files: a checkout changes between versions."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for top in (package, IMAGES):
        for path in sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(top)).encode())
                digest.update(path.read_bytes())
    return f"monkey-matrix {version('monkey-matrix')} ({digest.hexdigest()[:12]})"
