"""What the server's log says of its end, and what of before the patch or a fork explains it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from runner.engine.pod import APPLICATION
from runner.measurement.why import places
from runner.measurement.why.facts import Facts
from runner.measurement.why.seen import Frame

#: So many times over, an RLock is held by more than one: hardly anything takes it so often itself.
SEVERAL: Final = 3
#: What grpc's core says when it aborts a process.
ABORTED: Final = re.compile(r"^\[\w+\.cc : \d+\] RAW: (?P<said>Check .* failed.*)$", re.MULTILINE)
#: In a traceback, a frame of the application.
OWN_FRAME: Final = re.compile(rf'  File "{APPLICATION}/(?P<file>[^"]+)", line (?P<line>\d+), in ')
#: In a traceback, the frame that calls Python's ssl.
INTO_SSL: Final = re.compile(
    r'File "(?P<file>[^"]+)(?<!/ssl\.py)", line (?P<line>\d+), in .*\n(?: +.*\n){0,2}?'
    r'  File "[^"]*/ssl\.py", line \d+, in '
)


def exception(facts: Facts) -> Mapping[str, str] | None:
    """The exception that most of the server's tracebacks end in, and who has ssl from before."""
    if facts.exception is None:
        return None
    text, number = facts.exception
    called = {"from": _application(facts.log)}
    return {"exception": text, "times": _times(number), **called, **_ssl(facts)}


def _application(log: str) -> str:
    """`, called from shop/orders.py:12`: where the last traceback is in the application."""
    found = [*OWN_FRAME.finditer(log)]
    if not found:
        return ""
    return f", called from {found[-1]['file']}:{found[-1]['line']}"


def _times(number: int) -> str:
    return "" if number < 2 else f" ({number} times)"


def _ssl(facts: Facts) -> Mapping[str, str]:
    """Who calls ssl where that fails, and whether its module has the class of before the patch."""
    found = [*INTO_SSL.finditer(facts.log)]
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


def early_channel(facts: Facts) -> Mapping[str, str] | None:
    """A gRPC channel of the process that the server's own were forked from."""
    masters = (look.scan for look in facts.seen.looks if look.pid in facts.masters and look.scan)
    found = [name for scan in masters for name in scan.channels]
    ended = ABORTED.search(facts.log)
    if not found or not (ended or facts.exception):
        return None
    named = next((name for name in found if name), "")
    text, number = facts.exception or ("", 1)
    if ended:
        text, number = f"the worker was aborted, {ended['said']}", 1
    return {
        "channel": f"the gRPC channel {named}" if named else "a gRPC channel",
        "exception": text,
        "times": _times(number),
    }
