"""`Pipfile.lock`: names, versions, hashes and markers; Pipenv itself is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from runner.application.pins import AnySource, GitSource, Pin, Requirements, mistake
from runner.application.requirements_txt import shown
from runner.application.sources import source_at
from runner.application.toml_file import chosen, json_object, line_of, table

DEFAULT: Final = "default"
#: Groups as other tools call them → as Pipenv's lock does.
SECTIONS: Final = {"dev": "develop"}


def read_pipfile_lock(path: Path, root: Path, groups: frozenset[str]) -> Requirements:
    """The locked versions of the section `default`, and of each chosen group."""
    place = shown(path, root)
    content = json_object(path, place)
    text = path.read_text(encoding="utf-8")
    offered = {name: packages for name, packages in content.items() if name != "_meta"}
    sections = frozenset(SECTIONS.get(group, group) for group in groups) | {DEFAULT}
    found = Requirements(python=_python(table(content, "_meta", "requires")))
    for packages in chosen("group", sections, {DEFAULT: {}, **offered}, place).values():
        for name, entry in packages.items():
            if not isinstance(entry, Mapping):
                raise mistake(place, f"{name} has no version: run `pipenv lock`")
            where = place + line_of(text, f'"{name}": {{')
            found += _package(name, entry, path, where)
    return found


def _python(requires: Mapping[str, Any]) -> str:
    if full := requires.get("python_full_version"):
        return f"=={full}"
    return f"=={version}.*" if (version := requires.get("python_version")) else ""


def _package(name: str, entry: Mapping[str, Any], path: Path, place: str) -> Requirements:
    extras = tuple(sorted(entry.get("extras", ())))
    marker = entry.get("markers")
    if source := _source(name, entry, path, place=place, extras=extras, marker=marker):
        return Requirements(sources=(source,))
    version = str(entry.get("version", ""))
    if not version.startswith("=="):
        raise mistake(place, f"{name} has no exact version: run `pipenv lock`")
    pin = Pin(
        name=canonicalize_name(name),
        specifier=version,
        marker=marker,
        extras=extras,
        hashes=tuple(entry.get("hashes", ())),
        place=place,
    )
    return Requirements(pins=(pin,))


def _source(
    name: str,
    entry: Mapping[str, Any],
    path: Path,
    *,
    place: str,
    extras: tuple[str, ...],
    marker: str | None,
) -> AnySource | None:
    if "git" in entry:
        return GitSource(
            name=canonicalize_name(name), extras=extras, marker=marker, place=place,
            url=str(entry["git"]).removeprefix("git+"), revision=entry.get("ref"),
            subdirectory=entry.get("subdirectory", ""),
        )  # fmt: skip
    address = entry.get("path") or entry.get("file")
    if not address:
        return None
    return source_at(
        str(address), place=place, roots=(path.parent,), name=canonicalize_name(name),
        extras=extras, marker=marker, editable=bool(entry.get("editable")),
        hashes=tuple(entry.get("hashes", ())),
    )  # fmt: skip
