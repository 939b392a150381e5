from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from runner.engine import ownership
from runner.engine.pod import loadgen_spec
from runner.engine.protocol import ContainerSpec
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods


@pytest.fixture
def dead() -> str:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ownership.identity(process.pid)
    assert ownership.is_alive(identity)
    process.communicate(b"\n")
    return identity


def test_this_process_is_alive() -> None:
    assert ownership.is_alive(ownership.identity())


def test_an_ended_process_is_not(dead: str) -> None:
    assert not ownership.is_alive(dead)


def test_a_pid_that_came_round_again_is_another_process() -> None:
    pid, start, boot = ownership.identity().split(":")
    assert not ownership.is_alive(f"{pid}:{int(start) + 1}:{boot}")
    assert not ownership.is_alive(f"{pid}:{start}:another-boot")


@pytest.mark.parametrize("owner", ["", "nonsense", "1", "-1:2:3", "99999999:None:x"])
def test_an_owner_nobody_wrote_is_not_alive(owner: str) -> None:
    assert not ownership.is_alive(owner)


def test_orphans_are_of_this_host(dead: str) -> None:
    labels = ownership.owner_labels("run", "cell", "pod")
    assert not ownership.is_orphan(labels)
    assert ownership.is_orphan(labels | {ownership.OWNER_LABEL: dead})
    elsewhere = {ownership.HOST_LABEL: "elsewhere", ownership.OWNER_LABEL: dead}
    assert not ownership.is_orphan(labels | elsewhere)


def test_sweeping_and_ending_a_run(dead: str) -> None:
    engine = MemoryEngine(SimulatedPods())
    for run in ("mine", "other"):
        labels = ownership.owner_labels(run, "cell", "pod")
        engine.create(loadgen_spec("image", run, labels))
    orphan = ownership.owner_labels("old", "cell", "pod") | {ownership.OWNER_LABEL: dead}
    engine.create(loadgen_spec("image", "orphan", orphan))
    assert [c.name for c in ownership.sweep(engine)] == ["orphan-loadgen"]
    ownership.remove_run(engine, "mine")
    assert [c.name for c in engine.owned()] == ["other-loadgen"]


def a_pod(engine: MemoryEngine, labels: Mapping[str, str]) -> None:
    """A sidecar and a server that shares its namespaces, in the order of their start."""
    sidecar = engine.create(loadgen_spec("image", "pod", labels))
    engine.start(sidecar)
    spec = ContainerSpec(name="pod-server", image="i", user="u", joins=sidecar, labels=labels)
    engine.create(spec)


def test_those_who_joined_are_removed_before_the_one_they_joined(dead: str) -> None:
    engine = MemoryEngine(SimulatedPods())
    labels = ownership.owner_labels("run", "cell", "pod")
    a_pod(engine, labels)
    ownership.remove_run(engine, "run")
    assert engine.owned() == []
    a_pod(engine, labels | {ownership.OWNER_LABEL: dead})
    assert [c.name for c in ownership.sweep(engine)] == ["pod-server", "pod-loadgen"]


def test_a_run_that_another_process_began_in_the_same_second_is_left_alone() -> None:
    engine = MemoryEngine(SimulatedPods())
    labels = ownership.owner_labels("run", "cell", "pod")
    theirs = labels | {ownership.OWNER_LABEL: ownership.identity(os.getppid())}
    engine.create(loadgen_spec("image", "ours", labels))
    engine.create(loadgen_spec("image", "theirs", theirs))
    ownership.remove_run(engine, "run")
    assert [c.name for c in engine.owned()] == ["theirs-loadgen"]


def test_processes_that_are_not_there() -> None:
    assert ownership.process_start(2**22 + 1) is None
    assert ownership.process_start(os.getpid())
