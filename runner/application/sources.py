"""Addresses and directories in requirements: git repositories, local projects, archives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from runner.application.pins import AnySource, Archive, Directory, GitSource, Source, mistake
from runner.application.toml_file import requirement, table, toml

ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
ADDRESS = re.compile(r"[a-z+]+://|file:")
#: Extras at the end of a local path: `./project[postgres]`.
WITH_EXTRAS = re.compile(r"(?P<path>.+?)\[(?P<extras>[A-Za-z0-9._, -]+)\]")


def is_path(text: str) -> bool:
    """Whether a requirement is a path, by how it is written: `./core[fast]`, `x-1.0.tar.gz`."""
    bare = re.split(r"\s*[;\[]|\s+@\s", text)[0]
    return "://" not in bare and ("/" in bare or bare in {".", ".."} or bare.endswith(ARCHIVES))


def is_address(text: str) -> bool:
    """Whether a requirement is an address without a name before it."""
    return ADDRESS.match(text) is not None


def source_at(
    address: str,
    *,
    place: str,
    roots: tuple[Path, ...],
    name: str | None = None,
    extras: tuple[str, ...] = (),
    marker: str | None = None,
    hashes: tuple[str, ...] = (),
    editable: bool = False,
) -> AnySource:
    """The source at an address or path; relative paths are looked for in each root in turn."""
    if "://" not in address and (match := WITH_EXTRAS.fullmatch(address)):
        address, extras = match["path"], _extras(match["extras"])
    parts = urlsplit(address) if "://" in address or address.startswith("file:") else None
    fragment = parse_qs(parts.fragment) if parts else {}
    if egg := fragment.get("egg", [""])[0]:
        written = WITH_EXTRAS.fullmatch(egg)
        name = canonicalize_name(written["path"] if written else egg)
        extras = _extras(written["extras"]) if written else extras
    if parts and parts.scheme.startswith("git+"):
        bare, _, revision = parts.path.partition("@")
        return GitSource(
            name=name, extras=extras, marker=marker, place=place,
            url=urlunsplit((parts.scheme[4:], parts.netloc, bare, parts.query, "")),
            revision=revision or None,
            subdirectory=fragment.get("subdirectory", [""])[0],
        )  # fmt: skip
    if parts and parts.scheme != "file":
        about = Source(name=name, extras=extras, marker=marker, place=place)
        return _remote(address, parts.scheme, about, hashes)
    path = _found(unquote(parts.path) if parts else address, roots, place)
    if path.is_file():
        return Archive(
            name=name or _named(path.name), extras=extras, marker=marker, place=place,
            url=str(path), hashes=hashes,
        )  # fmt: skip
    return directory(path, place=place, name=name, extras=extras, marker=marker, editable=editable)


def _remote(address: str, scheme: str, about: Source, hashes: tuple[str, ...]) -> Archive:
    if scheme not in {"http", "https"}:
        raise mistake(
            about.place,
            f"sources of the kind {scheme!r} are not supported: use git+https or a wheel",
        )
    file_name = unquote(urlsplit(address).path).rpartition("/")[2]
    return Archive(
        name=about.name or _named(file_name), extras=about.extras, marker=about.marker,
        place=about.place, url=address, hashes=hashes,
    )  # fmt: skip


def _extras(text: str) -> tuple[str, ...]:
    return tuple(sorted(extra.strip() for extra in text.split(",")))


def _named(file_name: str) -> str | None:
    """The distribution in an archive, by the archive's name."""
    try:
        if file_name.endswith(".whl"):
            return parse_wheel_filename(file_name)[0]
        return parse_sdist_filename(file_name)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def _found(text: str, roots: tuple[Path, ...], place: str) -> Path:
    for root in roots:
        if (root / text).exists():
            return (root / text).resolve()
    raise mistake(
        place, f"there is no file or directory {text!r} in {roots[0]}: correct or remove the line"
    )


def directory(
    path: Path,
    *,
    place: str,
    name: str | None = None,
    extras: tuple[str, ...] = (),
    marker: str | None = None,
    editable: bool = False,
) -> Directory:
    """A local project, with what its pyproject.toml tells without running anything."""
    file = path / "pyproject.toml"
    project = _project(file, place)
    stated = project.get("name")
    dynamic = project.get("dynamic", ())
    known = bool(project) and "dependencies" not in dynamic
    optional = project.get("optional-dependencies", {})
    wanted = [*project.get("dependencies", ()), *(r for e in extras for r in optional.get(e, ()))]
    return Directory(
        name=name or (canonicalize_name(stated) if isinstance(stated, str) else None),
        extras=extras, marker=marker, place=place, path=path, editable=editable,
        requires=tuple(str(requirement(r, file, str(file))) for r in wanted) if known else None,
    )  # fmt: skip


def _project(file: Path, place: str) -> dict[str, Any]:
    if not file.exists():
        if not any((file.parent / name).exists() for name in ("setup.py", "setup.cfg")):
            raise mistake(
                place,
                f"{file.parent} is no Python project: it has neither pyproject.toml nor setup.py",
            )
        return {}
    return table(toml(file, str(file)), "project")
