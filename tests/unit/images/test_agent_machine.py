"""What the agent reads of the machine, from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runner.measurement.agent import MachineGrowth
from tests.support.loadgen import program

agent, processes = program("machine"), program("processes")
TICKS = os.sysconf("SC_CLK_TCK")
#: user nice system idle iowait irq softirq steal guest guest_nice, see proc(5)
STAT = "cpu  {user} 20 30 4000 500 60 7 {steal} 900 90\ncpu0 1\ncpu1 1\nintr 5 0\n"
PRESSURE = "some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=0.00 total=9\n"
BARE, VIRTUAL = "flags\t\t: fpu sse4_2\n", "processor: 0\nflags\t\t: fpu hypervisor sse4_2\n"


def machine(
    proc: Path, *, user: int = 1, steal: int = 8, cpuinfo: str = BARE, total: int | None = None
) -> Any:
    proc.joinpath("stat").write_text(STAT.format(user=user, steal=steal))
    proc.joinpath("cpuinfo").write_text(cpuinfo)
    if total is not None:
        proc.joinpath("pressure").mkdir(exist_ok=True)
        proc.joinpath("pressure", "cpu").write_text(PRESSURE.format(total=total))
    return agent.machine_counters(str(proc))


def test_busy_is_neither_idle_nor_waiting_nor_stolen_nor_counted_twice(tmp_path: Path) -> None:
    counters = machine(tmp_path, user=1, steal=8)
    assert counters["busy_s"] * TICKS == pytest.approx(1 + 20 + 30 + 60 + 7)
    assert counters["steal_s"] * TICKS == pytest.approx(8)
    assert counters["cpus"] == 2


@pytest.mark.parametrize(
    ("cpuinfo", "steal", "known"),
    [
        (BARE, 0, True),
        (VIRTUAL, 0, False),
        ("processor: 0\n", 0, False),  # a CPU without flags: it may be virtual
        (VIRTUAL, 1, True),
    ],
)
def test_steal_is_unknown_where_a_hypervisor_may_hide_it(
    tmp_path: Path, cpuinfo: str, steal: int, known: bool
) -> None:
    counters = machine(tmp_path, steal=steal, cpuinfo=cpuinfo)
    assert (counters["steal_s"] is not None) is known


def test_growth_is_what_was_counted_in_between(tmp_path: Path) -> None:
    before = machine(tmp_path, user=100, steal=8, total=5_000_000)
    growth = agent.machine_growth(before, machine(tmp_path, user=150, steal=9, total=5_250_000))
    read = MachineGrowth(**growth)
    assert read.busy_s * TICKS == pytest.approx(50)
    assert read.cpus == 2
    assert read.steal_s
    assert read.steal_s * TICKS == pytest.approx(1)
    assert read.pressure_s == pytest.approx(0.25)
    assert read.wall_s > 0


def test_pressure_that_the_kernel_does_not_count_is_unknown(tmp_path: Path) -> None:
    before = machine(tmp_path)
    assert before["pressure_s"] is None
    assert agent.machine_growth(before, machine(tmp_path))["pressure_s"] is None


@pytest.mark.parametrize("own", [None, "0 0 0\n"])
def test_a_wait_that_the_kernel_does_not_count_is_unknown(
    monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    whole = Path.read_text

    def read_text(path: Path, *arguments: Any) -> str:
        if path.name != "schedstat":
            return whole(path, *arguments)
        if own is None:
            raise FileNotFoundError(path)
        return own

    assert processes.run_delay_s("/proc/self") is not None
    monkeypatch.setattr(Path, "read_text", read_text)
    assert processes.run_delay_s("/proc/self") is None
    tasks = {"/proc/self": processes.task_counters("/proc/self")}
    assert processes.task_growth({}, tasks)["run_delay_s"] is None


def test_a_task_that_is_gone_waits_no_more() -> None:
    assert processes.run_delay_s("/proc/none") == 0


def test_the_canary_is_timed_by_both_clocks() -> None:
    timed = agent.canary({})
    assert timed.keys() == {"wall_ms", "cpu_ms"}
    assert all(value > 0 for value in timed.values())
