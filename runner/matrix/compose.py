"""Services of a compose file, in the words of the matrix file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from runner.errors import SpecError
from runner.matrix import yaml_document
from runner.matrix.yaml_document import Document, KeyPath, Plain, Quoted

REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<inside>[^}]*)\}?)"
)
INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(:-[^$]*)?|:?\?.*)", re.DOTALL)
#: Keys whose texts are taken as they are.
LITERAL: Final = frozenset({"labels", "logging", "annotations"})


def read_compose(path: Path) -> Document:
    """A compose file; `SpecError` with the position for what cannot be read."""
    if not path.is_file():
        raise SpecError(f"{path}: there is no such file; fix the path after `from:`")
    document = yaml_document.read(path, merge=True)
    if not document.mapping("services"):
        document.fail(("services",), "no `services:` are here; name a compose file that has some")
    return document


def compose_service(document: Document, name: str) -> dict[str, Plain]:
    """A service of a compose file with this program's `${NAME}`; `SpecError` for a mistake."""
    keys: KeyPath = ("services", name)
    content = document.mapping("services").get(name)
    if not isinstance(content, dict):
        document.fail(keys, f"service {name!r}: a mapping (`key: value`) is expected here")
    found = {word: _ours(document, (*keys, word), value) for word, value in content.items()}
    variables = found.get("environment")
    if isinstance(variables, dict):  # a name alone passes the host's variable on
        found["environment"] = {
            key: f"${{{key}}}" if value is None else value for key, value in variables.items()
        }
    return found


def _ours(document: Document, keys: KeyPath, value: Plain) -> Plain:
    """A value with all of its texts translated."""
    if keys[2] in LITERAL or str(keys[2]).startswith("x-"):
        return value
    if isinstance(value, dict):
        return {key: _ours(document, (*keys, key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_ours(document, (*keys, number), inner) for number, inner in enumerate(value)]
    if value is None or "$" not in value:
        return value
    try:
        translated = ours(value)
    except ValueError as error:
        document.fail(keys, str(error))
    return Quoted(translated) if isinstance(value, Quoted) else translated


def ours(text: str) -> str:
    """A text as `runner.matrix.interpolation` reads it.

    In compose `$NAME` is a reference as `${NAME}` is, and `$$` always is one sign.
    """
    return REFERENCE.sub(lambda match: _reference(match, text), text)


def _reference(match: re.Match[str], text: str) -> str:
    following = text[match.end() : match.end() + 1]
    if match["escaped"]:
        if following == "$" and not text.startswith("$$", match.end()):
            raise ValueError(f"{text!r}: a sign before a reference is not supported; remove `$$`")
        return "$$" if following == "{" else "$"
    if match["name"]:
        return f"${{{match['name']}}}"
    inside = INSIDE.fullmatch(match["inside"])
    if inside is None:
        raise ValueError(
            f"{match[0]!r} is not understood: `${{NAME}}`, `${{NAME:-default}}` and "
            "`${NAME:?message}` are; write the service into the matrix file"
        )
    return f"${{{inside['name']}{inside['rest'] if ':-' in inside['rest'][:2] else ''}}}"
