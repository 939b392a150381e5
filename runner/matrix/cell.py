"""The words of the matrix as values: what one cell is and what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from runner.matrix.values import Server, Workload

#: When the patch is applied: before anything else is imported, or after Flask and grpc were.
ORDERS: Final = ("first", "late")


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
    requested until the environment is locked and exact afterwards. `order` says whether the patch
    comes `first` or `late`, None where nothing is patched. `varied` names the axes whose values
    tell this experiment's cells apart; they make up the id.
    """

    python: str
    patch: str
    server: Server
    workload: Workload
    concurrency: int
    requests: int
    requirements: tuple[Requirement, ...]
    order: str | None = None
    exclude_newer: str | None = None
    varied: tuple[str, ...] = field(default=("python", "gevent", "grpcio", "patch"))

    @property
    def id(self) -> str:
        """The one readable name: `py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc`."""
        versions = {r.name: r.label for r in self.requirements}
        parts = [f"py{self.python}"]
        parts += [f"{name}{versions[name]}" for name in self.varied if name in versions]
        parts.append(self.patch)
        if "order" in self.varied and self.order:
            parts.append(self.order)
        if "server" in self.varied:
            parts.append(str(self.server))
        if "workload" in self.varied:
            parts.append(self.workload.name)
        parts += [_said(n, v) for n, v in self.workload.parameters if n in self.varied]
        if "concurrency" in self.varied:
            parts.append(f"c{self.concurrency}")
        return "-".join(parts)

    @property
    def at_once(self) -> int:
        """How many of the load's requests can be worked on at a time, if all goes well."""
        limit = self.server.at_once
        if self.workload.kind.cpu_bound:
            limit = dict(self.server.settings).get("workers", 1)
        return self.concurrency if limit is None else min(limit, self.concurrency)

    @property
    def is_serial(self) -> bool:
        """Whether clients queue for a server that takes one request at a time."""
        return self.at_once == 1 < self.concurrency

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
            "patch": self.patch,
            "order": self.order,
            "server": str(self.server),
            "workload": self.workload.name,
            "concurrency": str(self.concurrency),
            **dict(self.workload.parameters),
        }
        return fixed.get(name) or self.version(name)


def _said(name: str, value: str) -> str:
    """A parameter's value as part of an id: `unary`, `ready`, `no-ready`, `seconds0.2`."""
    if value in {"true", "false"}:
        return name if value == "true" else f"no-{name}"
    return value if value[0].isalpha() else f"{name}{value}"


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What is known of cells: `cells` are globs by axis; `outcomes` or bounds on columns must hold.

    A bound is (column, operator, value); `place` is where the file says it, line and column.
    """

    cells: tuple[tuple[str, str], ...]
    outcomes: tuple[str, ...] = ()
    bounds: tuple[tuple[str, str, float], ...] = ()
    place: str = ""


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
    that a cell's speed-up is taken against, within equal values of the other axes. A disturbed
    launch is made again `repeats` times at the most. `left_out` are combinations that make no
    sense, in words, with the reason.
    """

    name: str
    axes: tuple[str, ...]
    cells: tuple[Cell, ...]
    limits: Limits
    baseline: tuple[tuple[str, str], ...] = (("patch", "none"),)
    base: Base = field(default_factory=Base)
    launches: int = 1
    repeats: int = 2
    expect: tuple[Expectation, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    source: str = ""


def pinned(
    requirements: Iterable[Requirement], versions: Mapping[str, str]
) -> tuple[Requirement, ...]:
    """Each package at its exact version; `versions` maps normalised names to versions."""
    return tuple(Requirement(name=r.name, specifier=f"=={versions[r.name]}") for r in requirements)


def with_requirements(cell: Cell, requirements: tuple[Requirement, ...]) -> Cell:
    """The cell with these requirements; the cell itself where it has them already."""
    if cell.requirements == requirements:
        return cell
    return Cell(  # not `replace`, which takes twice as long: there may be 100,000 cells
        python=cell.python,
        patch=cell.patch,
        order=cell.order,
        server=cell.server,
        workload=cell.workload,
        concurrency=cell.concurrency,
        requests=cell.requests,
        requirements=requirements,
        exclude_newer=cell.exclude_newer,
        varied=cell.varied,
    )
