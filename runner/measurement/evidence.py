"""What is kept of a launch besides its figures, taken before the pod goes."""

from __future__ import annotations

import re

from runner.engine.pod import Pod
from runner.errors import EngineError
from runner.measurement import agent
from runner.measurement.clock import Clock
from runner.measurement.sockets import in_words

STACKS_WITHIN_S = 3.0
POLL_S = 0.1
END_OF_DUMP = "=== end ==="
#: `  File "…", line N in f` of faulthandler, the innermost frame first.
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\S+) in (?P<function>\S+)')


def server_log(pod: Pod) -> str:
    """The server's log, or why there is none."""
    try:
        return pod.server_log()
    except EngineError as error:
        return f"(the log could not be read: {error})\n"


def companion_log(pod: Pod) -> str:
    """The companion's log, or why there is none."""
    try:
        return pod.companion_log()
    except EngineError as error:
        return f"(the log could not be read: {error})\n"


def stacks(pod: Pod, clock: Clock) -> str | None:
    """Stacks of all threads, and of all greenlets where gevent is loaded, as the server dumps them.

    None where the server did not react at all, not even with its threads.
    """
    before = len(pod.server_log())
    pod.signal_server("SIGUSR1")
    deadline = clock.monotonic() + STACKS_WITHIN_S
    dump = ""
    while END_OF_DUMP not in dump and clock.monotonic() < deadline:
        clock.sleep(POLL_S)
        dump = pod.server_log()[before:]
    return dump or None


def sockets(pod: Pod) -> str | None:
    """The pod's TCP sockets, in words."""
    try:
        return in_words(str(agent.ask(pod, "sockets", {}, timeout=10)["tcp"]))
    except EngineError:
        return None


def innermost_frame(dump: str) -> str | None:
    """The main thread's innermost frame of a dump: `module.py:12 in function`.

    faulthandler writes the main thread last of all threads.
    """
    main_thread = dump.partition("=== greenlets ===")[0].rpartition("(most recent call first):")[2]
    frame = FRAME.search(main_thread)
    if frame is None:
        return None
    return f"{frame['file'].rpartition('/')[2]}:{frame['line']} in {frame['function']}"
