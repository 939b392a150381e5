"""The workload `sleep`, spread out or not."""

from __future__ import annotations

import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from runner.matrix.plugins import PROGRAM
from tests.support.program import module


def slept(directory: Path, number: int = 1000, **parameters: str) -> list[float]:
    """How long the first requests of a server's next process sleep, in seconds."""
    sleep: Any = module("sleep_in_cell", PROGRAM / "workloads" / "sleep.py")
    sleep.DIRECTORY = str(directory)
    work = sleep.make({"seconds": "2", "spread": "0", "spin": "0", **parameters})
    times: list[float] = []

    class Time:
        sleep = times.append
        thread_time = time.thread_time

    sleep.time = Time
    for _ in range(number):
        work()
    return times


def test_without_a_spread_all_take_equally_long(tmp_path: Path) -> None:
    assert set(slept(tmp_path)) == {2.0}
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("spread", ["0", "1"])
def test_a_spin_uses_cpu_and_changes_no_sleep(tmp_path: Path, spread: str) -> None:
    plain, spinning = tmp_path / "plain", tmp_path / "spinning"
    plain.mkdir()
    spinning.mkdir()
    before = time.thread_time()
    times = slept(spinning, 20, spread=spread, spin="5")
    assert time.thread_time() - before >= 20 * 0.005
    assert times == slept(plain, 20, spread=spread)


def test_spread_out_they_are_uniform_around_the_mean(tmp_path: Path) -> None:
    times = slept(tmp_path, 10_000, spread="1")
    assert min(times) == pytest.approx(1, abs=0.01)
    assert max(times) == pytest.approx(3, abs=0.01)
    assert statistics.fmean(times) == pytest.approx(2, abs=0.02)
    assert statistics.pstdev(times) == pytest.approx(2 / 12**0.5, rel=0.02)


def test_every_cell_has_the_same_sequence_and_every_process_its_own(tmp_path: Path) -> None:
    cells = [tmp_path / "one", tmp_path / "other"]
    for cell in cells:
        cell.mkdir()
    first, second = ([slept(cell, spread="1") for _ in range(3)] for cell in cells)
    assert first == second
    assert all(a[:5] != b[:5] for a, b in itertools.combinations(first, 2))
