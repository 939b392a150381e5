"""What a project of Poetry's asks for: the roots of its lock, from pyproject.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from runner.application.pins import Pin
from runner.application.requirements_txt import shown
from runner.application.toml_file import chosen, requirement, table, toml

#: `^3.9` and `~3.9`, which Poetry adds to the usual specifiers.
SHORT = re.compile(r"(?P<kind>[\^~])\s*(?P<numbers>\d+(?:\.\d+)*)")


def specifier_of(text: str) -> str:
    """Poetry's versions as a specifier: `^3.9` → `>=3.9,<4`; empty where there is no equal."""
    if "||" in text or " or " in text:
        return ""
    written = re.sub(r"([<>=!~^])\s+", r"\1", text).replace(" ", ",").split(",")
    parts = [_part(part) for part in written if part]
    joined = ",".join(part for part in parts if part)
    try:
        return str(SpecifierSet(joined))
    except InvalidSpecifier:
        return ""


def _part(text: str) -> str:
    if text == "*":
        return ""
    if text[0].isdigit():
        return f"=={text}"
    match = SHORT.fullmatch(text)
    if not match:
        return text
    numbers = [int(number) for number in match["numbers"].split(".")]
    if match["kind"] == "~":
        kept = min(2, len(numbers))
    else:  # up to the first number that is not zero
        kept = next((i for i, number in enumerate(numbers, 1) if number), len(numbers))
    upper = [*numbers[: kept - 1], numbers[kept - 1] + 1]
    return f">={match['numbers']},<{'.'.join(map(str, upper))}"


def wanted_by(
    path: Path, root: Path, extras: frozenset[str], groups: frozenset[str]
) -> dict[str, Pin]:
    """The direct dependencies by name, without their versions, which the lock has."""
    place = shown(path, root)
    content = toml(path, place)
    poetry, project = table(content, "tool", "poetry"), table(content, "project")
    by_extra = {**table(project, "optional-dependencies"), **table(poetry, "extras")}
    standard = [
        *project.get("dependencies", ()),
        *(one for several in chosen("extra", extras, by_extra, place).values() for one in several),
    ]
    found = _poetry_pins(table(poetry, "dependencies"), place)
    for several in chosen("group", groups, _groups(content), place).values():
        if isinstance(several, Mapping):
            found |= _poetry_pins(several, place)
        else:
            standard += [one for one in several if isinstance(one, str)]
    for one in standard:
        parsed = requirement(one, path, place)
        name = canonicalize_name(parsed.name)
        found[name] = Pin(
            name=name, place=place, extras=tuple(sorted(parsed.extras)),
            marker=str(parsed.marker) if parsed.marker else None,
        )  # fmt: skip
    return found


def _groups(content: Mapping[str, Any]) -> dict[str, Any]:
    """The groups by name: Poetry's tables and standard lists."""
    poetry = table(content, "tool", "poetry")
    found: dict[str, Any] = dict(table(content, "dependency-groups"))
    if old := table(poetry, "dev-dependencies"):
        found["dev"] = old
    for name, group in table(poetry, "group").items():
        found[name] = table(group, "dependencies")
    return found


def _poetry_pins(several: Mapping[str, Any], place: str) -> dict[str, Pin]:
    """Dependencies in Poetry's own words; optional ones are wanted by extras alone."""
    found: dict[str, Pin] = {}
    for written, stated in several.items():
        if written == "python":
            continue
        name = canonicalize_name(written)
        alternatives = stated if isinstance(stated, list) else [stated]
        tables = [one for one in alternatives if isinstance(one, Mapping)]
        if tables and all(one.get("optional") for one in tables):
            continue
        markers = [_marker(one) for one in tables]
        conditional = markers and all(markers) and len(markers) == len(alternatives)
        found[name] = Pin(
            name=name,
            extras=tuple(sorted({extra for one in tables for extra in one.get("extras", ())})),
            marker=" or ".join(f"({one})" for one in markers) if conditional else None,
            place=place,
        )
    return found


def _marker(stated: Mapping[str, Any]) -> str:
    """When a dependency is wanted, by its `markers`, `python` and `platform`."""
    parts = [f"({stated['markers']})"] if stated.get("markers") else []
    if platform := stated.get("platform"):
        parts.append(f"sys_platform == '{platform}'")
    parts += _python_markers(str(stated.get("python", "")))
    return " and ".join(parts)


def _python_markers(written: str) -> Iterable[str]:
    for part in SpecifierSet(specifier_of(written)):
        yield f"python_version {part.operator} '{part.version}'"
