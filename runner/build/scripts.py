"""Programs that distributions bring: as uv installs them, their first line names this host."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Final

#: The directory that uv installs them into, and where they are in an image, below `site/`.
BIN: Final = "bin"
GROUPS: Final = ("console_scripts", "gui_scripts")
#: How a script begins that uv has made one of its interpreter's; long paths get the second form.
OF_AN_INTERPRETER = re.compile(rb"\A#!(?:[^\n]*python[^\n]*\n|/bin/sh\n'''exec' [^\n]*\n' '''\n)")
INTERPRETER: Final = b"#!/usr/bin/env python3\n"
SCRIPT: Final = """\
import sys

from {module} import {name}

if __name__ == "__main__":
    sys.exit({attribute}())
"""


def scripts_in(directory: Path) -> dict[str, bytes]:
    """What each program in a directory of installed packages has to hold, by its path in there.

    The first `python3` on the PATH runs it, whatever that is in an image. What is no script of
    Python stays as it is.
    """
    stated = {point.name: point for point in _entry_points(directory)}
    found = (path for path in sorted((directory / BIN).rglob("*")) if path.is_file())
    return {
        path.relative_to(directory).as_posix(): _content(path, stated.get(path.name))
        for path in found
    }


def _entry_points(directory: Path) -> list[EntryPoint]:
    installed = (Distribution.at(path) for path in sorted(directory.glob("*.dist-info")))
    return [point for one in installed for point in one.entry_points if point.group in GROUPS]


def _content(path: Path, point: EntryPoint | None) -> bytes:
    if point is None:
        return OF_AN_INTERPRETER.sub(INTERPRETER, path.read_bytes(), count=1)
    attribute = point.attr
    text = SCRIPT.format(module=point.module, name=attribute.partition(".")[0], attribute=attribute)
    return INTERPRETER + text.encode()
