"""What is kept of a launch besides its figures: logs, stacks and sockets, before the pod goes."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from typing import Final

from runner.application.secret_values import Secrets
from runner.contract import ASK, END_OF_DUMP, GREENLETS, GROUPED, MAIN_THREAD
from runner.engine.companions import CompanionPlan
from runner.engine.pod import SERVER_USER, Pod
from runner.errors import EngineError, NotFoundError
from runner.measurement import agent
from runner.measurement.clock import Clock
from runner.measurement.server_log import WORKER_KILLED
from runner.measurement.why.places import first, is_application
from runner.measurement.why.seen import Frame

SERVER_LOG: Final = "server.log"
COMPANION_LOG: Final = "companion.log"
#: Services that cannot have a log under their own name, which is another's.
TAKEN: Final = frozenset({"server", "companion"})
STACKS: Final = "stacks.txt"
STACKS_WITHIN_S = 3.0
POLL_S = 0.1
#: How the limit of a control group, and how many processes the kernel killed there, are read in a
#: container, by either version of control groups, and how long that may take in seconds.
OOM_KILLS = (
    "/bin/sh",
    "-c",
    (
        "cd /sys/fs/cgroup\n"
        "cat memory.max memory/memory.limit_in_bytes memory.events memory/memory.oom*"
    ),
)
MEMORY_GROUP = re.compile(r"(?P<limit>\d+)\n(?:.*\n)*?oom_kill (?P<killed>\d+)")
#: The kernel rounds a limit down to whole pages.
LARGEST_PAGE: Final = 64 << 10
EXEC_S = 10.0
#: uWSGI's master keeps a signal to itself, so each process of a server is sent it.
SIGNAL_EACH = ("/bin/sh", "-c", f"for pipe in {ASK}*; do kill -USR1 ${{pipe##*-}}; done")
#: `  File "…", line N in f` of faulthandler, the innermost frame first.
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\S+) in (?P<function>\S+)')
#: A group of threads with equal stacks, as `diagnostics.py` of the server program writes it.
GROUP = re.compile(
    r"(?P<number>\d+) threads(?P<heading>[^\n]*)\(most recent call first\):\n(?P<frame>[^\n]*)"
)
#: Above each stack of faulthandler's, and names of what a line of code calls.
FIRST: Final = "(most recent call first):"
CALLED: Final = re.compile(r"([A-Za-z_][\w.]*)\(")
#: What uWSGI says where a dump ends its worker: a thread of before the fork has no stack any more,
#: and Python does not know, for uWSGI forks without it.
SEGMENTATION_FAULT: Final = "got Segmentation Fault"
#: What a server's loop is in while it has nothing to accept.
WAITING = {"select", "poll", "accept"}


def server_log(pod: Pod) -> str:
    """The server's log, or why there is none."""
    try:
        return pod.server_log()
    except EngineError as error:
        return f"(the log could not be read: {error})\n"


def ran_out_of_memory(pod: Pod, log: str) -> bool:
    """Whether the kernel killed processes of a server whose first one lives on.

    gunicorn starts a worker again that was killed, and of a container that goes on the engine does
    not say so. The kernel's own count is asked where gunicorn suspects it. A rootless engine's
    containers may have no group of their own, but see the engine's, whose count is of others too.
    """
    if WORKER_KILLED not in log:
        return False
    try:
        counted = pod.engine.exec(pod.server, OOM_KILLS, timeout=EXEC_S, user=SERVER_USER).stdout
    except EngineError:
        return False
    found = MEMORY_GROUP.match(counted.decode("utf-8", "replace"))
    if found is None:
        return False
    is_own = 0 <= pod.plan.limits.memory_bytes - int(found["limit"]) < LARGEST_PAGE
    return is_own and int(found["killed"]) > 0


def companion_logs(pod: Pod) -> dict[str, bytes]:
    """The logs of all that run beside the server, as files: `<service>.log`, or companion.log.

    There are none of a pod whose start failed: it is gone.
    """
    logs: dict[str, bytes] = {}
    for plan in pod.plan.companions:
        if plan.name in pod.companions:
            with contextlib.suppress(NotFoundError):
                logs[_log_file(plan)] = pod.companion_log(plan.name).encode()
    return logs


def _log_file(plan: CompanionPlan) -> str:
    if not plan.hosts:
        return COMPANION_LOG
    return f"service-{plan.name}.log" if plan.name in TAKEN else f"{plan.name}.log"


def masked(files: Mapping[str, bytes], secrets: Secrets) -> dict[str, bytes]:
    """The files without what must not be seen.

    The packed ones are tables of numbers that this program made: there is no text in them to mask.
    """
    return {
        name: content if name.endswith(".gz") else secrets.mask_bytes(content)
        for name, content in files.items()
    }


def of_hang(pod: Pod, clock: Clock, tcp: str | None) -> tuple[dict[str, bytes], str | None]:
    """The files that a hang leaves, and in a few words where it is.

    `tcp` is the kernel's list of sockets as it was when the load was given up on, None for now's.
    """
    files: dict[str, bytes] = {}
    try:
        dump = stacks(pod, clock)
    except EngineError as error:
        dump = f"(no stacks: {error})"
    if table := tcp or sockets(pod):
        files["sockets.txt"] = in_words(table).encode()
    if dump is None:
        return files, "the server did not react to a signal"
    files[STACKS] = dump.encode()
    return files, blocked_frame(dump)


def stacks(pod: Pod, clock: Clock) -> str | None:
    """Stacks of all threads, and of all greenlets where gevent is loaded, by the server itself.

    None if the server did not react at all, not even with its threads.
    """
    before = len(pod.server_log())
    pod.signal_server("SIGUSR1")
    dump = _dumped(pod, clock, before)
    if FRAME.search(dump) is None and pod.server_state().running:
        pod.engine.exec(pod.server, SIGNAL_EACH, timeout=EXEC_S, user=SERVER_USER)
        dump = _dumped(pod, clock, before)
    return dump or None


def _dumped(pod: Pod, clock: Clock, before: int) -> str:
    """What the server wrote since, once it is all, or after a while."""
    deadline = clock.monotonic() + STACKS_WITHIN_S
    dump = ""
    while END_OF_DUMP not in dump and clock.monotonic() < deadline:
        clock.sleep(POLL_S)
        dump = pod.server_log()[before:]
    return dump


def interrupted(pod: Pod, dump: str) -> tuple[tuple[Frame, ...], tuple[str, ...]]:
    """Where a dump's last thread is, and what the application's innermost line calls.

    Only a dump shows that of a process that cannot run Python: its last thread is the main one.
    """
    stack = dump.partition(GREENLETS)[0].partition(GROUPED)[0].rpartition(FIRST)[2]
    frames = tuple(
        Frame(file=found["file"], line=int(found["line"]), function=found["function"])
        for found in FRAME.finditer(stack)
        if found["line"].isdecimal()
    )
    place = first(frames, is_application)
    if place is None:
        return frames, ()
    command = ("sed", "-n", f"{place.line}p", place.file)
    line = pod.engine.exec(pod.server, command, timeout=EXEC_S, user=SERVER_USER).stdout
    return frames, tuple(CALLED.findall(line.decode("utf-8", "replace").partition("#")[0]))


def unread(pod: Pod) -> frozenset[tuple[str, str]]:
    """The server's connections with bytes that nobody took: their own and their remote ends."""
    sockets_of = (line.split() for line in (sockets(pod) or "").splitlines()[1:])
    user = SERVER_USER.partition(":")[0]
    return frozenset(
        (_address(fields[1]), _address(fields[2]))
        for fields in sockets_of
        if len(fields) > 7
        and (_state(fields), fields[7]) == ("ESTABLISHED", user)
        and int(fields[4].rpartition(":")[2], 16)
    )


def sockets(pod: Pod) -> str | None:
    """The kernel's list of the pod's TCP sockets at this moment, None without an answer."""
    try:
        return str(agent.ask(pod, "sockets", {}, timeout=10)["tcp"])
    except EngineError:
        return None


def blocked_frame(dump: str) -> str | None:
    """Where a dump's threads are blocked: `main thread in module.py:12 in function`.

    That is where most threads are that are at the same place of their code, for they work on
    requests; where all are at different places it is the main thread, unless it waits for
    connections, as that of a threaded server does. A process blocked in C cannot list its threads
    itself; faulthandler, which does, writes the main thread last.
    """
    threads = dump.partition(GREENLETS)[0]
    by_signal, _, grouped = threads.partition(GROUPED)
    main = by_signal.rpartition(FIRST)[2]
    found = FRAME.search(main)
    others = [group for group in GROUP.finditer(grouped) if MAIN_THREAD not in group["heading"]]
    if others and (int(others[0]["number"]) > 1 or (found and found["function"] in WAITING)):
        number = others[0]["number"]
        return _in(f"{number} threads" if number != "1" else "a thread", others[0]["frame"])
    return _in("main thread", main)


def _in(whose: str, stack: str) -> str | None:
    frame = FRAME.search(stack)
    if frame is None:
        return None
    return f"{whose} in {frame['file'].rpartition('/')[2]}:{frame['line']} in {frame['function']}"


# -- the kernel's list of TCP sockets (`/proc/net/tcp`, see proc(5)) in words ----------------------

#: include/net/tcp_states.h
STATES = (
    "?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
)  # fmt: skip
HEADING = f"{'state':<13}{'local':<22}{'remote':<22}{'unread':>8}{'unsent':>8}  user"


def in_words(table: str) -> str:
    """One line per socket, those that wait for nobody (TIME_WAIT) only counted.

    `unread` are bytes that came and nobody took (of a listening socket: connections that nobody
    accepted), `unsent` bytes not acknowledged; `user` is the id of the socket's owner.
    """
    sockets = [fields for line in table.splitlines()[1:] if len(fields := line.split()) > 7]
    lines = sorted(_line(fields) for fields in sockets if _state(fields) != "TIME_WAIT")
    return "\n".join([HEADING, *lines, f"and {len(sockets) - len(lines)} in TIME_WAIT", ""])


def _line(fields: list[str]) -> str:
    unsent, unread = (int(part, 16) for part in fields[4].split(":"))
    local, remote = _address(fields[1]), _address(fields[2])
    return f"{_state(fields):<13}{local:<22}{remote:<22}{unread:>8}{unsent:>8}  {fields[7]}"


def _state(fields: list[str]) -> str:
    number = int(fields[3], 16)
    return STATES[number] if number < len(STATES) else fields[3]


def _address(text: str) -> str:
    """`0100007F:1E63` is 127.0.0.1:7779: the address in the machine's byte order, the port not."""
    address, port = text.split(":")
    return f"{socket.inet_ntoa(bytes.fromhex(address)[::-1])}:{int(port, 16)}"
