"""Values of a service, in compose's words: a `ValueError` says what is wrong with the text."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

from runner.matrix.application_values import text, variable_name
from runner.matrix.interpolation import references

UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(us|ms|s|m|h)")
SHELL: Final = ("/bin/sh", "-c")


def duration(written: str) -> float:
    """A duration in seconds: `1m30s`, `500ms`."""
    if written == "0":
        return 0.0
    if not re.fullmatch(f"({PART.pattern})+", written):
        raise ValueError(f"{written!r} is not a duration: write e.g. 500ms, 10s or 1m30s")
    return sum(float(number) * UNITS[unit] for number, unit in PART.findall(written))


def interval(written: str) -> float:
    """A duration that is not 0."""
    if not (value := duration(written)):
        raise ValueError(f"{written!r} is no time at all: write e.g. 500ms or 10s")
    return value


def word(value: object) -> str:
    """A text with references to the host's variables that are understood."""
    if not isinstance(value, str):
        raise ValueError("plain text is expected here")  # noqa: TRY004 - pydantic's way
    references(value)
    if match := re.search(r"\$\$([A-Za-z_]\w*)", value):
        raise ValueError(
            f"{match[0]!r} would be two signs: write `${match[1]}` for a variable in the container"
        )
    return text(value)


def image(value: str) -> str:
    """The name of an image."""
    if re.search(r"\s", word(value)):
        raise ValueError(f"{value!r} is not the name of an image, e.g. postgres:17")
    return value


def command(value: object) -> str | tuple[str, ...]:
    """A command as it is written: a text, which can be split as a shell does it, or words."""
    split = words(value)
    return value if isinstance(value, str) else split


def words(value: object) -> tuple[str, ...]:
    """A command: a text is split as a shell does it, a list is taken as it is."""
    split = shlex.split(word(value)) if isinstance(value, str) else value
    if not isinstance(split, list) or not split:
        raise ValueError("a command is a text, or a list of words, with something in it")
    return tuple(part if part == "" else word(part) for part in split)


def health_test(value: object) -> tuple[str, ...]:
    """The command of a check, empty for none: a text, `[CMD, …]`, `[CMD-SHELL, …]`, `[NONE]`."""
    if isinstance(value, str):
        return (*SHELL, word(value))
    kind, *rest = value if isinstance(value, list) and value else [None]
    if kind == "NONE" and not rest:
        return ()
    if kind == "CMD" and rest:
        return words(rest)
    if kind == "CMD-SHELL" and len(rest) == 1:
        return (*SHELL, word(rest[0]))
    raise ValueError(
        "a check is a text, `[CMD, program, argument …]`, `[CMD-SHELL, text]` or `[NONE]`"
    )


def environment(value: object) -> object:
    """Variables as a mapping; a list of `NAME=value`, or `NAME` for the host's, is one."""
    if not isinstance(value, list):
        return value
    found: dict[str, Any] = {}
    for entry in value:
        if not isinstance(entry, str):
            raise ValueError("a list of variables has texts, `NAME=value`")  # noqa: TRY004
        name, sign, written = entry.partition("=")
        found[name] = written if sign else f"${{{variable_name(name)}}}"
    return found


def port(value: object) -> int | None:
    """The container's port in an entry of `ports` or `expose`; None for none or several."""
    if isinstance(value, dict):
        value = value.get("target")
    if not isinstance(value, str):
        return None
    last = value.rpartition(":")[2].removesuffix("/tcp")
    return int(last) if re.fullmatch("[0-9]{1,5}", last) else None


def tmpfs(value: str) -> str:
    """An absolute path in the container, with options after a colon."""
    if not word(value).startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path, e.g. /tmp or /run:size=64m")
    return value
