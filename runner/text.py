"""How numbers, lists and what is not known are written; and what is shown of other texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

NOT_KNOWN: Final = "not known"


def known(value: object) -> str:
    """The value as text, or that it is not known."""
    return NOT_KNOWN if value is None else str(value)


def printable(text: str) -> str:
    """The text without control characters but line ends: a log must not steer a terminal."""
    return "".join(c for c in text.expandtabs() if c.isprintable() or c == "\n")


def one_line(text: str) -> str:
    """The text on one line, without control characters."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def without_backticks(text: str) -> str:
    """The text on one line, as it may be in a sentence where backticks mean something."""
    return one_line(text).replace("`", "'")


def percent(share: float) -> str:
    """A share that the matrix file sets: `2 %`."""
    return f"{100 * share:g} %"


def minute(moment: str) -> str:
    """A time in ISO 8601, of UTC, for people: `2026-11-24 15:02 UTC`."""
    return f"{moment[:16].replace('T', ' ')} UTC"


def counted(number: int, noun: str) -> str:
    """`1 cell`, `26 cells`, `7 launches`, `2 processes`."""
    plural = f"{noun}es" if noun.endswith(("ch", "ss")) else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def span(least: int | None, most: int) -> str:
    """`3 to 15`, or `7` where there is no other least."""
    return str(most) if least is None else f"{least} to {most}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def duration(seconds: float) -> str:
    """A duration for people: `48 s`, `2 min 05 s`, `1 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def suggestion(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'python'?`, or the choices where none is near."""
    known_words = [str(choice) for choice in choices]
    near = get_close_matches(word, known_words, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known_words)}" if known_words else ""


def last_line(text: str) -> str:
    """The last line with something in it, empty where there is none."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
