"""Text made fit for a table, words for what is not known, and help with a wrong word."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def workload_text(cell: CellRecord, *, without: Collection[str] = ()) -> str:
    """What a request of the cell does, with its parameters: `sleep 2 s`, `grpc 2 s call stream`.

    `without` names parameters that stand elsewhere already.
    """
    parameters = cell.workload_parameters
    if not parameters and cell.workload_seconds is not None:  # a run of an earlier release
        parameters = {"seconds": f"{cell.workload_seconds:g}"}
    said = [
        f"{value} s" if name == "seconds" else f"{name} {value}"
        for name, value in parameters.items()
        if name not in without
    ]
    return " ".join((cell.workload or f"workload {NOT_KNOWN}", *said))
