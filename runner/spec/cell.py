"""The words of the matrix as values: what one cell is and what it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final


class PatchMode(StrEnum):
    """What is patched before anything else is imported."""

    NONE = "none"
    GEVENT = "gevent"
    GEVENT_SOCKET = "gevent-socket"
    GEVENT_SELECT = "gevent-select"
    GEVENT_TIME = "gevent-time"
    GRPC = "grpc"
    GEVENT_GRPC = "gevent+grpc"

    @property
    def needs(self) -> frozenset[str]:
        """Distributions the mode imports. `init_gevent()` imports gevent, so `grpc` needs both."""
        if self is PatchMode.NONE:
            return frozenset()
        if self in {PatchMode.GRPC, PatchMode.GEVENT_GRPC}:
            return frozenset({"gevent", "grpcio"})
        return frozenset({"gevent"})


class Server(StrEnum):
    """What serves the Flask application."""

    WERKZEUG = "werkzeug"
    WERKZEUG_SINGLE = "werkzeug-single"


#: Packages that a cell carries only where its patch mode (later: server, workload) imports them.
OPTIONAL_PACKAGES: Final = frozenset({"gevent", "grpcio"})


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one request does. `seconds` is the time it blocks."""

    name: str = "sleep"
    seconds: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on one launch. Times in seconds, memory in bytes."""

    startup_s: float = 30.0
    load_s: float = 300.0
    memory_bytes: int = 512 * 1024 * 1024
    pids: int = 2048


@cache
def _exact_version(specifier: str) -> str | None:
    match = re.fullmatch(r"==([^*,]+)", specifier)
    return match.group(1) if match else None


@dataclass(frozen=True, kw_only=True, order=True, slots=True)
class Requirement:
    """One distribution and the versions allowed for it, e.g. `gevent` `==25.*`."""

    name: str
    specifier: str

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"

    @property
    def exact(self) -> str | None:
        """The version, where the specifier pins exactly one."""
        return _exact_version(self.specifier)

    @property
    def label(self) -> str:
        """The version as written in a cell id: exact, or the specifier without `==`."""
        return self.exact or self.specifier.removeprefix("==") or "any"


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentRequest:
    """A Python and what must be installed for it: the key under which cells share an image."""

    python: str
    requirements: tuple[Requirement, ...]
    exclude_newer: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One canonical combination of axis values: what cannot matter has been dropped.

    `versions` holds the version of every package named in the matrix file that the cell uses, as
    requested until the environment is locked and exact afterwards. `varied` names the axes whose
    values tell this experiment's cells apart; they make up the id.
    """

    python: str
    patch: PatchMode
    server: Server
    workload: Workload
    concurrency: int
    requests: int
    requirements: tuple[Requirement, ...]
    exclude_newer: str | None = None
    varied: tuple[str, ...] = field(default=("python", "gevent", "grpcio", "patch"))

    @property
    def id(self) -> str:
        """The one readable name: `py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc`."""
        versions = {r.name: r.label for r in self.requirements}
        parts = [f"py{self.python}"]
        parts += [f"{name}{versions[name]}" for name in self.varied if name in versions]
        parts.append(str(self.patch))
        if "server" in self.varied:
            parts.append(str(self.server))
        if "concurrency" in self.varied:
            parts.append(f"c{self.concurrency}")
        return "-".join(parts)

    @property
    def environment(self) -> EnvironmentRequest:
        """What the cell's image must hold; equal for cells that share one."""
        return EnvironmentRequest(
            python=self.python,
            requirements=self.requirements,
            exclude_newer=self.exclude_newer,
        )

    def version(self, package: str) -> str | None:
        """The version of a package of the cell, None where the cell does not carry it."""
        for requirement in self.requirements:
            if requirement.name == package:
                return requirement.label
        return None

    def axis(self, name: str) -> str | None:
        """The cell's value on an axis as text, None where the axis was dropped from the cell."""
        fixed = {
            "python": self.python,
            "patch": str(self.patch),
            "server": str(self.server),
            "workload": self.workload.name,
            "concurrency": str(self.concurrency),
        }
        return fixed.get(name) or self.version(name)


@dataclass(frozen=True, kw_only=True)
class Base:
    """Where interpreters come from: `auto`, `registry` or `debian`.

    `registry` prefixes image names (`localhost:5000/`); `allow_expired` accepts a Debian suite
    whose Release file has passed its Valid-Until date.
    """

    kind: str = "auto"
    registry: str = ""
    allow_expired: bool = False


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One named section of the matrix file, checked and expanded into its cells.

    `axes` are the names in the order of the file; `baseline` is the partial match (axis → value)
    that a cell's speed-up is taken against, within equal values of the other axes.
    """

    name: str
    axes: tuple[str, ...]
    cells: tuple[Cell, ...]
    limits: Limits
    baseline: tuple[tuple[str, str], ...] = (("patch", "none"),)
    base: Base = field(default_factory=Base)
    launches: int = 1
    source: str = ""
