"""The commands that `matrix show` prints, to be run beside other tests that do the same."""

from __future__ import annotations

import os

#: What the names of containers begin with that the commands start: in the commands, and here.
PRINTED, OWN = "by-hand-", f"by-hand-{os.getpid()}-"


def printed_by(shown: str) -> list[str]:
    """The commands in what `matrix show` printed, with names of this process's own."""
    commands = shown.partition("== Reproduce by hand ==\n")[2].partition("\n\n")[0]
    return commands.replace(PRINTED, OWN).splitlines()
