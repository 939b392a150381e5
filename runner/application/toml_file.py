"""TOML and JSON files of an application, and the tables and lists that are expected in them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runner.application.pins import mistake
from runner.resolver import without_addresses
from runner.text import suggestion


def toml(path: Path, place: str) -> dict[str, Any]:
    """The file's content; each mistake in it has a line, in the parser's words."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise mistake(place, f"this is no TOML ({error}): correct it") from None


def json_object(path: Path, place: str) -> dict[str, Any]:
    """The file's content, which must be one object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise mistake(
            f"{place}:{error.lineno}", f"this is no JSON ({error.msg}): correct it"
        ) from None
    if not isinstance(content, dict):
        raise mistake(place, "this is not one JSON object: lock the application again")
    return content


def table(content: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A table within tables, empty where there is none."""
    for key in keys:
        content = content.get(key) or {}
        if not isinstance(content, Mapping):
            return {}
    return dict(content)


def line_of(text: str, wanted: str) -> str:
    """`:12`, the line of a file's text on which something first stands, or nothing."""
    begin = text.find(wanted)
    before = text.count("\n", 0, begin)
    return f":{before + 1}" if begin >= 0 else ""


def requirement(text: object, path: Path, place: str) -> Requirement:
    """A requirement in a file; a mistake in it has the line where it stands."""
    try:
        return Requirement(str(text))
    except InvalidRequirement as error:
        raise mistake(
            place + line_of(path.read_text(encoding="utf-8"), str(text)),
            not_a_requirement(str(text), error),
        ) from None


def not_a_requirement(written: str, error: InvalidRequirement) -> str:
    """What is wrong with a text that should be a requirement; an address may hold a password."""
    why = str(error).splitlines()[0].rstrip(":")
    return without_addresses(
        f"{written!r} is no requirement ({why}); write one like flask==3.1.2 or gevent>=24"
    )


def chosen(
    kind: str, wanted: frozenset[str], offered: Mapping[str, Any], place: str
) -> dict[str, Any]:
    """The chosen extras or groups of those that a file has; another name is a mistake."""
    by_name = {canonicalize_name(name): value for name, value in offered.items()}
    for name in sorted(wanted):
        if canonicalize_name(name) not in by_name:
            has = "" if offered else f"; it has no {kind}s: remove `{kind}s`"
            raise mistake(place, f"there is no {kind} {name!r}{has or suggestion(name, offered)}")
    return {name: by_name[canonicalize_name(name)] for name in sorted(wanted)}
