"""Versions as the matrix file writes them: exact, wildcards, specifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_version
from packaging.version import Version

OLDEST_CELL_PYTHON = (3, 8)
#: Larger than any part of a version that somebody released.
HUGE = 999999


def python_version(text: str) -> str:
    """`X.Y`, 3.8 or newer."""
    if not re.fullmatch(r"[1-9][0-9]?\.(0|[1-9][0-9]?)", text):
        raise ValueError(f"a Python is written X.Y, e.g. 3.11, not {text!r}")
    if tuple(int(part) for part in text.split(".")) < OLDEST_CELL_PYTHON:
        raise ValueError(f"Python {text} is too old: the server program needs 3.8 or newer")
    return text


def specifier(text: str) -> str:
    """A version, a wildcard or a specifier, as a specifier: `25.9.1` → `==25.9.1`, `*` → ``."""
    text = "".join(text.split())
    if text in {"*", "any"}:
        return ""
    written = text if re.match(r"[<>=!~]", text) else f"=={text}"
    try:
        allowed = SpecifierSet(written)
    except InvalidSpecifier:
        raise ValueError(_no_version(text)) from None
    if not list(allowed) or any(part.operator == "===" for part in allowed):
        # `===` takes any text whatever, `../..` included, and a version is part of file names.
        raise ValueError(_no_version(text))
    if _allows_nothing(allowed):
        raise ValueError(f"{text!r} allows no version at all: its bounds contradict each other")
    pin = exact_version(written)
    return f"=={pin}" if pin else written


def exact_version(written: str) -> str | None:
    """The one version, in its normal form, that a specifier pins; None where it allows several."""
    match = re.fullmatch(r"==([^*,]+)", written)
    return str(Version(match[1])) if match else None


def comparable(written: str) -> str:
    """A text that is equal for specifiers of one and the same version: `==25.9`, `==25.9.0`."""
    pin = exact_version(written) if written.startswith("==") else None
    return f"=={canonicalize_version(pin)}" if pin else written


def _no_version(text: str) -> str:
    return (
        f"{text!r} is no version: write one (25.9.1), a wildcard (25.*) or a specifier (>=24,<26)"
    )


def _allows_nothing(allowed: SpecifierSet) -> bool:
    """Whether bounds leave nothing: a slip of the pen, which a resolver would report far away.

    A set of bounds that leaves anything leaves a version at, just above or just below one of them.
    """
    return not any(
        allowed.contains(version, prereleases=True) for part in allowed for version in _near(part)
    )


def _near(part: Specifier) -> Iterator[str]:
    bound = Version(part.version.removesuffix(".*"))
    epoch = f"{bound.epoch}!" if bound.epoch else ""
    release = list(bound.release)
    yield from ("0", str(bound))
    if bound.pre:
        yield f"{epoch}{bound.base_version.removeprefix(epoch)}{bound.pre[0]}{bound.pre[1] + 1}"
    yield epoch + ".".join(map(str, [*release, 0, 0, 1]))
    for place, number in enumerate(release):
        yield epoch + ".".join(map(str, [*release[:place], number + 1]))
        if number:
            yield epoch + ".".join(map(str, [*release[:place], number - 1, HUGE]))
