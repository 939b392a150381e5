"""Single values of the matrix file: text in, value out, ValueError for what is none."""

from __future__ import annotations

import re

DAY_S = 24 * 3600
#: A launch that is disturbed so often will be disturbed again.
MOST_REPEATS = 9


def whole_number(text: str) -> int:
    """A whole number above 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(text)


def repeats(text: str) -> int:
    """How often something is made again: a digit."""
    if not re.fullmatch(r"[0-9]", text):
        raise ValueError(f"{text!r} is not a whole number from 0 to {MOST_REPEATS}")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds above 0, a day at the most."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?|\.[0-9]+", text) or not 0 < float(text) <= DAY_S:
        raise ValueError(f"{text!r} is not a number of seconds above 0 (a day at the most)")
    return float(text)


def truth(text: str) -> bool:
    """`true` or `false`."""
    if text not in {"true", "false"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"
