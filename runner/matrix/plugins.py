"""What the server program offers: its patch modes, servers and workloads, as its modules say.

Each is one file under `images/server`, and what the matrix may name follows from the files alone.
The same files run in the cells: their top level needs nothing but the standard library.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

from runner.errors import SpecError

IMAGES = Path(__file__).resolve().parents[2] / "images"
PROGRAM = IMAGES / "server"
COMPANIONS = IMAGES / "companions"
#: A parameter's default by its kind: seconds, a whole number, a truth, or choices (first: default).
Parameter: TypeAlias = "float | int | bool | tuple[str, ...]"


@dataclass(frozen=True, kw_only=True)
class PatchMode:
    """What is patched before anything else is imported; `packages` are those it imports."""

    name: str
    place: int
    packages: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """What serves the application.

    `settings` are whole numbers with their defaults; `unfit` maps patch modes that make no sense
    with it to the reason; `at_once` says how many requests it works on at a time, None for as many
    as come.
    """

    name: str
    place: int
    packages: frozenset[str]
    settings: Mapping[str, int]
    unfit: Mapping[str, str]
    at_once: Callable[[Mapping[str, int]], int | None]


@dataclass(frozen=True, kw_only=True)
class WorkloadKind:
    """What one request does; see `images/server/workloads` for what each field says."""

    name: str
    place: int
    parameters: Mapping[str, Parameter]
    packages: frozenset[str]
    packages_by: Mapping[str, Mapping[str, tuple[str, ...]]]
    companion: str | None
    disk: bool
    cpu_bound: bool
    alone: str | None
    service_s: str | None

    def packages_with(self, parameters: Mapping[str, str]) -> frozenset[str]:
        """The packages that the workload imports with these parameters."""
        chosen = (by[parameters[name]] for name, by in self.packages_by.items())
        return self.packages.union(*chosen)

    @property
    def all_packages(self) -> frozenset[str]:
        """The packages that the workload imports with any parameters."""
        several = (packages for by in self.packages_by.values() for packages in by.values())
        return self.packages.union(*several)


KindT = TypeVar("KindT", PatchMode, ServerKind, WorkloadKind)


@dataclass(frozen=True, kw_only=True)
class CompanionKind:
    """A service that a workload talks to, in an image of its own.

    `python` is its interpreter, `packages` are what is installed for it (exact versions),
    `exclude_newer` dates what those depend on, `debian` are packages of the distribution, and
    `program` is its file.
    """

    name: str
    python: str
    packages: Mapping[str, str]
    exclude_newer: str
    debian: tuple[str, ...]
    memory_bytes: int
    startup_s: float
    program: Path


@cache
def companions() -> Mapping[str, CompanionKind]:
    """The companions by name."""
    return {
        path.stem: CompanionKind(
            name=path.stem,
            python=said("PYTHON"),
            packages=said("PACKAGES"),
            exclude_newer=said("EXCLUDE_NEWER"),
            debian=said("DEBIAN"),
            memory_bytes=said("MEMORY_MIB") * 1024 * 1024,
            startup_s=said("STARTUP_S"),
            program=path,
        )
        for path in sorted(COMPANIONS.glob("[!_]*.py"))
        for said in [_said(path)]
    }


@cache
def patches() -> Mapping[str, PatchMode]:
    """The patch modes by name, in the order of tables."""
    return _ordered(
        PatchMode(name=said("NAME"), place=said("PLACE"), packages=frozenset(said("PACKAGES")))
        for said in _plugins("patches")
    )


@cache
def servers() -> Mapping[str, ServerKind]:
    """The servers by name, in the order of tables."""
    return _ordered(
        ServerKind(
            name=said("NAME"),
            place=said("PLACE"),
            packages=frozenset(said("PACKAGES")),
            settings=said("SETTINGS"),
            unfit=said("UNFIT"),
            at_once=said("at_once"),
        )
        for said in _plugins("servers")
    )


@cache
def workloads() -> Mapping[str, WorkloadKind]:
    """The workloads by name, in the order of tables."""
    return _ordered(
        WorkloadKind(
            name=said("NAME"),
            place=said("PLACE"),
            parameters=said("PARAMETERS"),
            packages=frozenset(said("PACKAGES")),
            packages_by=said("PACKAGES_BY"),
            companion=said("COMPANION"),
            disk=said("DISK"),
            cpu_bound=said("CPU_BOUND"),
            alone=said("ALONE"),
            service_s=said("SERVICE_S"),
        )
        for said in _plugins("workloads")
    )


@cache
def optional_packages() -> frozenset[str]:
    """Packages that a cell carries only where its patch mode, server or workload imports them."""
    return frozenset().union(
        *(mode.packages for mode in patches().values()),
        *(kind.packages for kind in servers().values()),
        *(kind.all_packages for kind in workloads().values()),
    )


@cache
def parameters() -> frozenset[str]:
    """The names of all workloads' parameters."""
    return frozenset(name for kind in workloads().values() for name in kind.parameters)


def _ordered(kinds: Iterable[KindT]) -> dict[str, KindT]:
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: (kind.place, kind.name))}


def _plugins(directory: str) -> list[Callable[[str], Any]]:
    """What each plugin says; what they are to say is written at the top of their package."""
    return [_said(path) for path in sorted((PROGRAM / directory).glob("[!_]*.py"))]


def _said(path: Path) -> Callable[[str], Any]:
    module = _module(path)

    def said(name: str) -> Any:  # noqa: ANN401 - whatever a plugin says
        try:
            return getattr(module, name)
        except AttributeError:
            raise SpecError(f"{path}: does not say {name}; its neighbours show how") from None

    return said


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cell_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
