"""What runs inside a pod, next to `ab`: probe, verify, calibrate, load and read the counters.

It is the sidecar's first process: each line of its standard input is a command with its settings,
`[name, {…}]`, each line of its standard output the answer, and it ends with its input. So no
program has to be started before a check or a load but `ab`. Only the standard library, and the
modules beside this one.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from blocks import blocks
from check import calibrate, check, ready
from load import load
from look import look
from machine import canary
from network import accepts, sockets
from opening import ab_opening
from request import CheckFailedError
from stacks import stacks

COMMANDS = {
    "ready": ready,
    "check": check,
    "calibrate": calibrate,
    "load": load,
    "look": look,
    "stacks": stacks,
    "blocks": blocks,
    "canary": canary,
    "ab-opening": ab_opening,
    "sockets": sockets,
    "accepts": accepts,
}


def allow_open_files() -> None:
    """Raise this process's limit of open files, which `ab` inherits, as far as the engine lets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def answer(name: str, config: dict[str, Any]) -> str:
    """What a command answers; a failed check is an answer too."""
    try:
        reply = COMMANDS[name](config)
    except CheckFailedError as error:
        reply = {
            "failed": error.kind,
            "reason": str(error),
            "cpu_share": error.cpu_share,
            "answer": error.answer,
        }
    return json.dumps(reply)


def main() -> int:
    """Answer one command, or, to `serve`, each line of standard input until it ends."""
    allow_open_files()
    if sys.argv[1] == "serve":
        for line in sys.stdin:
            print(answer(*json.loads(line)), flush=True)
    else:
        print(answer(sys.argv[1], json.loads(sys.argv[2])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
