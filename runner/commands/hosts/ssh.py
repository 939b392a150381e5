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
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runner.commands.hosts.dask_extra import distributed
from runner.commands.hosts.pool import DaskPool
from runner.errors import EngineUnavailableError, UsageError

LOOPBACK: Final = "127.0.0.1"
#: Ports of the tunnels are drawn from these: nothing is assigned them, nor do clients get them.
PORTS: Final = range(20_000, 32_000)
#: How long, in seconds, a worker has until it serves, and until it has ended.
START_S: Final = 120.0
END_S: Final = 60.0
POLL_S: Final = 0.2
#: A host that is gone for so long, in seconds, is lost.
ALIVE: Final = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")


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
            r"ssh://((?:[^@/:\s-][^@/:\s]*@)?[^@/:\s-][^@/:\s]*)(?::(\d+))?(/\S*)?", one
        )
        if match is None:
            raise UsageError(
                f"--hosts {one}: write ssh://HOST, or ssh://USER@HOST:PORT/PATH/TO/matrix; several "
                "are separated by commas"
            )
        found.append(SshHost(destination=match[1], port=match[2], command=match[3] or "matrix"))
    return found


@contextlib.contextmanager
def started(hosts: Sequence[SshHost], say: Callable[[str], None]) -> Iterator[str]:
    """A scheduler with these hosts' workers; its address. All of it ends with the block."""
    with _scheduler() as address:
        port = int(address.rpartition(":")[2])
        tunnels = [_start(host, port) for host in hosts]
        try:
            _await(hosts, tunnels, address)
            say(f"workers: {', '.join(host.destination for host in hosts)}")
            yield address
        finally:
            _end(tunnels)


@contextlib.contextmanager
def _scheduler() -> Iterator[str]:
    """A scheduler in this process, for this process and the tunnels."""
    cluster = distributed().LocalCluster(
        n_workers=0, host=LOOPBACK, scheduler_port=free_port(), dashboard_address=f"{LOOPBACK}:0"
    )
    with contextlib.closing(cluster):
        yield cluster.scheduler_address


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    while True:
        port = PORTS[secrets.randbelow(len(PORTS))]
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port


def _start(host: SshHost, scheduler: int) -> subprocess.Popen[bytes]:
    """The worker's `ssh`: the scheduler is reached there, and the worker here, by the same port."""
    own = free_port()
    served = f"{LOOPBACK}:{own}:{LOOPBACK}:{own}"
    asked = f"{LOOPBACK}:{scheduler}:{LOOPBACK}:{scheduler}"
    there = [host.command, "worker", f"tcp://{LOOPBACK}:{scheduler}"]
    there += ["--listen", LOOPBACK, "--port", str(own)]
    return subprocess.Popen(
        [
            "ssh", "-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", *ALIVE,
            *(["-p", host.port] if host.port else []), "-L", served, "-R", asked,
            host.destination, shlex.join(there),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is this process's to handle
    )  # fmt: skip


def _await(
    hosts: Sequence[SshHost], tunnels: Sequence[subprocess.Popen[bytes]], address: str
) -> None:
    """Wait for all workers; `EngineUnavailableError` names the host that has none."""
    deadline = time.monotonic() + START_S
    with contextlib.closing(DaskPool(address)) as pool:
        while len(pool.hosts()) < len(hosts):
            for host, tunnel in zip(hosts, tunnels, strict=True):
                if tunnel.poll() is not None:
                    raise EngineUnavailableError(
                        f"{host.destination}: `ssh` ended with exit status {tunnel.returncode} "
                        "before a worker served: see what it printed. Is `matrix` installed there, "
                        "with the extra `dask`, and on the PATH (else ssh://HOST/PATH/TO/matrix)?"
                    )
            if time.monotonic() > deadline:
                raise EngineUnavailableError(f"after {START_S:.0f} s not all hosts have a worker")
            time.sleep(POLL_S)


def _end(tunnels: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the tunnels. The workers miss their scheduler then, and end too."""
    for tunnel in tunnels:
        tunnel.terminate()
    for tunnel in tunnels:
        try:
            tunnel.wait(END_S)
        except subprocess.TimeoutExpired:
            tunnel.kill()
            tunnel.wait()
