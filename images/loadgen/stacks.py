"""Looks at the server's threads while it works, and what it saw: see `stacks.py` of the server.

Each process of the server has a pipe that takes a byte for a look, and a file that it writes to.
That is done once everything is measured.
"""

from __future__ import annotations

import ast
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from request import CheckFailedError, verified

#: So many looks, no closer than this in seconds; these are at the greenlets too: that takes longer.
MOST, SHORTEST_S, AT_GREENLETS = 40, 0.01, frozenset({2, 8, 20})
#: How long the last look may take, in seconds, and how often it is looked for.
ANSWERED_WITHIN_S, POLL_S = 10.0, 0.01
#: A client of `stacks` waits so long for an answer, in seconds.
CLIENT_TIMEOUT_S = 30.0
#: A process that was asked so often and answers nothing runs no Python.
SEVERAL = 3


def files(prefix: str) -> list[Path]:
    """The files whose names begin so."""
    return sorted(Path(prefix).parent.glob(f"{Path(prefix).name}*"))


def ask(config: dict[str, Any], what: int) -> list[int]:
    """Ask every process for a look; return which were asked."""
    asked = []
    for path in files(config["ask"]):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # its process is gone
            continue
        try:
            os.write(descriptor, bytes([what]))
            asked.append(int(path.name.rpartition("-")[2]))
        except OSError:
            pass
        finally:
            os.close(descriptor)
    return asked


def taken(config: dict[str, Any], since_ns: int) -> list[dict[str, Any]]:
    """The looks that were taken since a moment (`CLOCK_MONOTONIC` in ns), in that order."""
    found = []
    for path in files(config["stacks"]):
        # The last line may be half written.
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
            try:
                look = ast.literal_eval(line)
            except (ValueError, SyntaxError):
                continue
            if look["taken_ns"] >= since_ns:
                found.append(look)
    return sorted(found, key=lambda look: int(look["taken_ns"]))


class Looker(threading.Thread):
    """Looks again and again for so many seconds; `asked` counts how often, by process."""

    def __init__(self, config: dict[str, Any], seconds: float) -> None:
        super().__init__(daemon=True)
        self.config = config
        self.interval_s = max(seconds / MOST, SHORTEST_S)
        self.over = threading.Event()
        self.asked: Counter[int] = Counter()
        self.start()

    def run(self) -> None:
        """Ask for looks until it is stopped."""
        number = 0
        while not self.over.wait(self.interval_s):
            kind = "with_greenlets" if number in AT_GREENLETS else "threads_only"
            self.asked.update(ask(self.config, self.config[kind]))
            number += 1

    def stop(self) -> None:
        """Ask for no more."""
        self.over.set()
        self.join()


def seen(config: dict[str, Any], since_ns: int, asked: Counter[int]) -> dict[str, Any]:
    """What was seen since, and the processes that answered nothing."""
    looks = answered(config, since_ns, asked.total())
    answering = {look["pid"] for look in looks}
    silent = [pid for pid, number in asked.items() if number >= SEVERAL and pid not in answering]
    return {"asked": asked.total(), "looks": looks, "silent": silent}


def answered(config: dict[str, Any], since_ns: int, asked: int) -> list[dict[str, Any]]:
    """All looks that were asked for since, or those that there are after a while."""
    deadline = time.monotonic() + ANSWERED_WITHIN_S
    while len(found := taken(config, since_ns)) < asked and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return found


def stacks(config: dict[str, Any]) -> dict[str, Any]:
    """Look at the server for `seconds` while `clients` send requests one after the other.

    The last look is also at what was bound before the patch.
    """
    over = threading.Event()
    begun_ns = time.monotonic_ns()
    looker = Looker(config, config["seconds"])
    clients = [
        threading.Thread(target=ask_on, args=(config, over), daemon=True)
        for _ in range(config["clients"])
    ]
    for client in clients:
        client.start()
    time.sleep(config["seconds"])
    looker.stop()
    # Requests go on until it is taken: they may hold what it looks for.
    looker.asked.update(ask(config, config["with_scan"]))
    found = seen(config, begun_ns, looker.asked)
    over.set()
    return found


def ask_on(config: dict[str, Any], over: threading.Event) -> None:
    """Send request after request, whatever is answered."""
    while not over.is_set():
        try:
            verified(config, CLIENT_TIMEOUT_S)
        except CheckFailedError:
            time.sleep(POLL_S)
