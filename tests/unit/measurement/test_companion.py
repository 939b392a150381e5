"""Several companions beside one server."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from runner.contract import COMPANION_READY
from runner.engine.companions import CompanionPlan
from runner.engine.pod import Pod, PodPlan
from runner.errors import EngineError
from runner.matrix.cell import Limits
from runner.measurement import companion, evidence
from tests.support.memory_engine import MemoryEngine, silent
from tests.support.simulated import VirtualClock

NAMES = ("grpc", "http")


def of_kinds(*names: str) -> list[CompanionPlan]:
    return [CompanionPlan(name=n, image=n, memory_bytes=1, kind=n) for n in names]


def pod_of(engine: MemoryEngine, plans: Iterable[CompanionPlan]) -> Pod:
    plan = PodPlan(
        run="run",
        cell="cell",
        server_image="server",
        loadgen_image="loadgen",
        limits=Limits(),
        companions=tuple(plans),
    )
    return Pod(engine, plan)


def test_all_of_them_must_be_ready() -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, of_kinds(*NAMES)) as pod:
        engine.containers[pod.companions["grpc"]].log = f"{COMPANION_READY}\n"
        with pytest.raises(
            EngineError, match=r"'http' did not become ready within 30 s: it printed nothing$"
        ):
            companion.wait_until_ready(pod, VirtualClock())
        engine.containers[pod.companions["http"]].log = f"{COMPANION_READY}\n"
        companion.wait_until_ready(pod, VirtualClock())


def test_each_that_ends_is_told_by_name() -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, of_kinds(*NAMES)) as pod:
        companion.refuse_dead(pod)
        engine.kill(pod.companions["http"])
        with pytest.raises(EngineError, match="the companion 'http' ended: killed by SIGKILL"):
            companion.refuse_dead(pod)


def test_each_has_a_log_under_the_name_that_the_application_has_for_it() -> None:
    engine = MemoryEngine(silent)
    plans = [
        CompanionPlan(name=name, image="x", memory_bytes=1, hosts=(name,))
        for name in ("db", "server")
    ]
    with pod_of(engine, plans) as pod, pod_of(engine, of_kinds("grpc")) as other:
        for name, container in {**pod.companions, **other.companions}.items():
            engine.containers[container].log = f"{name} listens\n"
        assert evidence.companion_logs(other) == {"companion.log": b"grpc listens\n"}
        assert evidence.companion_logs(pod) == {
            "db.log": b"db listens\n",
            "service-server.log": b"server listens\n",
        }


def test_one_that_was_made_unseen_is_removed() -> None:
    """As by a call that timed out, after the engine had made the container."""

    class Slow(MemoryEngine):
        def create(self, spec: object) -> str:
            made = super().create(spec)  # type: ignore[arg-type]
            if self.containers[made].spec.name.endswith("-companion-http"):
                raise EngineError("timed out")
            return made

    engine = Slow(silent)
    with pytest.raises(EngineError, match="timed out"), pod_of(engine, of_kinds(*NAMES)):
        pass
    assert engine.containers == {}
