"""One launch to make, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits
from runner.measurement.records import LaunchRecord


@dataclass(frozen=True, kw_only=True)
class Job:
    """One launch to make."""

    run: str
    cell: Cell
    number: int
    server_image: str
    loadgen_image: str
    limits: Limits
    opening: AbOpening
    attempt: int = 1
    server_command: tuple[str, ...] = ()
    companion_image: str | None = None


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """The record of a launch and the files that go with it, by name."""

    record: LaunchRecord
    files: Mapping[str, bytes] = field(default_factory=dict)
