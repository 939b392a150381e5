"""Whose CPU time it was: the counters that are read, and the shares made of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.measurement import cpu_time
from runner.measurement.agent import MachineGrowth
from runner.measurement.cpu_time import Moment, Observer, Used, between
from runner.measurement.resources import machine

GROWTH = MachineGrowth(wall_s=10.0, cpus=2, busy_s=5.0, steal_s=0.1, pressure_s=2.5)
USED = Used(wall_s=10.0, busy_s=5.0, pods_s=3.0, engine_s=0.4, runner_s=0.2)
POD = Path("usage")


def moment(
    at_s: float = 0.0, *, pods: dict[Path, float] | None = None, engine: dict[int, float] | None
) -> Moment:
    return Moment(
        at_s=at_s, busy_s=2 * at_s, pods=pods or {POD: at_s}, engine=engine or {}, runner_s=at_s
    )


def test_others_used_what_nobody_known_did() -> None:
    found = machine(GROWTH, USED)
    assert found.busy_share == pytest.approx(0.25)
    assert found.steal_share == pytest.approx(0.005)
    assert found.psi_some_share == pytest.approx(0.25)
    assert found.pods_cpu_share == pytest.approx(0.15)
    assert found.engine_cpu_share == pytest.approx(0.02)
    assert found.runner_cpu_share == pytest.approx(0.01)
    assert found.others_cpu_share == pytest.approx(0.07)


def test_what_is_not_known_is_none() -> None:
    unknown = GROWTH.model_copy(update={"steal_s": None, "pressure_s": None})
    found = machine(unknown, None)
    assert found.model_dump(exclude={"cpus", "busy_share"}, exclude_none=True) == {}


def test_ticks_never_make_a_negative_share() -> None:
    found = machine(GROWTH, Used(wall_s=1, busy_s=1, pods_s=1.01, engine_s=0, runner_s=0))
    assert found.others_cpu_share == 0


def test_between_two_moments() -> None:
    used = between(moment(1.0, engine={1: 1.0, 2: 2.0}), moment(4.0, engine={1: 1.5, 2: 2.0}))
    assert used == Used(wall_s=3.0, busy_s=6.0, pods_s=3.0, engine_s=0.5, runner_s=3.0)


def test_a_container_that_has_gone_took_along_what_it_used() -> None:
    before = moment(1.0, pods={POD: 1.0, Path("other"): 1.0}, engine={1: 1.0})
    assert between(before, moment(2.0, engine={1: 1.0})) is None
    assert between(None, moment(engine=None)) is None


def test_an_engines_process_that_has_gone_served_others() -> None:
    used = between(moment(1.0, engine={1: 1.0, 2: 9.0}), moment(2.0, engine={1: 1.25}))
    assert used
    assert used.engine_s == 0.25


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cpuacct/docker/c1/cpuacct.usage", "1500000000\n"),
        ("cpuacct/system.slice/docker-c1.scope/cpuacct.usage", "1500000000\n"),
        ("docker/c1/cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
        ("system.slice/docker-c1.scope/cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
    ],
)
def test_containers_are_found_in_every_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    monkeypatch.setattr(cpu_time, "_engine_processes", lambda: [os.getpid()])
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    observer = Observer(["c1", "elsewhere"], tmp_path)
    now = observer.now()
    assert now
    assert now.pods == {path: 1.5}
    assert now.engine[os.getpid()] > 0
    assert now.busy_s > 0
    assert now.runner_s > 0
    path.unlink()
    later = observer.now()
    assert later
    assert later.pods == {}


def test_an_engine_elsewhere_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_time, "_engine_processes", lambda: [os.getpid()])
    assert Observer(["c1"], tmp_path).now() is None
    (tmp_path / "docker" / "c1").mkdir(parents=True)
    (tmp_path / "docker" / "c1" / "cpu.stat").write_text("usage_usec 1\n")
    monkeypatch.setattr(cpu_time, "_engine_processes", list)
    assert Observer(["c1"], tmp_path).now() is None


def test_engine_processes_are_told_by_their_names(tmp_path: Path) -> None:
    names = {1: "systemd", 20: "dockerd", 300: "containerd", 4: "containerd-shim", 5: "python3"}
    for pid, name in names.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
    (tmp_path / "self").mkdir()
    assert sorted(cpu_time._engine_processes(tmp_path)) == [4, 20, 300]
    (tmp_path / "20" / "comm").unlink()
    assert cpu_time._engine_processes(tmp_path) == []


def test_a_process_that_has_gone_has_no_clock() -> None:
    assert cpu_time._process_s(2**22 + 1) is None
