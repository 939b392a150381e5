"""What the server's log says of its end, and what of before the patch or a fork explains it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from runner.engine.pod import APPLICATION
from runner.measurement.server_log import traceback_of
from runner.measurement.why import places
from runner.measurement.why.facts import ARBITER, Facts, waits_at
from runner.measurement.why.seen import Frame, Name, Stack

#: So many times over, an RLock is held by more than one: hardly anything takes it so often itself.
SEVERAL: Final = 3
#: What grpc's core said where it aborted a process over a mutex that it had before the fork.
ABORTED: Final = re.compile(
    r"^\[mutex\.cc : \d+\] RAW: (?P<said>Check .*\bwaitp\b.* failed.*)$", re.MULTILINE
)
#: What a call says whose channel has descriptors of before the fork.
BROKEN: Final = re.compile(r"^grpc\..*: .*(Socket operation on non-socket|[Bb]ad file descriptor)")
#: What gevent says where two greenlets use one socket.
SHARED: Final = re.compile(r"ConcurrentObjectUseError|closed in another greenlet")
#: In a traceback, a frame of the application.
OWN_FRAME: Final = re.compile(rf'  File "{APPLICATION}/(?P<file>[^"]+)", line (?P<line>\d+), in ')
#: In a traceback, the frame that calls Python's ssl.
INTO_SSL: Final = re.compile(
    r'File "(?P<file>[^"]+)(?<!/ssl\.py)", line (?P<line>\d+), in .*\n(?: +.*\n){0,2}?'
    r'  File "[^"]*/ssl\.py", line \d+, in '
)
#: In a traceback, the frame that starts a program with Python's own class.
INTO_POPEN: Final = re.compile(
    r'File "([^"]+)", line \d+, in .*\n(?: +.*\n){0,2}?  File "[^"]*/subprocess\.py", line \d+, in '
)
#: An asyncio loop runs what follows in a traceback.
OF_A_LOOP: Final = re.compile(r", in run_until_complete\n(?P<inside>(?:.*\n)*)")


def exception(facts: Facts) -> Mapping[str, str] | None:
    """The exception that most of the server's tracebacks end in, and who has ssl from before.

    Where it was raised is of its own traceback: others in the log may have nothing to do with it.
    """
    if facts.exception is None:
        return None
    text, number = facts.exception
    traceback = traceback_of(text, facts.log)
    return {
        "exception": text,
        "times": _times(number),
        "from": application_in(traceback),
        "traceback": traceback,
        "nested": _nested(traceback),
        "popen": _early_popen(facts, traceback),
        **_ssl(facts, traceback),
    }


def _early_popen(facts: Facts, traceback: str) -> str:
    """`app.Popen`: the class of before the patch in a module that starts a program with it."""
    found = (one for one in facts.scan.names if one.original == "subprocess.Popen")
    frames = [Frame(file=at, line=None, function="") for at in INTO_POPEN.findall(traceback)]
    users = {places.module_of(frame) for frame in frames}
    return next((f"{one.module}.{one.name}" for one in found if one.module in users), "")


def _nested(traceback: str) -> str:
    """The application's place below an asyncio loop in a traceback: it was called by that loop."""
    loop = OF_A_LOOP.search(traceback)
    return application_in(loop["inside"]) if loop else ""


def application_in(traceback: str) -> str:
    """`, called from shop/orders.py:12`: where a traceback is in the application."""
    found = [*OWN_FRAME.finditer(traceback)]
    if not found:
        return ""
    return f", called from {found[-1]['file']}:{found[-1]['line']}"


def _times(number: int) -> str:
    return "" if number < 2 else f" ({number} times)"


def _ssl(facts: Facts, traceback: str) -> Mapping[str, str]:
    """Who calls ssl where that fails, and whether its module has the class of before the patch."""
    found = [*INTO_SSL.finditer(traceback)]
    if not found:
        return {}
    frame = Frame(file=found[-1]["file"], line=int(found[-1]["line"]), function="")
    early = {name.module for name in facts.scan.names if name.original == "ssl.SSLContext"}
    module = places.module_of(frame)
    return {
        "ssl_user": facts.distribution(module) or facts.of_frame(frame) or module,
        "ssl_place": places.text(frame),
        "ssl_class": "imported" if module in early else "",
    }


def unpatched_name(facts: Facts, stack: Stack) -> str:
    """`app.nap is the unpatched time.sleep`: a name from before the patch that leads to a wait."""
    called = {one.name for one in stack.calls}
    names = (
        *(name for name in facts.scan.names if f"{name.module}.{name.name}" in called),
        *_led_to(facts, stack),
    )
    return next((f"{one.module}.{one.name} is the unpatched {one.original}" for one in names), "")


def _led_to(facts: Facts, stack: Stack) -> Iterator[Name]:
    """Classes of before the patch in the module that uses what only such a class makes."""
    user = places.first(stack.frames, lambda frame: not places.is_wrapper(frame))
    is_popen = any(places.module_of(frame) == "subprocess" for frame in stack.frames)
    made = "subprocess.Popen" if is_popen else ""
    made = "socket.socket" if facts.native(stack) == "socket" else made
    if user is not None:
        wanted = places.module_of(user), made
        yield from (one for one in facts.scan.names if (one.module, one.original) == wanted)


def early_rlock(facts: Facts) -> Mapping[str, str] | None:
    """An RLock from before the patch that several greenlets were seen to hold at once."""
    scans = (look.scan for look in facts.looks if look.scan)
    found = [lock for scan in scans for lock in scan.locks if lock.kind == "RLock"]
    most = max(found, key=lambda lock: lock.times, default=None)
    if most is None or most.times < SEVERAL:
        return None
    return {
        "lock": f"{most.module}.{most.name}",
        "held": str(most.times),
    }


def early_local(facts: Facts) -> Mapping[str, str] | None:
    """A threading.local from before the patch in the application, and what the log says."""
    said = exception(facts)
    modules = sys.stdlib_module_names
    found = [
        f"{lock.module}.{lock.name}"
        for lock in facts.scan.locks
        if lock.kind == "local"
        and lock.module.partition(".")[0] not in modules
        and facts.distribution(lock.module) is None
    ]
    if not found or said is None:
        return None
    one = "a threading.local of before the patch"
    names = f"{found[0]} is {one}" if len(found) == 1 else f"{' and '.join(found)} are each {one}"
    return {**said, "local": names}


def shared_socket(facts: Facts) -> Mapping[str, str] | None:
    """A second greenlet was refused to wait for a socket, or lost it to another."""
    found = [one for one in Counter(facts.exceptions).most_common() if SHARED.search(one[0])]
    if not found:
        return None
    text = found[0][0]
    return {
        "exception": text.partition(": <")[0],  # the object is another one each time
        "times": _times(sum(number for _, number in found)),
        "from": application_in(traceback_of(text, facts.log)),
    }


def early_channel(facts: Facts) -> Mapping[str, str] | None:
    """A gRPC channel of gunicorn's master, and a failure that a fork explains.

    A call fails for many reasons, an upstream that is down above all: only what was seen of
    channels from before a fork counts.
    """
    arbiters = {look.pid for look in facts.seen.looks if waits_at(look, (ARBITER,))}
    masters = (look.scan for look in facts.seen.looks if look.pid in arbiters and look.scan)
    found = [name for scan in masters for name in scan.channels]
    ended = ABORTED.search(facts.log)
    broken = [one for one in Counter(facts.exceptions).most_common() if BROKEN.search(one[0])]
    if not found or not (ended or broken):
        return None
    named = next((name for name in found if name), "")
    text, number = broken[0] if broken else ("", 1)
    if ended:
        text, number = f"the worker was aborted, {ended['said']}", 1
    return {
        "channel": f"the gRPC channel {named}" if named else "a gRPC channel",
        "exception": text,
        "times": _times(number),
    }
