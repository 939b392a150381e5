"""`poetry.lock`: names, versions, hashes and markers; Poetry itself is not needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from packaging.utils import canonicalize_name

from runner.application.pins import AnySource, Archive, GitSource, Pin, Requirements, mistake
from runner.application.poetry_project import specifier_of, wanted_by
from runner.application.requirements_txt import shown
from runner.application.sources import directory
from runner.application.toml_file import line_of, table, toml

MAIN: Final = "main"
Package: TypeAlias = Mapping[str, Any]


def read_poetry_lock(
    path: Path, root: Path, extras: frozenset[str], groups: frozenset[str]
) -> Requirements:
    """The locked versions; pyproject.toml beside it tells which of them are wanted.

    Without it, those of the chosen groups are, as far as the lock says which these are. What is not
    wanted for its own sake is a constraint.
    """
    place = shown(path, root)
    content = toml(path, place)
    text = path.read_text(encoding="utf-8")
    project = path.parent / "pyproject.toml"
    wanted = wanted_by(project, root, extras, groups) if project.is_file() else None
    found = Requirements(
        python=specifier_of(str(table(content, "metadata").get("python-versions", ""))),
        extras=extras,
    )
    for package in content.get("package", ()):
        name = package.get("name")
        where = place + line_of(text, f'name = "{name}"')
        if not {"name", "version"} <= package.keys():
            raise mistake(where, "a package has no name or version: run `poetry lock`")
        if source := _source(package, path.parent, where):
            found += Requirements(sources=(source,))
            continue
        files = _files(package, content)
        found += Requirements(
            pins=tuple(_pins(package, files, wanted, {MAIN, *groups}, where)),
            sdists=(canonicalize_name(package["name"]),) if _has_no_wheel(files) else (),
        )
    return found


def _pins(
    package: Package,
    files: Collection[Package],
    wanted: Mapping[str, Pin] | None,
    groups: set[str],
    place: str,
) -> Iterable[Pin]:
    name = canonicalize_name(package["name"])
    marker = _marker(package, groups)
    yield Pin(
        name=name,
        specifier=f"=={package['version']}",
        marker=marker,
        hashes=tuple(str(file["hash"]) for file in files),
        required=False,
        place=place,
    )
    if wanted is None:
        if not package.get("optional") and groups & _groups(package):
            yield Pin(name=name, marker=marker, place=place)
    elif name in wanted:
        yield wanted[name]


def _groups(package: Package) -> set[str]:
    """The groups that a package is locked for; locks of Poetry 1 say `category`, or nothing."""
    return set(package.get("groups", (package.get("category", MAIN),)))


def _marker(package: Package, groups: set[str]) -> str | None:
    """When the package is installed; Poetry 2 may say so for each group."""
    stated = package.get("markers")
    if isinstance(stated, str):
        return stated
    if not isinstance(stated, Mapping):
        return None
    mine = [stated.get(group) for group in sorted(groups & _groups(package))]
    return " or ".join(f"({one})" for one in mine) if mine and all(mine) else None


def _files(package: Package, content: Mapping[str, Any]) -> list[Package]:
    """A package's files; locks of Poetry 1.0 to 1.2 list them at their end."""
    files = package.get("files") or table(content, "metadata", "files").get(package["name"], ())
    return [file for file in files if "hash" in file]


def _has_no_wheel(files: Collection[Package]) -> bool:
    return bool(files) and not any(str(file.get("file", "")).endswith(".whl") for file in files)


def _source(package: Package, beside: Path, place: str) -> AnySource | None:
    source = table(package, "source")
    name = canonicalize_name(package["name"])
    url = str(source.get("url", ""))
    match source.get("type"):
        case "git":
            return GitSource(
                name=name, place=place, url=url, subdirectory=source.get("subdirectory", ""),
                revision=source.get("resolved_reference") or source.get("reference"),
            )  # fmt: skip
        case "directory":
            if not (beside / url).is_dir():
                raise mistake(place, f"there is no directory {url!r}: correct the path")
            return directory((beside / url).resolve(), place=place, name=name)
        case "file":
            return Archive(name=name, place=place, url=str(beside / url))
        case "url":
            return Archive(name=name, place=place, url=url)
    return None
