"""Threads that get no memory for their start."""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Final

#: Written as it is: there may be no memory to put anything together.
_SAID: Final = (
    b"error: no memory left for a thread; what was measured is stored: end other programs, or "
    b"raise the limits of this one, then run the same command to resume\n"
)
_EXIT: Final = 2
_STARTING: Final = "in thread started by"


#: What Python reports of threads and of the ends of things: the hook is this queue's `put`, which
#: needs no memory for a frame of its own, as a function in Python does in a thread that begins.
_REPORTED: Final[queue.SimpleQueue[sys.UnraisableHookArgs]] = queue.SimpleQueue()


def end_where_none_can_start() -> None:
    """Let the process end, at once, where a thread has no memory to begin with.

    Python's `Thread.start` waits until the thread says that it has begun: without memory it says
    nothing, and the process would wait for ever, or for the results of that thread. What it leaves
    running is removed by the next start, as after a kill.
    """
    if sys.unraisablehook is sys.__unraisablehook__:
        threading.Thread(target=_watch, name="reported errors", daemon=True).start()
        sys.unraisablehook = _REPORTED.put


def _watch() -> None:
    while True:
        unraisable = _REPORTED.get()
        if unraisable.exc_type is MemoryError and _is_start(unraisable):
            os.write(2, _SAID)
            os._exit(_EXIT)
        sys.__unraisablehook__(unraisable)
        del unraisable  # or what it is about would stay until the next one


def _is_start(unraisable: sys.UnraisableHookArgs) -> bool:
    """Python 3.13 names the function in the message; 3.11 hands it over, maybe without message."""
    function = getattr(unraisable.object, "__name__", "")
    return _STARTING in (unraisable.err_msg or "") or function == "_bootstrap"
