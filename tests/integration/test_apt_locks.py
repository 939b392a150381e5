"""Packages are installed although another program holds a lock of apt or dpkg for a while."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from runner import provision

pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.alone]
#: How long dpkg's lock is held, for which apt itself waits and says nothing.
HELD_FOR_S = 3.0
#: Locks as apt does, says so, and holds the lock until it is told to end, or for so long.
HOLDER = """
import fcntl, select, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    select.select([sys.stdin], [], [], float(sys.argv[2]))
"""


@contextlib.contextmanager
def held(path: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock in a process of its own, until its input is closed or for so many seconds."""
    command = [sys.executable, "-c", HOLDER, path, str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield holder


def test_apt_waits_for_the_lock_of_dpkg() -> None:
    said: list[str] = []
    with held("/var/lib/dpkg/lock-frontend", HELD_FOR_S):
        provision.apt_get(["install", "-y", "-qq", "mmdebstrap"], said.append)
    assert said == []


def test_a_lock_of_the_lists_is_waited_for_and_that_is_said() -> None:
    said: list[str] = []
    with held("/var/lib/apt/lists/lock", 60.0) as holder:

        def release(text: str) -> None:
            said.append(text)
            assert holder.stdin
            holder.stdin.close()

        provision.apt_get(["update", "-qq"], release)
    assert said == ["waiting for another program to release apt's lock"]
