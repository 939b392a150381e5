"""A look at this process: what each thread waits for, in Python and in the kernel.

The sidecar asks for it, the thread that waits for signals takes it and writes a line into shared
memory. A process may read its own `/proc/self/task/*/syscall` without any capability. Nothing is
imported and nothing is called that belongs to the application; what it costs is in the line.
The names below are bound before any patch replaces them.
"""

import _socket
import builtins
import os
import re
import sys
import time
from _thread import get_ident as native_ident

from monkey_matrix_server import bound, contract

now, cpu_now = time.monotonic_ns, time.thread_time_ns
close, dup, getpid, open_, write_ = os.close, os.dup, os.getpid, os.open, os.write
#: Of a stack no more frames are told than this, the innermost first.
FRAMES = 40
#: `pollfd` of poll(2): a descriptor, events, events.
POLLFD_BYTES, FDS_TOLD = 8, 4
#: Names with dots on a line of code.
NAMES = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
main_ident = native_ident()
MACHINE = os.uname().machine
#: poll(2) and ppoll(2), by their numbers.
POLLS = {"x86_64": (7, 271), "aarch64": (73,)}.get(MACHINE, ())
#: The names on a line of code, by its code and number. What they mean may differ each time: a line
#: of a library is everybody's.
_names = {}
_files = set()


def write(asked):
    """Take a look and write it as a line; that it cannot is no reason to end the thread."""
    begun_ns, begun_cpu_ns = now(), cpu_now()
    look = {"taken_ns": begun_ns, "pid": getpid(), "machine": MACHINE}
    try:
        look["main_ran_ns"], look["main_delayed_ns"] = _cpu_of_main()
        look["threads"] = threads()
        if asked != contract.THREADS_ONLY:
            look["greenlets"] = greenlets()
        if asked == contract.WITH_SCAN:
            look["scan"] = dict(bound.scan(_files), unread=_unread())
    except Exception as error:
        look["error"] = repr(error)
    look["cpu_ns"] = cpu_now() - begun_cpu_ns
    try:
        path = contract.STACKS + str(getpid())
        descriptor = open_(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            write_(descriptor, (repr(look) + "\n").encode("utf-8", "replace"))
        finally:
            close(descriptor)
    except OSError as error:
        print("a look was not written: %s" % error, file=sys.stderr)


def threads():
    """Return the threads, alike ones once: those of Python with their stacks, others counted."""
    frames = sys._current_frames()  # noqa: SLF001 - its documented name
    frames.pop(native_ident(), None)
    native = _native_ids()
    groups = {}
    for ident, frame in frames.items():
        one = thread(ident, frame, native.get(ident))
        groups.setdefault(repr(one), [one, 0])[1] += 1
    return [dict(one, number=number) for one, number in groups.values()]


def thread(ident, frame, tid):
    """Return where a thread is; `tid` is the kernel's id of it, None where nobody knows it."""
    call = None if tid is None else _syscall(tid)
    return {
        "main": ident == main_ident,
        "frames": _stack(frame),
        "calls": _calls(frame),
        "syscall": "running" if call == (None,) else call and call[0],
        "sockets": _sockets(call) if call else [],
    }


def _cpu_of_main():
    """Return for how long the main thread ran so far, and for how long it waited for a CPU."""
    try:
        with open("/proc/self/schedstat") as file:
            ran, delayed = file.read().split()[:2]
    except (OSError, ValueError):  # a kernel that does not count it
        return None, None
    return int(ran), int(delayed)


def _native_ids():
    """Return the kernel's ids of threads by Python's, as far as anybody knows them."""
    known = {main_ident: getpid()}
    threading = sys.modules.get("threading")
    for ident, thread in list(getattr(threading, "_active", {}).items()):
        tid = getattr(thread, "native_id", None)
        if tid is not None:
            known.setdefault(ident, tid)
    return known


def _stack(frame):
    """Return the frames, the innermost first."""
    found = []
    while frame is not None and len(found) < FRAMES:
        code = frame.f_code
        told = {"file": code.co_filename, "line": frame.f_lineno, "function": code.co_name}
        found.append(told)
        _files.add(code.co_filename)
        frame = frame.f_back
    return found


# -- the kernel's view -----------------------------------------------------------------------------


def _syscall(tid):
    """Return the number of the call that a thread is in and its arguments; (None,) if it runs."""
    try:
        with open("/proc/self/task/%d/syscall" % tid) as file:
            words = file.read().split()
    except OSError:
        return None
    if not words or words[0] == "running":
        return (None,)
    return (int(words[0]), *(int(word, 16) for word in words[1:7]))


def _sockets(call):
    """Return where the sockets lead, `127.0.0.1:7803`, that a call waits for.

    Its first argument is a descriptor, or the address of a list of them for poll(2). That of other
    calls means something else: who reads this knows which call it is.
    """
    if call[0] is None or len(call) < 3:
        return []
    first, second = call[1:3]
    descriptors = _polled(first, min(second, FDS_TOLD)) if call[0] in POLLS else [first]
    return [peer for peer in map(_peer, descriptors) if peer]


def _polled(address, number):
    """Return the descriptors of a list of `pollfd` in this process's own memory."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            found = memory.read(POLLFD_BYTES * number)
    except (OSError, OverflowError, ValueError):
        return []
    return [
        int.from_bytes(found[at : at + 4], sys.byteorder)
        for at in range(0, len(found) - POLLFD_BYTES + 1, POLLFD_BYTES)
    ]


def _peer(descriptor):
    """Return the remote end of a connection; None for whatever else a descriptor is.

    Python would make a socket that it takes over obey the default timeout, if there is one: what
    the application waits for must stay as it is.
    """
    if _socket.getdefaulttimeout() is not None:
        return None
    try:
        own = dup(descriptor)
    except (OSError, OverflowError):
        return None
    try:
        with_peer = _socket.socket(fileno=own)
    except OSError:  # a file, a pipe, an epoll
        close(own)
        return None
    try:
        address = with_peer.getpeername()
    except OSError:
        return None
    finally:
        with_peer.close()
    return "%s:%d" % address[:2] if isinstance(address, tuple) else str(address)


def _unread():
    """Return where the connections of Redis clients lead that hold a reply which nobody took.

    redis-py takes all that has come from the kernel at once, so that the kernel has nothing left.
    """
    if "redis" not in sys.modules:
        return []
    import gc

    found = []
    for one in gc.get_objects():
        kind = type(one)
        if kind.__name__ != "SocketBuffer" or not str(kind.__module__).startswith("redis."):
            continue
        buffer = one.__dict__
        if buffer.get("_sock") and buffer.get("bytes_written", 0) > buffer.get("bytes_read", 0):
            found.append(_peer(buffer["_sock"].fileno()))
    return [peer for peer in found if peer]


# -- what a line of code calls ---------------------------------------------------------------------


def _calls(frame):
    """Return the objects that the frame's line names."""
    key = (frame.f_code, frame.f_lineno)
    if key not in _names:
        try:
            _names[key] = _names_on(*key)
        except Exception:
            _names[key] = []
    try:
        return _meant(frame, _names[key])
    except Exception:
        return []


def _names_on(code, number):
    with open(code.co_filename, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    return list(dict.fromkeys(NAMES.findall(lines[number - 1].partition("#")[0])))


def _meant(frame, names):
    if not names:
        return []
    local, known = frame.f_locals, frame.f_globals
    found = []
    for name in names:
        first, *others = name.split(".")
        if first in local:
            value = local[first]
            owner = type(value).__qualname__ if first == "self" else first
            told = ".".join([owner, *others])
        elif first in known:
            told, value = "%s.%s" % (known.get("__name__"), name), known[first]
        else:
            continue
        kind, module = _described(value, others)
        found.append({"name": told, "type": kind, "module": module})
    return found


def _described(value, names):
    """Return the type and the module of what is meant, without asking the objects themselves."""
    owner = None
    for name in names:
        owner, value = type(value), _attribute(value, name)
        if value is None:
            return "", ""
    kind = type(value)
    module = value.__dict__.get("__name__") if kind is type(sys) else None
    if module is None:
        module = owner.__module__ if owner and _is_nameless(value) else _module_of(value)
        module = _imported(str(module or kind.__module__))
    return "%s.%s" % (kind.__module__, kind.__qualname__), str(module)


def _is_nameless(value):
    """Say whether it is a method of an extension's class that does not say which module has it.

    A class that is made of such a one says so.
    """
    if type(value).__name__ != "method_descriptor":
        return False
    made = value.__objclass__
    return made.__module__ == "builtins" and getattr(builtins, made.__name__, None) is not made


def _module_of(value):
    """Return the module of a function or a class; None for any other object."""
    kind = type(value)
    if kind.__name__ not in ("function", "builtin_function_or_method", "type", "method_descriptor",
                             "cython_function_or_method", "method"):  # fmt: skip
        return None
    owner = getattr(value, "__objclass__", None)
    return getattr(owner or value, "__module__", None)


def _imported(module):
    """Return a module as it was imported: an extension may say `cimpl` and be a package's."""
    if module in sys.modules:
        return module
    return next((name for name in list(sys.modules) if name.endswith("." + module)), module)


def _attribute(value, name):
    """Return an attribute as it is stored, in the object or in one of its classes."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    if name in own:
        return own[name]
    for kind in type(value).__mro__:
        if name in kind.__dict__:
            return kind.__dict__[name]
    return None


# -- greenlets -------------------------------------------------------------------------------------


def greenlets():
    """Return the suspended greenlets, alike ones once."""
    module = sys.modules.get("greenlet")
    if module is None:
        return []
    import gc

    groups = {}
    for one in gc.get_objects():
        if not isinstance(one, module.greenlet):
            continue
        frame = one.gr_frame
        if frame is None:
            continue
        place = _place(frame)
        told = {"frames": _stack(frame), "calls": _calls(place)}
        groups.setdefault(repr(told), [told, 0])[1] += 1
    return [dict(told, number=number) for told, number in groups.values()]


def _place(frame):
    """Return the innermost frame that is not gevent's own: there the greenlet waits."""
    found = frame
    while found is not None:
        name = str(found.f_globals.get("__name__"))
        if name.partition(".")[0] not in ("gevent", "greenlet") and name != "threading":
            return found
        found = found.f_back
    return frame
