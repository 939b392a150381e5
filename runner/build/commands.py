"""Commands that are run while an image is built, and what to say of one that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from runner.application.remedies.rules import LeftOut, remedy_of
from runner.errors import EngineError
from runner.text import last_line, printable

#: How long one command may take, in seconds; `timeout` ends with this status where it took longer.
LONGEST_S: Final = 900
TIMED_OUT: Final = 124
STEP = re.compile(r"^Step \d+/\d+ : (?P<instruction>\w+)", re.MULTILINE)
ENDED = re.compile(r"returned a non-zero code: (?P<status>\d+)")
#: What a builder prints of itself between a command's lines, and the colours around them.
BUILDERS = re.compile(r"^ ?---> .*$|^Removing intermediate container .*$", re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def run_line(command: str) -> str:
    """The instruction that runs a shell command, whatever is in it, for so long at most.

    Both its outputs are one, so that the last line is that of the failure.
    """
    timed = f'exec timeout --kill-after=10 {LONGEST_S} /bin/sh -c "$0" 2>&1'
    return f"RUN {json.dumps(['/bin/sh', '-c', timed, command])}"


def explained_command(
    error: EngineError, commands: Sequence[str], left_out: LeftOut = lambda _: ()
) -> EngineError:
    """The error of a build whose `RUN` lines are these commands: which failed, how, what helps."""
    log = COLOURS.sub("", str(error))
    steps = list(STEP.finditer(log))
    run = sum(step["instruction"] == "RUN" for step in steps)
    ended = ENDED.search(log, steps[-1].end() if steps else 0)
    if not ended or not 0 < run <= len(commands):
        return error
    printed = log[steps[-1].end() : ended.start()].partition("\n")[2]
    printed = BUILDERS.sub("", printed[: printed.rfind("The command")])
    why = printable(last_line(printed) or "it printed nothing")
    status = int(ended["status"])
    how = (
        f"status {status}: {why}" if status != TIMED_OUT else f"no end within {LONGEST_S} s: {why}"
    )
    remedy = remedy_of(why, printed, left_out)
    helps = f"; {remedy}" if remedy else ""
    return EngineError(f"`application.prepare`: `{commands[run - 1]}` failed with {how}{helps}")
