"""The patch modes, servers, workloads and companions, as their files under `images/` define them.

Each is one file, and what the matrix may name follows from the files alone. The same files run in
the cells: their top level needs nothing but the standard library.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from runner.errors import SpecError
from runner.paths import IMAGES

PROGRAM = IMAGES / "server" / "monkey_matrix_server"
COMPANIONS = IMAGES / "companions"
#: A parameter's default by its kind: seconds, a whole number, a boolean, or choices (the first).
Parameter: TypeAlias = "float | int | bool | tuple[str, ...]"
#: Where a patch may stand with a server that says nothing about it.
PLACEMENTS: Final = ("first", "late", "after-app", "by-app")


@dataclass(frozen=True, kw_only=True)
class PatchMode:
    """What is patched before anything else is imported.

    `packages` are those it imports, `packages_if_named` those it also imports where the matrix file
    names a version of them. `arguments` can be given to it, each with its default, None where that
    depends on the version. `patches`: whether it patches anything at all.
    """

    name: str
    place: int
    packages: frozenset[str]
    packages_if_named: frozenset[str] = frozenset()
    arguments: Mapping[str, bool | None] = field(default_factory=dict)
    patches: bool = True


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """What serves the application.

    `settings` are whole numbers with their defaults; `options` are further settings that are not
    set unless they are named: those with the value False are switches, the others numbers. `unfit`
    maps patch modes that cannot be used with it to the reason; `at_once` returns how many requests
    it works on at a time, None for as many as arrive.

    `placements` are where the patch may stand, the usual place first. `patches_itself`: it patches
    everything when it starts, whatever the patch mode. `versions` are bounds of packages' versions.
    """

    name: str
    place: int
    packages: frozenset[str]
    settings: Mapping[str, int]
    unfit: Mapping[str, str]
    at_once: Callable[[Mapping[str, int]], int | None]
    options: Mapping[str, int] = field(default_factory=dict)
    placements: tuple[str, ...] = PLACEMENTS
    patches_itself: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WorkloadKind:
    """What one request does; `workloads/__init__.py` of the server program explains the fields."""

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


@dataclass(frozen=True, kw_only=True)
class CompanionKind:
    """A backing service of a workload, in an image of its own.

    `python` is its interpreter, `packages` are installed for it (exact versions), `exclude_newer`
    dates what those depend on, `debian` are packages of the distribution, `program` is its file.
    `port` is the one it listens at, None where its file does not say.
    """

    name: str
    python: str
    packages: Mapping[str, str]
    exclude_newer: str
    debian: tuple[str, ...]
    memory_bytes: int
    startup_s: float
    program: Path
    port: int | None = None


@cache
def patches() -> Mapping[str, PatchMode]:
    """The patch modes by name, in the order of tables."""
    return _in_order(
        PatchMode(
            name=plugin["NAME"],
            place=plugin["PLACE"],
            packages=frozenset(plugin["PACKAGES"]),
            packages_if_named=frozenset(plugin.get("PACKAGES_IF_NAMED", ())),
            arguments=plugin.get("ARGUMENTS", {}),
            patches=plugin.get("PATCHES", True),
        )
        for plugin in _plugins(PROGRAM / "patches")
    )


@cache
def servers() -> Mapping[str, ServerKind]:
    """The servers by name, in the order of tables."""
    return _in_order(
        ServerKind(
            name=plugin["NAME"],
            place=plugin["PLACE"],
            packages=frozenset(plugin["PACKAGES"]),
            settings=plugin["SETTINGS"],
            unfit=plugin["UNFIT"],
            at_once=plugin["at_once"],
            options=plugin.get("OPTIONS", {}),
            placements=tuple(plugin.get("PLACEMENTS", PLACEMENTS)),
            patches_itself=plugin.get("PATCHES_ITSELF", False),
            versions=plugin.get("VERSIONS", {}),
        )
        for plugin in _plugins(PROGRAM / "servers")
    )


@cache
def workloads() -> Mapping[str, WorkloadKind]:
    """The workloads by name, in the order of tables."""
    return _in_order(
        WorkloadKind(
            name=plugin["NAME"],
            place=plugin["PLACE"],
            parameters=plugin["PARAMETERS"],
            packages=frozenset(plugin["PACKAGES"]),
            packages_by=plugin["PACKAGES_BY"],
            companion=plugin["COMPANION"],
            disk=plugin["DISK"],
            cpu_bound=plugin["CPU_BOUND"],
            alone=plugin["ALONE"],
            service_s=plugin["SERVICE_S"],
        )
        for plugin in _plugins(PROGRAM / "workloads")
    )


#: Of a request to the user's application it is not known what it does.
APPLICATION: Final = WorkloadKind(
    name="application",
    place=0,
    parameters={},
    packages=frozenset(),
    packages_by={},
    companion=None,
    disk=False,
    cpu_bound=False,
    alone=None,
    service_s=None,
)


def workload_kind(name: str) -> WorkloadKind:
    """The workload of this name, or the application's."""
    return APPLICATION if name == APPLICATION.name else workloads()[name]


@cache
def companions() -> Mapping[str, CompanionKind]:
    """The companions by name."""
    return {
        plugin.path.stem: CompanionKind(
            name=plugin.path.stem,
            python=plugin["PYTHON"],
            packages=plugin["PACKAGES"],
            exclude_newer=plugin["EXCLUDE_NEWER"],
            debian=plugin["DEBIAN"],
            memory_bytes=plugin["MEMORY_MIB"] << 20,
            startup_s=plugin["STARTUP_S"],
            program=plugin.path,
            port=plugin.get("PORT", None),
        )
        for plugin in _plugins(COMPANIONS)
    }


@cache
def optional_packages() -> frozenset[str]:
    """Packages that a cell carries only if its patch mode, server or workload imports them."""
    return frozenset().union(
        *(mode.packages | mode.packages_if_named for mode in patches().values()),
        *(kind.packages for kind in servers().values()),
        *(kind.all_packages for kind in workloads().values()),
    )


@cache
def parameters() -> tuple[str, ...]:
    """The names of all workloads' parameters, in their order."""
    return tuple(dict.fromkeys(name for kind in workloads().values() for name in kind.parameters))


KindT = TypeVar("KindT", PatchMode, ServerKind, WorkloadKind)


def _in_order(kinds: Iterable[KindT]) -> dict[str, KindT]:
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: (kind.place, kind.name))}


class _Plugin:
    """A plug-in's file, loaded: `plugin["NAME"]` is what it defines under that name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        name = f"cell_{path.parent.name}_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise SpecError(f"{path}: cannot be loaded; a plug-in is a Python file")
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - plug-ins define values of any type
        try:
            return getattr(self._module, name)
        except AttributeError:
            raise SpecError(
                f"{self.path}: {name} is missing; define it as docs/extending.md shows"
            ) from None

    def get(self, name: str, default: Any) -> Any:  # noqa: ANN401 - as above
        """What the plug-in defines under a name that it may leave out."""
        return getattr(self._module, name, default)


def _plugins(directory: Path) -> list[_Plugin]:
    files = sorted(directory.glob("[!_]*.py"))
    if not files:
        raise SpecError(
            f"{directory}: there are no plug-ins, so this installation is incomplete; "
            "install monkey-matrix again"
        )
    return [_Plugin(path) for path in files]
