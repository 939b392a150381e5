"""The pod's network namespace, read from `/proc`: counters, and requests on their way."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Any

ESTABLISHED, SYN_SENT, LISTEN = "01", "02", "0A"  # include/net/tcp_states.h
NETWORK_COUNTERS = ("ListenOverflows", "ListenDrops", "TCPSynRetrans")


def network_counters() -> dict[str, int]:
    """The namespace's own TCP counters, from `/proc/net/netstat`."""
    counters = counters_of("/proc/net/netstat", "TcpExt:")
    return {name: counters.get(name, 0) for name in NETWORK_COUNTERS}


def progress() -> tuple[int, int]:
    """Connections accepted in the namespace so far, and those that are open at this moment.

    From `/proc/net/snmp`: it costs nothing, however many sockets there are. With a connection per
    request, an answer changes the second, and the first where another request follows.
    """
    counters = counters_of("/proc/net/snmp", "Tcp:")
    return counters["PassiveOpens"], counters["CurrEstab"]


def requests_held_back(port: int, table: str = "/proc/net/tcp") -> bool:
    """Whether a request has not reached the server at a port, and not because it does not accept.

    A full listen queue drops what comes. The client tries again, each time after twice as long, and
    holds what it sent as unacknowledged until then, whether the server's end of its connection is
    there already or not; meanwhile the server may have emptied its queue and have nothing to do.
    """
    unsent = False
    for line in Path(table).read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        sent, received = (int(part, 16) for part in queues.split(":"))
        if port_of(local) == port and state == LISTEN and received:
            return False  # of a listening socket: the connections that nobody accepted yet
        if port_of(remote) == port and state in {ESTABLISHED, SYN_SENT} and sent:
            unsent = True
    return unsent


def port_of(address: str) -> int:
    """The port of an address as `/proc/net/tcp` writes it, both in hexadecimal."""
    return int(address.rpartition(":")[2], 16)


def counters_of(path: str, group: str) -> dict[str, int]:
    """One group of the kernel's counters: a line of names, then a line of values."""
    lines = Path(path).read_text().splitlines()
    names, values = next(
        (a.split()[1:], b.split()[1:]) for a, b in itertools.pairwise(lines) if a.startswith(group)
    )
    return dict(zip(names, map(int, values), strict=True))


def requests_unread(port: int, table: str = "/proc/net/tcp") -> bool:
    """Whether the server at a port has connections to accept or anything sent to it to read."""
    for line in Path(table).read_text().splitlines()[1:]:
        _, local, remote, _state, queues, *_ = line.split()
        sent, received = (int(part, 16) for part in queues.split(":"))
        if (port_of(local) == port and received) or (port_of(remote) == port and sent):
            return True
    return False


def accepts(config: dict[str, Any]) -> dict[str, Any]:
    """Whether something in the pod accepts connections at a port, its loopback's."""
    try:
        socket.create_connection(("127.0.0.1", config["port"]), timeout=1).close()
    except OSError:
        return {"accepts": False}
    return {"accepts": True}


def sockets(_config: dict[str, Any]) -> dict[str, Any]:
    """The namespace's TCP sockets, as the kernel lists them."""
    return {"tcp": Path("/proc/net/tcp").read_text(), "network": network_counters()}
