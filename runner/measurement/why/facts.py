"""All that is known of a launch that may explain it, in the form that the findings look at."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from runner.measurement.served import STALLED_S
from runner.measurement.why import places
from runner.measurement.why.places import OURS, is_library, is_request, module_of
from runner.measurement.why.seen import Called, Frame, Lock, Look, Scan, Seen, Stack
from runner.outcome import Outcome

#: Where gunicorn's master is.
ARBITER = "/site/gunicorn/arbiter.py"
#: Where the main thread of a master process is, gunicorn's or uWSGI's: it serves nobody. An idle
#: worker of uWSGI is there, too.
MASTERS = (ARBITER, f"{OURS}servers/_uwsgi.py")
#: Types of what compiled code does itself: a function in Python would have a frame of its own.
COMPILED = (
    "method_descriptor", "classmethod_descriptor", "wrapper_descriptor", "method-wrapper",
    "builtin_function_or_method", "cython_function_or_method",
)  # fmt: skip
#: Modules of the standard library whose compiled code waits, and which gevent does not replace.
STANDARD = ("sqlite3", "_sqlite3", "fcntl")
#: Those whose compiled code waits at what is not gevent's, and what gevent replaces there.
NATIVE = {"_socket": "socket", "_ssl": "socket", "select": "select"}
#: Those, and others of which gevent replaces functions.
PARTS = {**NATIVE, "time": "time"}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was seen of a launch.

    `gevent_modules` are those that gevent has replaced parts of, as far as it is known: none where
    no answer was right. `exceptions` are those that tracebacks in the server's log end in, with
    their number. `services` are names by the port that they have:
    an application's own, or a companion's. `stalled_s` is how long no request moved under the load.
    `elsewhere` is the share of the machine's CPU time that processes of no pod had.
    `lets_in` is how many requests the `server` lets in at a time, where so many were in work.
    `ignored` are exceptions that Python printed and did not pass on, with their places. `unread`
    are the remote ends of connections whose replies nobody took, when nothing was in work.
    `interrupted` is where a process was that took no look, and `calls` what its line calls.
    """

    outcome: Outcome
    seen: Seen = field(default_factory=Seen)
    gevent_modules: frozenset[str] = frozenset()
    grpc_patched: bool = False
    exceptions: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[tuple[str, Frame], int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    interrupted: tuple[Frame, ...] = ()
    calls: tuple[str, ...] = ()
    log: str = ""
    installed: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[int, str] = field(default_factory=dict)
    stalled_s: float | None = None
    server: str = ""
    lets_in: int | None = None
    elsewhere: float = 0.0

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """The looks at processes that serve; the others only start those."""
        return tuple(one for one in self.seen.looks if one.pid not in self.masters) or (
            self.seen.looks
        )

    @cached_property
    def masters(self) -> frozenset[int]:
        """The processes that serve nobody, and only start others."""
        return frozenset(look.pid for look in self.seen.looks if _is_master(look))

    @cached_property
    def scan(self) -> Scan:
        """What was bound before the patch, as last seen."""
        return next((look.scan for look in reversed(self.looks) if look.scan), Scan())

    @property
    def may_admit_several(self) -> bool:
        """Whether an RLock of before the patch is in reach that is not Python's own."""
        locks = (lock for lock in self.scan.locks if lock.kind == "RLock")
        return any(lock.module.partition(".")[0] not in sys.stdlib_module_names for lock in locks)

    @property
    def is_patched(self) -> bool:
        """Whether gevent has replaced anything."""
        return bool(self.gevent_modules or self.scan.names)

    def replaces(self, module: str) -> bool:
        """Whether gevent is known to have replaced parts of a module.

        What is still bound to an original shows that there is another by now.
        """
        names = {name.original.rpartition(".")[0] for name in self.scan.names}
        kinds = {"queue" if one.kind == "SimpleQueue" else "threading" for one in self.scan.locks}
        return module in self.gevent_modules | names | kinds

    def keeps(self, module: str) -> bool:
        """Whether gevent is known to have left a module alone, and patched others."""
        return bool(self.gevent_modules) and not self.replaces(module)

    @cached_property
    def has_loop(self) -> bool:
        """Whether the main thread is that of an event loop that everything waits for."""
        return (self.is_patched or bool(self._loops)) and not self._has_threads

    @property
    def _has_threads(self) -> bool:
        """Whether requests are in threads that are native, of which the main one is none."""
        stacks = (stack for look in self.looks for stack in look.threads if not stack.main)
        return self.keeps("threading") and any(map(is_request, stacks))

    @property
    def has_eventlet(self) -> bool:
        """Whether that is a loop of eventlet's."""
        return any(frame.file.startswith(places.EVENTLET_LOOPS) for frame in self._loops)

    @cached_property
    def _loops(self) -> tuple[Frame, ...]:
        """Where event loops were seen to wait for events."""
        stacks = (s for look in self.looks for s in (*look.threads, *(look.greenlets or ())))
        inner = (stack.frames[0] for stack in stacks if stack.frames)
        return tuple(dict.fromkeys(filter(places.is_loop, inner)))

    @property
    def is_stalled(self) -> bool:
        """Whether an event loop stood still under the load for so long that it matters."""
        return self.has_loop and (self.stalled_s or 0.0) >= STALLED_S

    def main_threads(self) -> Iterator[tuple[Look, Stack]]:
        """The main thread in each look."""
        for look in self.looks:
            for stack in look.threads:
                if stack.main:
                    yield look, stack

    def requests(self, look: Look) -> Iterator[Stack]:
        """What works on requests at that moment, each a thread or a greenlet."""
        for stack in (*look.threads, *(look.greenlets or ())):
            if is_request(stack):
                yield stack

    def distribution(self, module: str) -> str | None:
        """`psycopg-binary 3.1.8` for a module or a file, None where it is of none."""
        found = self.scan.distributions.get(module)
        while found is None and "." in module and "/" not in module:
            module = module.rpartition(".")[0]
            found = self.scan.distributions.get(module)
        return None if found is None else f"{named(found[0])} {found[1]}"

    def of_frame(self, frame: Frame) -> str | None:
        """The distribution that a frame's file belongs to."""
        if not is_library(frame):
            return None
        module = module_of(frame)
        # A process knows the files that it was seen in, and all modules.
        return (
            self.distribution(frame.file) or self.distribution(module) or module.partition(".")[0]
        )

    def compiled(self, stack: Stack) -> str | None:
        """The distribution, or Python's own module, whose compiled code the line calls."""
        for called in filter(_is_compiled, stack.calls):
            found = self.distribution(called.module)
            if found and not found.startswith(("gevent ", "greenlet ")):
                return found
            if called.module in STANDARD:
                return called.module.strip("_")
        return None

    def native(self, stack: Stack) -> str:
        """`socket` or `select`, if one waits at such that is not gevent's, which replaced those."""
        if places.is_carrier(stack.frames[0]) or self.compiled(stack):
            return ""
        found = (NATIVE.get(one.module, "") for one in stack.calls if _is_compiled(one))
        what = next(filter(None, found), "")
        return what if self.is_patched and what in (self.gevent_modules or NATIVE.values()) else ""

    def left_out(self, stack: Stack) -> str:
        """The part of Python that one waits in, where gevent replaced others alone."""
        runs_requests = is_request(stack) or self.replaces("threading")
        if self.compiled(stack) or not runs_requests:
            return ""
        called = (PARTS.get(one.module, "") for one in stack.calls if _is_compiled(one))
        used = ("subprocess" for frame in stack.frames if module_of(frame) == "subprocess")
        return next((part for part in (*called, *used) if part and self.keeps(part)), "")

    def forks(self, stack: Stack) -> bool:
        """Whether it forks there: what runs before that takes locks, and has no frame."""
        if self.compiled(stack):
            return False
        is_fork = any(one.module == "posix" and one.name.endswith("fork") for one in stack.calls)
        return is_fork or stack.frames[0].file in places.FORKS

    def importer(self, lock: Lock) -> str:
        """Who imported the module of a lock first, as far as that is known."""
        by = lock.importer
        return f" (imported by {self.distribution(by) or by})" if by else ""

    def peer(self, address: str) -> str:
        """`db:5432` for `127.0.0.1:7803`, where a service of that name has the port."""
        host, _, port = address.rpartition(":")
        name = self.services.get(int(port)) if port.isdecimal() else None
        return f"{name or host}:{port}"

    @property
    def exception(self) -> tuple[str, int] | None:
        """The exception that most tracebacks end in, and how many do."""
        most = Counter(self.exceptions).most_common(1)
        return most[0] if most else None


def named(distribution: str) -> str:
    """A distribution's name as it is written in requirements."""
    return distribution.replace("_", "-").lower()


def _is_compiled(called: Called) -> bool:
    return called.type.endswith(COMPILED)


def _is_master(look: Look) -> bool:
    """Whether a master waits there, in the main thread or, gunicorn's, in a greenlet of its own."""
    return waits_at(look, MASTERS)


def waits_at(look: Look, files: Sequence[str]) -> bool:
    """Whether a process that has no request waits in one of these files."""
    greenlets = look.greenlets or ()
    if any(map(is_request, (*look.threads, *greenlets))):
        return False
    stacks = (*(stack for stack in look.threads if stack.main), *greenlets)
    waits = (places.first(stack.frames, lambda one: not places.is_wrapper(one)) for stack in stacks)
    return any(frame.file in files for frame in waits if frame)
