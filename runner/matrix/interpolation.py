"""`${NAME}` and `${NAME:-default}` in text, which variables of the host replace.

The common part of what compose and python-dotenv read. `$NAME` without braces stays as it is, as
with python-dotenv; `$${` stands for `${`, and a default counts for an empty variable too, as with
compose.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

PLACE = re.compile(r"\$(?P<escaped>\$)(?=\{)|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>.*))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A variable that a text refers to."""

    name: str
    default: str | None


def parts(text: str) -> tuple[str | Reference, ...]:
    """The text's literal parts and its references; `ValueError` for one that is not understood."""
    found: list[str | Reference] = []
    end = 0
    for match in PLACE.finditer(text):
        found += [text[end : match.start()], "$" if match["escaped"] else _reference(match)]
        end = match.end()
    return tuple(part for part in (*found, text[end:]) if part)


def _reference(match: re.Match[str]) -> Reference:
    inside = INSIDE.fullmatch(match["inside"])
    if inside is None or not match["end"] or "${" in match["inside"]:
        raise ValueError(
            f"{match[0]!r} is not understood: write `${{NAME}}` or `${{NAME:-default}}`, and "
            "`$${` for the characters themselves"
        )
    return Reference(name=inside["name"], default=inside["default"])


def references(text: str) -> tuple[Reference, ...]:
    """The variables that a text refers to."""
    return tuple(part for part in parts(text) if isinstance(part, Reference))


def interpolated(text: str, variable: Callable[[str], str | None]) -> str:
    """The text with the variables' values; one that is not set is empty."""
    return "".join(
        part if isinstance(part, str) else variable(part.name) or part.default or ""
        for part in parts(text)
    )
