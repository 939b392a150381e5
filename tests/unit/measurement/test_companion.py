"""Several companions beside one server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from runner.contract import COMPANION_READY
from runner.engine.companions import CompanionPlan
from runner.engine.pod import Pod, PodPlan
from runner.engine.protocol import ContainerSpec, ContainerState, ExecResult
from runner.errors import EngineError
from runner.matrix.application import Healthcheck
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


# -- services --------------------------------------------------------------------------------------


def a_service(name: str = "db", **changes: object) -> CompanionPlan:
    fields = {"name": name, "image": name, "memory_bytes": 64 << 20, "hosts": (name,), **changes}
    return CompanionPlan(**fields)  # type: ignore[arg-type]


CHECK = Healthcheck(command=("check", "it"), interval_s=1, retries=3, start_period_s=2)


def test_a_check_is_asked_until_it_succeeds() -> None:
    asked: list[tuple[str, ...]] = []

    def behaviour(_: MemoryEngine, __: ContainerSpec, command: tuple[str, ...]) -> ExecResult:
        asked.append(command)
        return ExecResult(exit_code=0 if len(asked) == 8 else 1, stdout=b"", stderr=b"")

    clock = VirtualClock()
    with pod_of(MemoryEngine(behaviour), [a_service(healthcheck=CHECK)]) as pod:
        companion.wait_until_ready(pod, clock)
    assert asked == [("check", "it")] * 8
    assert clock.monotonic() == pytest.approx(7 * companion.POLL_S)


def test_a_check_that_goes_on_to_fail_is_told_with_what_it_says_and_the_log() -> None:
    def behaviour(_: MemoryEngine, __: ContainerSpec, ___: tuple[str, ...]) -> ExecResult:
        return ExecResult(exit_code=2, stdout=b"first\nnot yet\n", stderr=b"")

    engine, clock = MemoryEngine(behaviour), VirtualClock()
    with pod_of(engine, [a_service(healthcheck=CHECK)]) as pod:
        engine.containers[pod.companions["db"]].log = "starting\nrecovering\n"
        with pytest.raises(EngineError) as caught:
            companion.wait_until_ready(pod, clock)
    assert str(caught.value) == (
        "service 'db' did not become ready within 5 s: the check `check it` ended with status 2: "
        "not yet; its log ends with 'recovering'; `healthcheck: {retries: 6}` gives it longer, or "
        "correct the check"
    )
    assert 5 < clock.monotonic() < 5.5


def test_without_a_check_of_its_own_its_port_is_tried_in_the_pod() -> None:
    asked: list[object] = []

    def behaviour(_: MemoryEngine, spec: ContainerSpec, command: tuple[str, ...]) -> ExecResult:
        name, config = command[2], json.loads(command[3])
        asked.append((spec.image, name, config["port"]))
        answer = {"accepts": len(asked) == 3}
        return ExecResult(exit_code=0, stdout=json.dumps(answer).encode(), stderr=b"")

    with pod_of(MemoryEngine(behaviour), [a_service(healthcheck=Healthcheck(port=9))]) as pod:
        companion.wait_until_ready(pod, VirtualClock())
    assert asked == [("loadgen", "accepts", 9)] * 3


def test_one_starts_when_those_that_it_needs_are_ready() -> None:
    started: list[tuple[str, int]] = []
    answers = itertools.count()

    class Watched(MemoryEngine):
        def start(self, container: str) -> None:
            started.append((self.containers[container].spec.image, next(answers)))
            super().start(container)

    def behaviour(_: MemoryEngine, __: ContainerSpec, ___: tuple[str, ...]) -> ExecResult:
        return ExecResult(exit_code=0 if next(answers) > 5 else 1, stdout=b"", stderr=b"")

    plans = [a_service(healthcheck=CHECK), a_service("queue", after=("db",))]
    with pod_of(Watched(behaviour), plans) as pod:
        companion.wait_until_ready(pod, VirtualClock())
        assert set(pod.companions) == {"db", "queue"}
    assert started == [("loadgen", 0), ("db", 1), ("queue", 7)]


def test_one_that_counts_as_ready_once_it_runs_is_not_asked() -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, [a_service()]) as pod:
        companion.wait_until_ready(pod, VirtualClock())
    assert "exec" not in engine.calls


ENDED = ContainerState(running=False, exit_code=1, oom_killed=False)


@pytest.mark.parametrize(
    ("state", "log", "remedy"),
    [
        (replace(ENDED, oom_killed=True), "", "write `mem_limit: 128m`"),
        (replace(ENDED, exit_code=127), "sh: redis-sever: not found", "correct `command:`"),
        (ENDED, "You must specify POSTGRES_PASSWORD to a", "`environment: {POSTGRES_PASSWORD: …}`"),
        (ENDED, "one of MARIADB_ROOT_PASSWORD, M", "`environment: {MARIADB_ROOT_PASSWORD: …}`"),
        (ENDED, "can't open '/var/lib/x': Read-only file system", "the directory of /var/lib/x"),
        (ENDED, "mkdir: Read-only file system", "`tmpfs: [DIRECTORY]`"),
        (ENDED, "initdb: Operation not permitted", "runs as 7002:7002 without capabilities"),
        (ENDED, "bind: Address already in use", "another port by its `command:`"),
        (ENDED, "confused", "correct its `command:` or `environment:`"),
    ],
)
def test_one_that_ends_is_told_with_what_helps(
    state: ContainerState, log: str, remedy: str
) -> None:
    engine = MemoryEngine(silent)
    with pod_of(engine, [a_service(healthcheck=CHECK)]) as pod:
        container = engine.containers[pod.companions["db"]]
        container.log, container.state = log, state
        with pytest.raises(EngineError, match="service 'db' ended: ") as caught:
            companion.wait_until_ready(pod, VirtualClock())
    assert remedy in str(caught.value)


def test_a_check_whose_program_is_not_there_is_told_so() -> None:
    def behaviour(_: MemoryEngine, __: ContainerSpec, ___: tuple[str, ...]) -> ExecResult:
        return ExecResult(exit_code=127, stdout=b"", stderr=b"sh: curl: not found")

    with (
        pod_of(MemoryEngine(behaviour), [a_service(healthcheck=CHECK)]) as pod,
        pytest.raises(EngineError, match=r"curl: not found.*another `healthcheck:"),
    ):
        companion.wait_until_ready(pod, VirtualClock())


def test_one_that_ends_while_it_is_asked_has_ended() -> None:
    clock = VirtualClock()

    def behaviour(engine: MemoryEngine, _: ContainerSpec, __: tuple[str, ...]) -> ExecResult:
        engine.containers[pod.companions["db"]].state = ENDED
        clock.sleep(60)
        return ExecResult(exit_code=None, stdout=b"", stderr=b"")

    with (
        pod_of(MemoryEngine(behaviour), [a_service(healthcheck=CHECK)]) as pod,
        pytest.raises(EngineError, match="service 'db' ended: exit status 1"),
    ):
        companion.wait_until_ready(pod, clock)
