"""Whether limits are tried, with the programs that try them run here and containers in memory."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from runner.engine import limits
from runner.engine.limits import EXCEEDED, MANY_PROCESSES, MUCH_MEMORY, ignored_limits
from runner.engine.protocol import ContainerState
from tests.support.memory_engine import MemoryEngine, silent

ENDED = ContainerState(running=False, exit_code=0, oom_killed=False)


class Overlooking(MemoryEngine):
    """Containers end at once, and say so where their limit was overlooked."""

    def __init__(self, *programs: str) -> None:
        super().__init__(silent)
        self.overlooked = programs
        self.asked: list[tuple[int, int]] = []

    def start(self, container: str) -> None:
        found = self.containers[container]
        found.state = ENDED
        self.asked.append((found.spec.pids, found.spec.memory_bytes))
        if found.spec.command[-1] in self.overlooked:
            found.log = f"{EXCEEDED}\n"


@pytest.mark.parametrize(
    ("overlooked", "ignored"),
    [
        ((), []),
        ((MANY_PROCESSES,), ["pids"]),
        ((MUCH_MEMORY,), ["memory"]),
        ((MANY_PROCESSES, MUCH_MEMORY), ["pids", "memory"]),
    ],
)
def test_a_limit_that_did_not_hold_is_named(
    overlooked: tuple[str, ...], ignored: list[str]
) -> None:
    engine = Overlooking(*overlooked)
    assert ignored_limits(engine, "image") == ignored
    assert engine.containers == {}
    assert engine.asked == [(limits.PIDS, limits.MEMORY_BYTES)] * 2


def test_a_container_that_never_ends_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TIMEOUT_S", 0)
    engine = MemoryEngine(silent)
    assert ignored_limits(engine, "image") == []
    assert engine.containers == {}


@pytest.mark.parametrize("program", [MANY_PROCESSES, MUCH_MEMORY])
def test_without_a_limit_the_programs_get_all_they_try(program: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{EXCEEDED}\n"


def test_with_a_limit_they_do_not() -> None:
    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.TRIED_BYTES, limits.TRIED_BYTES))

    command = [sys.executable, "-I", "-S", "-c", MUCH_MEMORY]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, preexec_fn=bounded
    )
    assert done.returncode
    assert EXCEEDED not in done.stdout
