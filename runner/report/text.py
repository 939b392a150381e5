"""Text made fit for a table, words for what is not known, and help with a wrong word."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from runner.store.records import CellRecord

NOT_KNOWN: Final = "not known"


def one_line(text: str) -> str:
    """The text on one line, without control characters: a log must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """`; did you mean …?` for the nearest known word, else the words there are."""
    near = get_close_matches(wrong, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def known(value: object) -> str:
    """The value as text, or that it is not known."""
    return NOT_KNOWN if value is None else str(value)


def work(cell: CellRecord) -> str:
    """What a request of the cell does, and for how long as far as that is known: `sleep 2 s`."""
    name = cell.workload or f"workload {NOT_KNOWN}"
    return name if cell.workload_seconds is None else f"{name} {cell.workload_seconds:g} s"
