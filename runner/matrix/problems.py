"""Mistakes that pydantic finds in a file, as errors with a position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

from pydantic_core import ErrorDetails

from runner.matrix.yaml_document import Document, KeyPath
from runner.text import suggestion

EMPTY: Final = "empty: give at least one value, or remove the line"
EXPECTED: Final = {
    "list_type": "a list is expected here",
    "dict_type": "a mapping (`key: value`) is expected here",
    "model_type": "a mapping (`key: value`) is expected here",
    "model_attributes_type": "a mapping (`key: value`) is expected here",
    "string_type": "plain text is expected here",
    "too_short": EMPTY,
}
#: What a mapping may have no choice of words for.
NO_CHOICES: Final[Mapping[str, Sequence[str]]] = {}


def report(
    document: Document,
    problems: Sequence[ErrorDetails],
    *,
    unknown: Callable[[KeyPath], str],
    choices: Mapping[str, Sequence[str]] = NO_CHOICES,
    below: KeyPath = (),
) -> NoReturn:
    """Raise a `SpecError` for one of the problems: a misspelt key may be why another is missing.

    `unknown` says what is wrong with a key that is not known, `choices` has the words that a key
    may have, and `below` is where in the document the checked section is.
    """
    problem = min(problems, key=lambda problem: problem["type"] == "missing")
    keys: KeyPath = tuple(part for part in problem["loc"] if part != "[key]")
    place, kind = (*below, *keys), problem["type"]
    if kind == "extra_forbidden":
        document.fail(place, unknown(keys), key=True)
    if kind == "missing":
        document.fail(place[:-1], f"`{keys[-1]}:` is missing here; add it")
    if kind == "literal_error":
        word = "base" if keys[-2:] == ("base", "kind") else str(keys[-1])
        value = str(problem["input"])
        document.fail(place, f"unknown {word} {value!r}{suggestion(value, choices.get(word, ()))}")
    message = EXPECTED.get(kind) or problem["msg"].removeprefix("Value error, ")
    if not message.startswith("unknown "):  # which names its kind of word itself
        message = f"{_name(place)}: {message}"
    document.fail(place, message)


def _name(keys: KeyPath) -> str:
    """Key path as its author would write it: `axes.gevent`."""
    return ".".join(str(part) for part in keys if isinstance(part, str)) or "experiment"
