"""Dump every stack of this process on SIGUSR1: threads by faulthandler, greenlets by gevent.

faulthandler writes from the signal handler itself, so it works in a process that is blocked inside
C code; but it stops at a hundred threads, the newest first. So a thread that sleeps in a pipe's
read, which no patch ever touches and the interpreter's wake-up descriptor feeds, writes them all
again, equal stacks once, and the greenlets, which only Python code can find.
The same pipe takes bytes of the sidecar, which may not send a signal: each asks for a look, which
interrupts nobody's system call.
The names below are bound before any patch replaces them.
"""

import faulthandler
import os
import signal
import sys
from _thread import get_ident as native_ident
from _thread import start_new_thread as start_native_thread

from monkey_matrix_server import contract, stacks

read_from_pipe = os.read
main_ident = native_ident()


def allow_open_files():
    """Raise the limit of open files as far as the engine lets: a connection is one."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # An application may have a module of this name, and nothing else of a server needs it.
    del sys.modules["resource"]


def install():
    """Register the dump; call it before anything is patched or imported."""
    readable, writable = _pipe()
    # Where it is registered already, faulthandler would not notice that another handler is in its
    # place since, as in a worker that was forked.
    faulthandler.unregister(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True, chain=True)
    start_native_thread(_dump_greenlets_on_signal, (readable,))


def _pipe():
    """Return both ends of a pipe that the sidecar finds by its name; one without, if need be."""
    path = contract.ASK + str(os.getpid())
    try:
        os.mkfifo(path)
        os.chmod(path, 0o622)  # noqa: S103 - the sidecar is another user
        # Opened for both, it is there though nobody writes: a read waits.
        return os.open(path, os.O_RDWR), os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        return readable, writable


def _dump_greenlets_on_signal(readable):
    asked = (contract.THREADS_ONLY, contract.WITH_GREENLETS, contract.WITH_SCAN)
    while True:
        (byte,) = read_from_pipe(readable, 1)
        if byte == signal.SIGUSR1:
            _write(_thread_stacks() + _greenlet_stacks())
        elif byte in asked:
            stacks.write(byte)


def _thread_stacks():
    """Return the stacks of all threads but this one, equal ones once, the most frequent first."""
    threads = {}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - its documented name
        if ident != native_ident():
            threads.setdefault(_lines(frame), []).append(ident)
    lines = [contract.GROUPED]
    for stack, idents in sorted(threads.items(), key=lambda item: -len(item[1])):
        which = ", " + contract.MAIN_THREAD if main_ident in idents else ""
        lines += ["%d threads%s (most recent call first):" % (len(idents), which), *stack]
    return "\n".join(lines) + "\n"


def _lines(frame):
    """Return a stack as faulthandler writes it."""
    lines = []
    while frame is not None:
        code = frame.f_code
        lines.append(
            '  File "%s", line %s in %s' % (code.co_filename, frame.f_lineno, code.co_name)
        )
        frame = frame.f_back
    return tuple(lines)


def _greenlet_stacks():
    if "gevent.util" not in sys.modules and "gevent" not in sys.modules:
        return contract.GREENLETS + "\ngevent is not loaded\n" + contract.END_OF_DUMP + "\n"
    try:
        from gevent.util import format_run_info

        lines = format_run_info(thread_stacks=False)
    except Exception as error:  # evidence is never worth a crash
        lines = ["greenlets could not be listed: %r" % (error,)]
    return "\n".join([contract.GREENLETS, *lines, contract.END_OF_DUMP]) + "\n"


def _write(text):
    os.write(2, text.encode("utf-8", "replace"))
