"""What blocks the event loop, for how long and where, in a launch that is made to find that out.

gevent's monitor thread does the looking: every so often it asks its tracer whether the thread of
the loop has switched greenlets since. What is done with the answer is replaced, for the report that
gevent makes lists every greenlet, which takes longer than what it reports, and before version
25.4.1 it is always printed. The names below are bound before any patch replaces them.
"""

import os
import sys
import time

from monkey_matrix_server import contract, stacks

now = time.monotonic_ns
close, getpid, open_, write_ = os.close, os.getpid, os.open, os.write
#: How often it looks, and from how long on, in which no other thread could run, a call kept the
#: interpreter's lock; both in seconds.
PERIOD_S, LOCK_KEPT_S = 0.02, 0.2
#: Whatever its version, gevent starts the monitor of a loop that begins to run if this is set.
VARIABLES = {
    "GEVENT_MONITOR_THREAD_ENABLE": "1",
    "GEVENT_MAX_BLOCKING_TIME": str(PERIOD_S),
    "GEVENT_MONITOR_PRINT_BLOCKING_REPORTS": "0",
}


def is_wanted():
    """Whether this launch is made to find out."""
    return bool(os.environ.get("MATRIX_DIAGNOSE"))


def set_up():
    """Have gevent watch its loops once it is imported."""
    os.environ.update(VARIABLES)


def on_event(event):
    """Take over from a monitor that has just started, if its loop is that of the main thread."""
    if type(event).__name__ != "PeriodicMonitorThreadStartedEvent":
        return
    monitor = event.monitor
    hub = monitor.hub
    if hub is None or not hub.main_hub:
        return
    try:
        # Its own first function, which no public call replaces.
        monitor._monitoring_functions[0].function = Blocks(monitor._greenlet_tracer)  # noqa: SLF001
    except Exception as error:
        _append({"error": "gevent's monitor is another one than is known: %r" % (error,)})


class Blocks:
    """Asked by the monitor again and again; writes a line each time that the loop was blocked.

    A block began when it was asked before, or less than a period before that.
    """

    def __init__(self, tracer):
        self._tracer = tracer
        self._pid = None

    def __call__(self, hub):
        """Look whether the loop has moved since the last call."""
        if getpid() != self._pid:
            self._begin()
            self._tracer.did_block_hub(hub)
            return
        before_ns, self._before_ns = self._before_ns, now()
        waited_ns, self._waited_ns = self._waited_ns, waited(self._pid)
        blocked = self._tracer.did_block_hub(hub)
        # A call that keeps the interpreter's lock stops this thread, too: that is seen afterwards,
        # by the time that is missing, but for what either thread waited for a CPU.
        kept = False
        if waited_ns is not None and self._waited_ns is not None:
            missing_ns = self._before_ns - before_ns - (self._waited_ns - waited_ns)
            kept = missing_ns > LOCK_KEPT_S * 1e9
        if not blocked and not kept:
            self._began_ns = None
            return
        if self._began_ns is None:
            self._began_ns = before_ns
        line = {"began_ns": self._began_ns, "until_ns": self._before_ns, "kept": kept}
        frame = sys._current_frames().get(hub.thread_ident)  # noqa: SLF001 - its documented name
        if frame is not None and (blocked or self._tracer.active_greenlet not in (None, hub)):
            line["stack"] = self._number(stacks.thread(hub.thread_ident, frame, self._pid))
        _append(line)
        if not blocked:
            self._began_ns = None

    def _begin(self):
        """Begin a file of this process alone, which may be the copy of another."""
        self._pid, self._before_ns, self._began_ns, self._known = getpid(), now(), None, {}
        self._waited_ns = waited(self._pid)
        gevent = sys.modules["gevent"]
        _append({"gevent": gevent.__version__, "machine": stacks.MACHINE, "period_s": PERIOD_S})

    def _number(self, told):
        """Return the number of a stack, which is written the first time."""
        key = repr(told)
        if key not in self._known:
            self._known[key] = len(self._known)
            _append({"told": dict(told, number=1)})
        return self._known[key]


def waited(pid):
    """Return for how many ns the process's first thread and this one have waited for a CPU.

    None where the kernel does not count that.
    """
    paths = "/proc/self/task/%d/schedstat" % pid, "/proc/thread-self/schedstat"
    found = 0
    try:
        for path in paths:
            with open(path) as file:
                found += int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return found


def _append(line):
    """Write a line; that it cannot is no reason to end the thread."""
    try:
        path = contract.BLOCKS + str(getpid())
        descriptor = open_(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            write_(descriptor, (repr(line) + "\n").encode("utf-8", "replace"))
        finally:
            close(descriptor)
    except OSError as error:
        print("a block of the loop was not written: %s" % error, file=sys.stderr)
