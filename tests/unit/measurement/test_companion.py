"""Several companions beside one server."""

from __future__ import annotations

import pytest

from runner.contract import COMPANION_READY
from runner.engine.pod import CompanionPlan, Pod, PodPlan
from runner.errors import EngineError
from runner.matrix.cell import Limits
from runner.measurement import companion, evidence
from tests.support.memory_engine import MemoryEngine, silent
from tests.support.simulated import VirtualClock

NAMES = ("grpc", "http")


def pod_of(engine: MemoryEngine, *names: str) -> Pod:
    plan = PodPlan(
        run="run",
        cell="cell",
        server_image="server",
        loadgen_image="loadgen",
        limits=Limits(),
        companions=tuple(CompanionPlan(name=n, image=n, memory_bytes=1) for n in names),
    )
    return Pod(engine, plan)


def test_all_of_them_must_be_ready() -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, *NAMES) as pod:
        engine.containers[pod.companions["grpc"]].log = f"{COMPANION_READY}\n"
        with pytest.raises(EngineError, match="'http' did not become ready: it printed nothing"):
            companion.wait_until_ready(pod, VirtualClock())
        engine.containers[pod.companions["http"]].log = f"{COMPANION_READY}\n"
        companion.wait_until_ready(pod, VirtualClock())


def test_each_that_ends_is_told_by_name() -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, *NAMES) as pod:
        companion.refuse_dead(pod)
        engine.kill(pod.companions["http"])
        with pytest.raises(EngineError, match="the companion 'http' ended: killed by SIGKILL"):
            companion.refuse_dead(pod)


def test_the_log_of_one_is_as_it_is_and_those_of_several_have_names() -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, *NAMES) as pod, pod_of(engine, "grpc") as other:
        for one in (*pod.companions.values(), *other.companions.values()):
            engine.containers[one].log = "listening\n"
        assert evidence.companion_logs(other) == "listening\n"
        assert evidence.companion_logs(pod) == ("-- grpc --\nlistening\n-- http --\nlistening\n")


def test_one_that_was_made_unseen_is_removed() -> None:
    """As by a call that timed out, after the engine had made the container."""

    class Slow(MemoryEngine):
        def create(self, spec: object) -> str:
            made = super().create(spec)  # type: ignore[arg-type]
            if self.containers[made].spec.name.endswith("-companion-http"):
                raise EngineError("timed out")
            return made

    engine = Slow(silent)
    with pytest.raises(EngineError, match="timed out"), pod_of(engine, *NAMES):
        pass
    assert engine.containers == {}
