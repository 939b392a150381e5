"""Inputs made of real ones, by chance."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: What is put in the place of something else in a text.
WORDS = (
    "",
    " ",
    "\t",
    "\0",
    "\n",
    "\r\n",
    "\u2028",
    "\ufeff",
    "é",
    "🐒",
    "\x1b[31m",
    "'",
    '"',
    "`",
    "\\",
    "#",
    "&a",
    "*a",
    "!!python/object",
    "<<: *a",
    "- ",
    ": ",
    "? ",
    "| ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "---",
    "...",
    "0",
    "-0",
    "-1",
    "1",
    "1.5",
    "1e999",
    "-1e999",
    ".nan",
    "NaN",
    ".inf",
    "0x10",
    "1_000",
    "007",
    "99999999999999999999",
    "null",
    "~",
    "true",
    "on",
    "latest",
    "none",
    "3.10",
    "3.99",
    "*",
    ">=1,<1",
    "25.*",
    "a" * 300,
    "../../etc",
    "${HOME}",
    "%s",
    "{0}",
    "2026-02-30",
    "100%",
    "closed",
    "64k",
)
#: What is put in the place of a value of JSON.
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    0.5,
    -0.0,
    1e308,
    -1e308,
    2**31,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "x",
    "0",
    "ok",
    "é\ud800",
    "2026-01-01T00:00:00+00:00",
    "a" * 1000,
    [],
    [[]],
    {},
    {"": 0},
    [None],
    "none",
    "../..",
    "9" * 400,
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: Each number of changes is as likely as it is often here.
CHANGES_MADE = (1, 1, 1, 1, 2, 2, 3, 4)

Change = Callable[[random.Random, str, Sequence[str]], str]


def _span(chance: random.Random, text: str) -> tuple[int, int]:
    """Two positions, mostly close to each other."""
    begin = chance.randint(0, len(text))
    return begin, min(len(text), begin + int(chance.expovariate(0.1)))


def _cut(chance: random.Random, text: str, _: Sequence[str]) -> str:
    begin, end = _span(chance, text)
    return text[:begin] + text[end:]


def _put(chance: random.Random, text: str, _: Sequence[str]) -> str:
    begin, end = _span(chance, text)
    return text[:begin] + chance.choice(WORDS) + text[chance.choice((begin, end)) :]


def _number(chance: random.Random, text: str, _: Sequence[str]) -> str:
    found = list(NUMBER.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    return text[: match.start()] + chance.choice(WORDS) + text[match.end() :]


def _break_off(chance: random.Random, text: str, _: Sequence[str]) -> str:
    return text[: chance.randint(0, len(text))]


def _lines(chance: random.Random, text: str, others: Sequence[str]) -> str:
    """Remove, repeat or exchange a line, or take one of another text."""
    lines = text.splitlines(keepends=True) or [""]
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    what = chance.randrange(4)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(to, lines[at])
    elif what == 2:
        lines[at], lines[to] = lines[to], lines[at]
    else:
        other = chance.choice(others).splitlines(keepends=True)
        lines[at:to] = other[chance.randrange(len(other) or 1) :][: chance.randint(1, 5)]
    return "".join(lines)


CHANGES: tuple[Change, ...] = (_cut, _put, _put, _number, _break_off, _lines, _lines, _lines)


def text(chance: random.Random, texts: Sequence[str]) -> str:
    """One of the texts, changed in a few places."""
    made = chance.choice(texts)
    for _ in range(chance.choice(CHANGES_MADE)):
        made = chance.choice(CHANGES)(chance, made, texts)
    return made


def as_bytes(chance: random.Random, made: str) -> bytes:
    """The text as it is stored, rarely damaged."""
    content = made.encode("utf-8", "surrogatepass")
    if chance.random() < 0.02:
        content = made.encode("utf-16", "surrogatepass")
    if content and chance.random() < 0.1:
        at = chance.randrange(len(content))
        content = content[:at] + chance.randbytes(chance.randint(1, 4)) + content[at + 1 :]
    return content


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each place of a value, as what it is in and the key or number there."""
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    else:
        return []
    return [(value, key) for key, _ in below] + [p for _, inner in below for p in _places(inner)]


def value(chance: random.Random, original: Any, values: Sequence[Any] = VALUES) -> Any:
    """The value with a few places changed, some to one of the `values`."""
    made = copy.deepcopy(original)
    for _ in range(chance.choice(CHANGES_MADE)):
        places = _places(made)
        if not places:
            return copy.deepcopy(chance.choice(values))
        inside, key = chance.choice(places)
        what = chance.random()
        if what < 0.5:
            inside[key] = copy.deepcopy(chance.choice(values))
        elif what < 0.7:
            other, there = chance.choice(places)
            inside[key] = copy.deepcopy(other[there])
        elif what < 0.85:
            del inside[key]
        elif isinstance(inside, dict):
            inside[chance.choice(("", "x", "schema_version", str(key) + "s"))] = inside.pop(key)
        else:
            inside.insert(key, copy.deepcopy(inside[key]))
    return made


def json_bytes(chance: random.Random, original: Any) -> bytes:
    """JSON with a few places changed: of the value mostly, of its text otherwise."""
    if chance.random() < 0.9:
        made = json.dumps(value(chance, original))
    else:
        made = text(chance, [json.dumps(original)])
    if chance.random() < 0.01:
        made = "[" * 100_000
    return as_bytes(chance, made)


def message(chance: random.Random, original: Any) -> Any:
    """A value of whatever class with a few places changed, as no constructor would let it be."""
    made = original
    for _ in range(chance.choice(CHANGES_MADE)):
        made = _changed(chance, made)
    return made


def _changed(chance: random.Random, part: Any) -> Any:
    """The value with one place changed, which is mostly below it."""
    below = _inside(part)
    if not below or chance.random() < 0.05:
        return copy.deepcopy(chance.choice(VALUES))
    key = chance.choice(list(below))
    what = chance.random()
    if what < 0.1:
        del below[key]
    elif what < 0.2:
        below[key] = copy.deepcopy(below[chance.choice(list(below))])
    else:
        below[key] = _changed(chance, below[key])
    return _with_inside(part, below)


def _inside(part: Any) -> dict[Any, Any]:
    """What a value is made of, by a key or a number."""
    if isinstance(part, Mapping):
        return dict(part)
    if isinstance(part, (list, tuple, frozenset)):
        return dict(enumerate(part))
    return dict(getattr(part, "__dict__", {}))


def _with_inside(part: Any, inside: dict[Any, Any]) -> Any:
    """A value of the same class that is made of something else."""
    if isinstance(part, Mapping):
        return inside
    if isinstance(part, tuple):
        return tuple.__new__(type(part), inside.values())
    if isinstance(part, (list, frozenset)):
        return type(part)(inside.values())
    made = copy.copy(part)
    vars(made).clear()
    vars(made).update(inside)
    return made
