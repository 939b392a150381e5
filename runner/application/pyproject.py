"""`pyproject.toml` without a lock: the dependencies, extras and groups that it states.

Dependencies that are computed when the project is built are not known without running it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runner.application.pins import AnySource, GitSource, Pin, Requirements, mistake, pin
from runner.application.requirements_txt import Reading, read_requirements_txt, shown
from runner.application.sources import source_at
from runner.application.toml_file import chosen, line_of, requirement, table, toml


@dataclass(frozen=True, kw_only=True)
class Project:
    """A pyproject.toml: `place` is its name in messages, `root` the application's directory."""

    path: Path
    root: Path
    place: str
    content: Mapping[str, Any]
    text: str

    @property
    def standard(self) -> Mapping[str, Any]:
        """The standard table `[project]`, empty where there is none."""
        return table(self.content, "project")

    @property
    def name(self) -> str:
        """The project's own name: its extras may include each other by it."""
        return canonicalize_name(str(self.standard.get("name", "")))

    def computes(self, key: str) -> bool:
        """Whether a build decides on something: then the file does not tell it."""
        return key in self.standard.get("dynamic", ())

    def at(self, text: str) -> str:
        """The place of something that stands in the file."""
        return self.place + line_of(self.text, text)


def read_pyproject(
    path: Path, root: Path, extras: frozenset[str], groups: frozenset[str]
) -> Requirements:
    """What the project requires, with the chosen extras and groups."""
    place = shown(path, root)
    content = toml(path, place)
    text = path.read_text(encoding="utf-8")
    project = Project(path=path, root=root, place=place, content=content, text=text)
    if not project.standard and not groups:
        raise mistake(place, _without_project(content))
    if project.computes("dependencies"):
        found = _from_files(project)
    else:
        found = _stated(project, project.standard.get("dependencies", ()))
    found += _stated(project, _of_extras(project, extras))
    if groups:
        found += _stated(project, _of_groups(project, groups))
    python = str(project.standard.get("requires-python", ""))
    return found + Requirements(python=python, extras=extras)


def _without_project(content: Mapping[str, Any]) -> str:
    if table(content, "tool", "poetry"):
        return "Poetry's own dependencies are read with their lock: name poetry.lock instead"
    return "it has no [project] table: name a requirements file or a lock file instead"


def _of_extras(project: Project, extras: frozenset[str]) -> list[object]:
    """The requirements of extras, and of those that they include: `all = ["shop[web,cache]"]`."""
    if extras and project.computes("optional-dependencies"):
        raise mistake(
            project.place,
            "its extras are computed when it is built: name a requirements file or a lock file",
        )
    offered = table(project.standard, "optional-dependencies")
    found: dict[str, list[object]] = {}
    while missing := extras - found.keys():
        found |= chosen("extra", missing, offered, project.place)
        several = [one for name in missing for one in found[name]]
        parsed = (requirement(one, project.path, project.place) for one in several)
        own = (one for one in parsed if canonicalize_name(one.name) == project.name)
        extras |= {extra for one in own for extra in one.extras}
    return [one for several in found.values() for one in several]


def _from_files(project: Project) -> Requirements:
    """Dependencies that setuptools reads from files; others are not known without a build."""
    dynamic = table(project.content, "tool", "setuptools", "dynamic", "dependencies")
    files = dynamic.get("file")
    if not files:
        raise mistake(
            project.at("dynamic"),
            "its dependencies are computed when it is built: name a requirements file or a lock "
            "file instead",
        )
    found = Requirements()
    for name in [files] if isinstance(files, str) else files:
        path = project.path.parent / name
        if not path.is_file():
            raise mistake(project.at(name), f"there is no file {name!r}: correct the name")
        found += read_requirements_txt(path, Reading(root=project.root))
    return found


def _of_groups(project: Project, groups: frozenset[str]) -> Iterable[str]:
    offered = table(project.content, "dependency-groups")
    chosen("group", groups, offered, project.place)
    try:
        return resolve_dependency_groups(offered, *sorted(groups))
    except ExceptionGroup as several:
        raise mistake(
            project.place, f"[dependency-groups]: {several.exceptions[0]}; correct it"
        ) from None


def _stated(project: Project, several: Iterable[object]) -> Requirements:
    pins: list[Pin] = []
    sources: list[AnySource] = []
    for one in several:
        parsed = requirement(one, project.path, project.place)
        if canonicalize_name(parsed.name) == project.name:
            continue
        place = project.at(str(one))
        if source := _source(parsed, project, place):
            sources.append(source)
        else:
            pins.append(pin(parsed, place=place))
    return Requirements(pins=tuple(pins), sources=tuple(sources))


def _source(parsed: Requirement, project: Project, place: str) -> AnySource | None:
    """Where a requirement has its address: in itself, or in uv's table of sources."""
    name = canonicalize_name(parsed.name)
    extras, marker = tuple(sorted(parsed.extras)), str(parsed.marker or "") or None
    roots = (project.path.parent, project.root)
    if parsed.url:
        return source_at(
            parsed.url, place=place, roots=roots, name=name, extras=extras, marker=marker
        )
    stated = {
        canonicalize_name(k): v for k, v in table(project.content, "tool", "uv", "sources").items()
    }
    wanted = stated.get(name)
    if not isinstance(wanted, Mapping):  # a list chooses by marker: only a lock says which
        return None
    if "git" in wanted:
        revision = next((wanted[k] for k in ("rev", "tag", "branch") if k in wanted), None)
        return GitSource(
            name=name, extras=extras, marker=marker, place=place, url=str(wanted["git"]),
            revision=revision, subdirectory=str(wanted.get("subdirectory", "")),
        )  # fmt: skip
    if "path" in wanted or "url" in wanted:
        return source_at(
            str(wanted.get("path") or wanted["url"]), place=place, roots=roots, name=name,
            extras=extras, marker=marker, editable=bool(wanted.get("editable")),
        )  # fmt: skip
    if wanted.get("workspace"):
        raise mistake(place, f"{name} is a member of a workspace: name uv.lock instead")
    return None
