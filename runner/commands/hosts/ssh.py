"""`--hosts ssh://a,ssh://b`: a scheduler here, and a worker on each host, joined by SSH alone.

Everything listens at loopback addresses, here and there, and the tunnels of `ssh` join them: there
is no port that others reach. It is OpenSSH's own client, with its configuration, keys and agent.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runner.commands.hosts.dask_extra import distributed, ending
from runner.commands.hosts.pool import DaskPool
from runner.errors import EngineUnavailableError, UsageError

LOOPBACK: Final = "127.0.0.1"
#: Ports of the tunnels are drawn from these: outgoing connections get others, from 32768 on.
PORTS: Final = range(20_000, 32_000)
#: How long, in seconds, a worker has until it serves, and until it has ended.
START_S: Final = 120.0
END_S: Final = 60.0
#: And until all that it printed is read: another process may hold the pipe open.
READ_S: Final = 2.0
POLL_S: Final = 0.2
#: A host that is gone for a minute is lost. A connection that is shared with others would keep the
#: tunnels, and with them the worker, after the end of this `ssh`.
OPTIONS: Final = (
    "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none",
    "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
)  # fmt: skip
#: The exit status of `ssh` for failures of its own, and of a shell that finds no command.
FAILED: Final = 255
NO_COMMAND: Final = (126, 127)
#: What some versions of Typer print around an error.
FRAME: Final = "│╭╮╰╯─ \n"


@dataclass(frozen=True, kw_only=True)
class SshHost:
    """A host: where `ssh` finds it, and the `matrix` command there."""

    destination: str
    port: str | None
    command: str


def parse_hosts(text: str) -> list[SshHost]:
    """The hosts of `ssh://[USER@]HOST[:PORT][/PATH/TO/matrix],…`; `UsageError` for others."""
    found = []
    for one in text.split(","):
        match = re.fullmatch(
            r"ssh://([^@/:\s-][^@/:\s]*@)?(\[[^]/@\s-][^]/@\s]*\]|[^@/:\s[-][^@/:\s]*)(?::(\d+))?(/\S*)?",
            one,
        )
        if match is None:
            raise UsageError(
                f"--hosts {one}: write ssh://HOST, or ssh://USER@HOST:PORT/PATH/TO/matrix; several "
                "are separated by commas"
            )
        destination = (match[1] or "") + match[2].strip("[]")
        found.append(SshHost(destination=destination, port=match[3], command=match[4] or "matrix"))
    return found


class Tunnel:
    """The `ssh` of a worker, which ends with it, and what the two printed last."""

    def __init__(self, host: SshHost, scheduler: str, say: Callable[[str], None]) -> None:
        self.host, self.port, self.last = host, free_port(), ""
        self.process = _ssh(host, scheduler, self.port)
        self._say = say
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - it is a pipe
        with self.process.stderr as lines:
            for line in lines:
                if text := line.strip(FRAME):
                    self.last = text
                    self._say(f"{self.host.destination}: {text}")

    def end(self) -> None:
        """End it, or wait until it has."""
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(READ_S)

    def why(self) -> str:
        """Why it ended before the worker served, and what to do."""
        self.end()
        code = self.process.returncode
        if code == FAILED:
            where = f"-p {self.host.port} " if self.host.port else ""
            return (
                f"`ssh` fails ({self.last or 'the worker was killed, or the connection'}): see "
                f"that `ssh {where}{self.host.destination} true` works"
            )
        if code in NO_COMMAND:
            return (
                f"no `{self.host.command}` there ({self.last}): install `monkey-matrix[dask]`, or "
                "name the path of its command with ssh://HOST/PATH/TO/matrix"
            )
        return f"its worker ended with exit status {code} ({self.last})"


@contextlib.contextmanager
def started(hosts: Sequence[SshHost], say: Callable[[str], None]) -> Iterator[str]:
    """A scheduler with these hosts' workers; its address. All of it ends with the block."""
    served = threading.Event()

    def say_then(text: str) -> None:
        if served.is_set():
            say(text)

    with _scheduler() as address, contextlib.ExitStack() as stack:
        tunnels: list[Tunnel] = []
        stack.callback(_end, tunnels)
        # One by one: those that were started end if the next one cannot be.
        tunnels.extend(Tunnel(host, address, say_then) for host in hosts)
        _await(tunnels, address)
        say(f"workers: {', '.join(host.destination for host in hosts)}")
        served.set()
        try:
            yield address
        finally:
            served.clear()  # what they print at their end is of no use


@contextlib.contextmanager
def _scheduler() -> Iterator[str]:
    """A scheduler in this process, for this process and the tunnels."""
    cluster = distributed().LocalCluster(
        n_workers=0, host=LOOPBACK, scheduler_port=free_port(), dashboard_address=f"{LOOPBACK}:0"
    )
    try:
        yield cluster.scheduler_address
    finally:
        with ending():
            cluster.close()


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    while True:
        port = PORTS[secrets.randbelow(len(PORTS))]
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port


def _ssh(host: SshHost, scheduler: str, own: int) -> subprocess.Popen[str]:
    """The worker's `ssh`: the scheduler is reached there, and the worker here, by the same port."""
    served = f"{LOOPBACK}:{own}:{LOOPBACK}:{own}"
    joined = scheduler.partition("//")[2]
    there = [host.command, "worker", scheduler, "--listen", LOOPBACK, "--port", str(own)]
    return subprocess.Popen(
        [
            "ssh", "-T", *OPTIONS,
            *(["-p", host.port] if host.port else []), "-L", served, "-R", f"{joined}:{joined}",
            host.destination, shlex.join(there),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is this process's to handle
    )  # fmt: skip


def _await(tunnels: Sequence[Tunnel], address: str) -> None:
    """Wait for all workers; `EngineUnavailableError` names the host that has none."""
    deadline = time.monotonic() + START_S
    with contextlib.closing(DaskPool(address)) as pool:
        while True:
            there = {int(found.rpartition(":")[2]) for found in pool.hosts()}
            missing = [tunnel for tunnel in tunnels if tunnel.port not in there]
            if not missing:
                return
            if ended := next((one for one in missing if one.process.poll() is not None), None):
                raise EngineUnavailableError(f"{ended.host.destination}: {ended.why()}")
            if time.monotonic() > deadline:
                names = ", ".join(one.host.destination for one in missing)
                raise EngineUnavailableError(f"{names}: no worker serves after {START_S:.0f} s")
            time.sleep(POLL_S)


def _end(tunnels: Sequence[Tunnel]) -> None:
    """End the tunnels. The workers miss their scheduler then, and end too."""
    for tunnel in tunnels:
        tunnel.process.terminate()
    for tunnel in tunnels:
        tunnel.end()
