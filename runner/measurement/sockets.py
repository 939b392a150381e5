"""The kernel's list of TCP sockets (`/proc/net/tcp`, see proc(5)) in words."""

from __future__ import annotations

import socket

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
