"""`uv.lock` and `pylock.toml`: exact versions with hashes, for every platform at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.utils import canonicalize_name

from runner.application.pins import (
    AnySource,
    Archive,
    GitSource,
    Pin,
    Requirements,
    mistake,
)
from runner.application.requirements_txt import Reading, parse_requirements, shown
from runner.application.sources import directory
from runner.application.toml_file import chosen, table, toml
from runner.resolver import causes, run_uv, uv_binary, without_addresses

#: The group that uv installs by default, which is for those who work on the application.
DEVELOPMENT = "dev"


def read_uv_lock(
    path: Path, root: Path, extras: frozenset[str], groups: frozenset[str]
) -> Requirements:
    """What uv itself reads in its lock, without changing it, asking an index or building anything.

    The project's default groups count, except `dev`. The project itself is not among its
    requirements.
    """
    place = shown(path, root)
    if path.name != "uv.lock":
        raise mistake(place, "uv reads its lock under the name uv.lock only: rename it")
    if not (path.parent / "pyproject.toml").is_file():
        raise mistake(place, "there is no pyproject.toml beside it, without which uv reads no lock")
    content = toml(path, place)
    result = run_uv(_export(path, extras, groups))
    if result.returncode:
        why = without_addresses(causes(result.stderr))
        raise mistake(place, f"uv cannot read it: {why}")
    read = parse_requirements(
        result.stdout, name=place, reading=Reading(root=path.parent, required=True)
    )
    named = {pin.name for pin in read.pins}
    return read + Requirements(
        sdists=tuple(name for name in _without_wheel(content) if name in named),
        python=str(content.get("requires-python", "")),
        extras=extras,
    )


def _export(path: Path, extras: frozenset[str], groups: frozenset[str]) -> list[str]:
    command = [
        uv_binary(), "export", "--frozen", "--offline", "--directory", str(path.parent),
        "--format", "requirements.txt", "--no-header", "--no-annotate", "--no-emit-project",
        "--python", sys.executable, "--no-python-downloads", "--quiet",
    ]  # fmt: skip
    command += [word for name in sorted(extras) for word in ("--extra", name)]
    command += [word for name in sorted(groups) for word in ("--group", name)]
    return command if DEVELOPMENT in groups else [*command, "--no-dev"]


def _without_wheel(content: Mapping[str, Any]) -> list[str]:
    return [
        canonicalize_name(package["name"])
        for package in content.get("package", ())
        if "registry" in table(package, "source")
        and "sdist" in package
        and not package.get("wheels")
    ]


def read_pylock(
    path: Path, root: Path, extras: frozenset[str], groups: frozenset[str]
) -> Requirements:
    """A lock in the standard format of PEP 751. Its default groups count if none is chosen."""
    place = shown(path, root)
    try:
        lock = Pylock.from_dict(toml(path, place))
    except PylockValidationError as error:
        raise mistake(
            place, f"this is no valid lock ({error}): lock the application again"
        ) from None
    chosen("extra", extras, dict.fromkeys(lock.extras or ()), place)
    chosen("group", groups, dict.fromkeys(lock.dependency_groups or ()), place)
    pins: list[Pin] = []
    sources: list[AnySource] = []
    for package in lock.packages:
        if source := _source(package, path, place):
            sources.append(source)
        else:
            pins.append(_pin(package, place))
    return Requirements(
        pins=tuple(pins),
        sources=tuple(sources),
        sdists=tuple(p.name for p in lock.packages if p.sdist and not p.wheels),
        python=str(lock.requires_python or ""),
        extras=extras,
        groups=groups or frozenset(lock.default_groups or ()),
    )


def _pin(package: Package, place: str) -> Pin:
    if package.version is None:
        raise mistake(place, f"{package.name} has no version: lock the application again")
    found = [file.hashes for file in package.wheels or ()]
    found += [package.sdist.hashes] if package.sdist else []
    return Pin(
        name=package.name,
        specifier=f"=={package.version}",
        marker=str(package.marker) if package.marker else None,
        hashes=tuple(f"{kind}:{value}" for one in found for kind, value in one.items()),
        place=place,
    )


def _source(package: Package, path: Path, place: str) -> AnySource | None:
    marker = str(package.marker) if package.marker else None
    if package.vcs:
        if package.vcs.type != "git" or not package.vcs.url:
            raise mistake(place, f"{package.name}: only git repositories with an address are built")
        return GitSource(
            name=package.name, marker=marker, place=place, url=package.vcs.url,
            revision=package.vcs.commit_id, subdirectory=package.vcs.subdirectory or "",
        )  # fmt: skip
    if package.directory:
        where = path.parent / package.directory.path / (package.directory.subdirectory or "")
        if not where.is_dir():
            raise mistake(place, f"{package.name}: there is no directory {where}")
        return directory(
            where.resolve(), place=place, name=package.name, marker=marker,
            editable=bool(package.directory.editable),
        )  # fmt: skip
    if package.archive:
        archive = package.archive
        return Archive(
            name=package.name, marker=marker, place=place,
            url=archive.url or str(path.parent / (archive.path or "")),
            hashes=tuple(f"{kind}:{value}" for kind, value in archive.hashes.items()),
        )  # fmt: skip
    return None
