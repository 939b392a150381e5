"""Charts drawn while the program goes on, in a process of their own.

vl-convert holds Python's lock for as long as it draws, so a thread would not do.
"""

from __future__ import annotations

from typing import NamedTuple


class Pictures(NamedTuple):
    """One chart twice: text and axes of the SVG are in `currentColor`, the PNG is on white."""

    svg: str
    png: bytes
