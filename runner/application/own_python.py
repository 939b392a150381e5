"""The Python that an application says it is for, and where it says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from runner.application.poetry_project import specifier_of
from runner.application.toml_file import json_object, table, toml

VERSION = re.compile(r"(?P<minor>3\.\d+)(?:\.\d+)?")
#: `3.11`, `cpython-3.11.4`, `python-3.11`: lines of .python-version and runtime.txt.
NAMED = re.compile(r"(?:c?python-?)?(?P<minor>3\.\d+)(?:\.\d+)?", re.IGNORECASE)
ARGUMENT = re.compile(r"ARG\s+(?P<name>\w+)=[\"']?(?P<value>[^\s\"']+)", re.IGNORECASE)
FROM = re.compile(
    r"FROM\s+(?:--platform=\S+\s+)?(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE
)
#: `python:3.12-slim`, `registry/python:3.12`, `ghcr.io/astral-sh/uv:python3.12-bookworm`.
IMAGE = re.compile(r"(?:^|/)(?:python:|[\w.-]+:python)(?P<minor>3\.\d+)")
SUBSTITUTED = re.compile(r"\$\{?(?P<name>\w+)(?::-(?P<default>[^}]*))?\}?")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One place that tells of the application's Python.

    `version` (`3.11`) is the one it is run with, None where only a range is told; `admits` is that
    range, as a specifier. `place` is e.g. `Dockerfile:1`, and `text` what stands there.
    """

    place: str
    text: str
    version: str | None = None
    admits: str = ""

    def allows(self, python: str) -> bool:
        """Whether a Python such as `3.11` is possible: any of its patch releases counts."""
        if self.version is not None:
            return python == self.version
        return admits(self.admits, python)


def admits(specifier: str, python: str) -> bool:
    """Whether a specifier allows some patch release of a Python such as `3.11`."""
    try:
        allowed = SpecifierSet(specifier)
    except InvalidSpecifier:  # it cannot be compared with this Python
        return True
    return any(allowed.contains(f"{python}.{patch}", prereleases=True) for patch in range(100))


def own_python(root: Path) -> Statement | None:
    """What decides: the version that the application is run with, else the range that it allows.

    In this order: .python-version, runtime.txt, the Dockerfile, Pipfile.lock; then pyproject.toml,
    uv.lock and poetry.lock. None where nothing is said.
    """
    return next(iter(statements(root)), None)


def statements(root: Path) -> Iterator[Statement]:
    """All that is said of the application's Python, the most decisive first."""
    for name in (".python-version", "runtime.txt"):
        yield from _line(root, name)
    yield from _dockerfile(root / "Dockerfile")
    yield from _pipfile_lock(root / "Pipfile.lock")
    yield from _pyproject(root / "pyproject.toml")
    yield from _locked(root / "uv.lock", "requires-python")
    yield from _locked(root / "poetry.lock", "metadata", "python-versions")


def _line(root: Path, name: str) -> Iterator[Statement]:
    path = root / name
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if match := NAMED.fullmatch(line.strip()):
            place = f"{name}:{number}"
            yield Statement(place=place, text=line.strip(), version=match["minor"])
            return


def _dockerfile(path: Path) -> Iterator[Statement]:
    """The Python image that the last stage stands on, through other stages and arguments."""
    if not path.is_file():
        return
    arguments: dict[str, str] = {}
    stages: dict[str, Statement | None] = {}
    last: Statement | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if match := ARGUMENT.match(line.strip()):
            arguments.setdefault(match["name"], match["value"])
        elif match := FROM.match(line.strip()):
            image = SUBSTITUTED.sub(
                lambda m: arguments.get(m["name"]) or m["default"] or "", match["image"]
            )
            found = IMAGE.search(image)
            last = (
                Statement(
                    place=f"Dockerfile:{number}", text=f"FROM {image}", version=found["minor"]
                )
                if found
                else stages.get(image.lower())
            )
            if match["stage"]:
                stages[match["stage"].lower()] = last
    if last:
        yield last


def _pipfile_lock(path: Path) -> Iterator[Statement]:
    if not path.is_file():
        return
    requires = table(json_object(path, path.name), "_meta", "requires")
    for key in ("python_full_version", "python_version"):
        text = str(requires.get(key, ""))
        if match := VERSION.fullmatch(text):
            yield Statement(place=path.name, text=f"{key} {text}", version=match["minor"])
            return


def _pyproject(path: Path) -> Iterator[Statement]:
    if not path.is_file():
        return
    content = toml(path, path.name)
    if stated := table(content, "project").get("requires-python"):
        yield _range(path.name, "requires-python", str(stated))
    if stated := table(content, "tool", "poetry", "dependencies").get("python"):
        yield _range(path.name, "python", str(stated))


def _locked(path: Path, *keys: str) -> Iterator[Statement]:
    if not path.is_file():
        return
    *tables, last = keys
    if stated := table(toml(path, path.name), *tables).get(last):
        yield _range(path.name, last, str(stated))


def _range(place: str, key: str, stated: str) -> Statement:
    """A range; one that admits a single minor version is this version."""
    specifier = specifier_of(stated)
    possible = [f"3.{minor}" for minor in range(6, 30) if admits(specifier, f"3.{minor}")]
    return Statement(
        place=place,
        text=f"{key} {stated}",
        version=possible[0] if len(possible) == 1 else None,
        admits=specifier,
    )
