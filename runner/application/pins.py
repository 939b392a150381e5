"""What an application's requirements come to: pins, and the sources that somebody has to build."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runner.errors import SpecError
from runner.matrix.values import exact_version


def mistake(place: str, what: str) -> SpecError:
    """An error in a file of the application: `requirements.txt:12: …; how to fix it`."""
    return SpecError(f"{place}: {what}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A Python and platform for which markers are evaluated, as uv does: by the lowest patch."""

    python: str
    platform: str = "x86_64-manylinux_2_28"
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def meets(self, marker: str | None) -> bool:
        """Whether a marker holds; one about `extra` holds for any of the chosen ones."""
        if not marker:
            return True
        parsed = Marker(marker)
        return any(
            parsed.evaluate({**self._environment, "extra": extra}, context="lock_file")
            for extra in ("", *sorted(self.extras))
        )

    @property
    def _environment(self) -> Mapping[str, str | frozenset[str]]:
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": self.platform.partition("-")[0],
            "platform_release": "",
            "platform_version": "",
            "extras": self.extras,
            "dependency_groups": self.groups,
        }


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One distribution that an application names, and the versions it allows.

    `hashes` are `algorithm:digest`. Without `required` it is a constraint: it is not installed for
    its own sake. `place` is where it stands, e.g. `requirements.txt:12`.
    """

    name: str
    specifier: str = ""
    marker: str | None = None
    extras: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    required: bool = True
    place: str = ""

    @property
    def exact(self) -> str | None:
        """The version, in its normal form, if only one is allowed."""
        if self.specifier.startswith("==="):  # any text may follow
            return self.specifier.removeprefix("===")
        return exact_version(self.specifier)

    @property
    def with_extras(self) -> str:
        """`gunicorn[eventlet]`: the name as a requirement that allows any version."""
        return self.name + (f"[{','.join(self.extras)}]" if self.extras else "")

    def __str__(self) -> str:
        return self.with_extras + self.specifier


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """A distribution of the index that has no wheel to install."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is no distribution of the index, and has to be built; the name may not be known yet."""

    name: str | None
    extras: tuple[str, ...] = ()
    marker: str | None = None
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class GitSource(Source):
    """A git repository. Its address may hold a password, so that it is never printed."""

    url: str = field(repr=False)
    revision: str | None = None
    subdirectory: str = ""

    def __str__(self) -> str:
        return f"git {self.revision or 'default branch'}"


@dataclass(frozen=True, kw_only=True)
class Directory(Source):
    """A directory on this machine. `requires` are its dependencies, None until it is built."""

    path: Path
    editable: bool = False
    requires: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"directory {self.path.name}"


@dataclass(frozen=True, kw_only=True)
class Archive(Source):
    """A wheel or source archive at an address or path, which may hold a password."""

    url: str = field(repr=False)
    hashes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "an archive"


AnySource = GitSource | Directory | Archive
Marked = TypeVar("Marked", bound="Pin | Source")


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """All that an application requires.

    `sdists` are those that a lock file already shows to have no wheel at all; others are found by
    resolving. `python` are the Pythons that the files admit, a specifier. `extras` and `groups` are
    the chosen ones, for markers. `remarks` tell what in the files has no effect.
    """

    pins: tuple[Pin, ...] = ()
    sources: tuple[AnySource, ...] = ()
    sdists: tuple[str, ...] = ()
    python: str = ""
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()

    def __add__(self, other: Requirements) -> Requirements:
        return Requirements(
            pins=self.pins + other.pins,
            sources=self.sources + other.sources,
            sdists=self.sdists + other.sdists,
            python=",".join(part for part in (self.python, other.python) if part),
            extras=self.extras | other.extras,
            groups=self.groups | other.groups,
            remarks=self.remarks + other.remarks,
        )

    def target(self, python: str, platform: str) -> Target:
        """A Python and platform, with the chosen extras and groups."""
        return Target(python=python, platform=platform, extras=self.extras, groups=self.groups)


def on(target: Target, several: Collection[Marked]) -> list[Marked]:
    """Those whose markers hold."""
    return [one for one in several if target.meets(one.marker)]


def pin(
    requirement: Requirement, *, place: str, hashes: tuple[str, ...] = (), required: bool = True
) -> Pin:
    """A requirement without an address, as a pin."""
    return Pin(
        name=canonicalize_name(requirement.name),
        specifier=str(requirement.specifier),
        marker=str(requirement.marker) if requirement.marker else None,
        extras=tuple(sorted(requirement.extras)),
        hashes=hashes,
        required=required,
        place=place,
    )
