"""Packages are installed although another program holds a lock of apt or dpkg for a while."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner import provision

pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.alone]
HELD_FOR_S = 3
#: Locks as apt does, says so, and holds the lock for a while.
HOLDER = """
import fcntl, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def hold() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Hold a lock for `HELD_FOR_S` seconds, in a process of its own."""
    holders: list[subprocess.Popen[str]] = []

    def holding(path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(path), str(HELD_FOR_S)]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        return holder

    yield holding
    for holder in holders:
        holder.communicate()


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/var/lib/dpkg/lock-frontend", ["install", "-y", "-qq", "mmdebstrap"]),
        ("/var/lib/apt/lists/lock", ["update", "-qq"]),
    ],
)
def test_a_lock_that_is_held_is_waited_for(
    hold: Callable[[Path], subprocess.Popen[str]], path: str, arguments: list[str]
) -> None:
    said: list[str] = []
    holder = hold(Path(path))
    provision.apt_get(arguments, said.append)
    assert holder.wait() == 0
    # apt itself waits for dpkg's lock, and not for that of the lists.
    waited = ["waiting for another program to release apt's lock"] if "lists" in path else []
    assert said == waited
