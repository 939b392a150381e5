"""Text from containers and resolvers, made fit for a table; and help with a wrong word."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def one_line(text: str) -> str:
    """The text on one line, without control characters: a log must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """`; did you mean …?` for the nearest known word, else the words there are."""
    near = get_close_matches(wrong, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
