"""One launch on the in-memory engine: every way it can end, and what is left in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.engine.protocol import ContainerSpec, ContainerState, ExecResult
from runner.errors import EngineError
from runner.matrix.cell import Cell, Limits
from runner.measurement.job import LaunchResult
from runner.measurement.launch import SEEN_GONE, Launch
from runner.outcome import Outcome
from tests.support.memory_engine import MemoryEngine, MemoryProcess
from tests.support.simulated import (
    SimulatedPods,
    VirtualClock,
    a_cell,
    a_job,
    dead,
    packed,
    rate_file,
)

Answer = dict[str, Any]


def launch(pods: SimulatedPods, engine: MemoryEngine | None = None) -> LaunchResult:
    engine = engine or MemoryEngine(pods)
    made = Launch(engine, a_job(a_cell()), VirtualClock())
    try:
        made.start()
        made.load()
        return made.collect()
    finally:
        made.close()
        assert engine.containers == {}


def refused(kind: str) -> Callable[[Answer], Answer]:
    return lambda _: {"failed": kind, "reason": "as told"}


def ab(**changes: object) -> Callable[[Answer], Answer]:
    return lambda answer: {**answer, "ab": {**answer["ab"], **changes}}


def report(old: str, new: str) -> Callable[[Answer], Answer]:
    return lambda answer: ab(stdout=answer["ab"]["stdout"].replace(old, new))(answer)


def test_ok() -> None:
    record = launch(SimulatedPods()).record
    assert (record.outcome, record.reason, record.disturbed) == (Outcome.OK, None, None)
    assert record.configuration_rps == pytest.approx(49.0196)
    assert record.ab
    assert record.ab.requests_per_second == 50
    assert record.resources
    assert record.resources.cpu_ms_per_request == pytest.approx(0.1)
    assert record.resources.cpu_user_ms == pytest.approx(300)
    assert record.resources.peak_threads == 102


def test_serialised_cells_get_a_smaller_load() -> None:
    record = launch(SimulatedPods(serial=True)).record
    assert record.outcome is Outcome.SERIALISED
    assert record.requests == 120
    assert record.configuration_rps == pytest.approx(49.0196)


@pytest.mark.parametrize(
    ("pods", "outcome", "reason"),
    [
        (SimulatedPods(ready=refused("not-ready")), Outcome.HANG_AT_STARTUP, "as told"),
        (
            SimulatedPods(check=refused("first-not-answered")),
            Outcome.HANG_AT_FIRST_REQUEST,
            "as told",
        ),
        (SimulatedPods(check=refused("not-answered")), Outcome.HANG_UNDER_LOAD, "as told"),
        (SimulatedPods(check=refused("wrong-answer")), Outcome.WRONG_ANSWER, "as told"),
        (SimulatedPods(check=refused("broken-answer")), Outcome.FAILED_REQUESTS, "as told"),
        (
            SimulatedPods(calibrate=lambda a: {**a, "burst_answered": 0}),
            Outcome.HANG_UNDER_LOAD,
            "none of 5 requests sent at once was answered",
        ),
        (
            SimulatedPods(
                calibrate=lambda a: {**a, "burst_answered": 2, "burst_last_cpu_share": 1.0}
            ),
            Outcome.HANG_UNDER_LOAD,
            "2 of 5 requests sent at once were answered; it used 100 % of a CPU meanwhile",
        ),
        (
            SimulatedPods(load=ab(ending="stalled", exit_code=1, wall_s=120.0)),
            Outcome.HANG_UNDER_LOAD,
            "5,000 of 5,000 requests answered in 120 s, then no more",
        ),
        (
            SimulatedPods(load=ab(ending="late", exit_code=1)),
            Outcome.FAILED_REQUESTS,
            "too slow: 5,000 of 5,000 requests answered in 300 s; raise `limits.load`",
        ),
        (
            SimulatedPods(load=ab(exit_code=104, stdout="")),
            Outcome.FAILED_REQUESTS,
            "ab: connection reset by the server",
        ),
        (
            SimulatedPods(load=ab(stdout="nothing of use")),
            Outcome.FAILED_REQUESTS,
            "ab: exit status 0",
        ),
        (
            SimulatedPods(load=report("Failed requests:        0", "Failed requests:        2")),
            Outcome.FAILED_REQUESTS,
            "2 of 5,000 answers were not right: 2 empty or broken off",
        ),
        (
            SimulatedPods(load=report("Requests per", "Non-2xx responses:      9\nRequests per")),
            Outcome.FAILED_REQUESTS,
            "9 of 5,000 answers were not right: 9 empty or broken off",
        ),
        (
            SimulatedPods(load=report("requests:      5000", "requests:      4999")),
            Outcome.FAILED_REQUESTS,
            "4,999 of 5,000 requests complete",
        ),
    ],
)
def test_ends(pods: SimulatedPods, outcome: Outcome, reason: str) -> None:
    record = launch(pods).record
    assert record.outcome is outcome
    assert record.reason
    assert record.reason.startswith(reason)


# -- at a fixed rate -------------------------------------------------------------------------------

FIXED = replace(a_cell(), rate="45", load_s=60.0, requests=2700)


def at_a_rate(pods: SimulatedPods, cell: Cell = FIXED) -> LaunchResult:
    made = Launch(MemoryEngine(pods), a_job(cell), VirtualClock())
    made.start()
    made.load()
    made.close()
    return made.collect()


def file(old: str, new: str, times: int = -1) -> Callable[[Answer], Answer]:
    """The generator's file with something else in it."""
    text = rate_file(2700, 45, 2.0)
    assert old in text
    changed = text.replace(old, new, times)
    return lambda answer: {**answer, "requests_tsv_gz": packed(changed)}


def test_a_rate_that_the_server_keeps_up_with() -> None:
    told: list[Answer] = []

    class Pods(SimulatedPods):
        def _load(self, config: Answer) -> Answer:
            told.append(config)
            return super()._load(config)

    result = at_a_rate(Pods())
    record = result.record
    assert (record.outcome, record.disturbed) == (Outcome.OK, None)
    assert (told[0]["rate"], told[0]["requests"], told[0]["seed"]) == (45, 2700, 1)
    assert (record.requests, record.concurrency, record.configuration_rps) == (2700, None, 45)
    assert record.ab
    assert record.ab.requests_per_second == pytest.approx(45)
    assert (record.ab.p50_ms, record.ab.p99_ms, record.ab.complete) == (2000, 2000, 2700)
    assert record.rate
    assert record.rate.lag_p99_ms == pytest.approx(0.1)
    assert record.answers
    assert record.answers.right == 2700
    assert set(result.files) == {"requests.tsv.gz", "served.tsv.gz", "server.log"}


@pytest.mark.parametrize(
    ("load", "outcome", "reason"),
    [
        (
            ab(ending="stalled", wall_s=90.0),
            Outcome.HANG_UNDER_LOAD,
            "2,700 of 2,700 requests answered in 90 s, then no more",
        ),
        (ab(ending="late"), Outcome.FAILED_REQUESTS, "too slow: 2,700 of 2,700 requests"),
        (ab(ending="gone"), Outcome.CRASHED, "2,700 of 2,700 requests answered, then no process"),
        (
            file("200\t11\t", "\t\treset", 2),
            Outcome.FAILED_REQUESTS,
            "of 2,700 requests: 2 reset",
        ),
        (
            file("200\t11\t", "\t\tempty", 1),
            Outcome.FAILED_REQUESTS,
            "of 2,700 requests: 1 empty",
        ),
        (
            file("200\t11\t", "200\t12\t", 3),
            Outcome.FAILED_REQUESTS,
            "of 2,700 requests: 3 wrong length",
        ),
        (
            file("200\t11\t", "500\t2\t", 1),
            Outcome.FAILED_REQUESTS,
            "of 2,700 requests: 1 wrong status",
        ),
        (
            lambda a: ab(stderr="Traceback\nboom\n")({**a, "requests_tsv_gz": None}),
            Outcome.ENGINE_ERROR,
            "the load generator wrote nothing: boom",
        ),
        (file("due", "dew"), Outcome.ENGINE_ERROR, "the load generator: the requests' file"),
        (
            lambda a: {**a, "requests_tsv_gz": "AAAA"},
            Outcome.ENGINE_ERROR,
            "the load generator: the requests' file",
        ),
    ],
)
def test_ends_at_a_rate(load: Callable[[Answer], Answer], outcome: Outcome, reason: str) -> None:
    record = at_a_rate(SimulatedPods(load=load)).record
    assert record.outcome is outcome
    assert record.reason
    assert record.reason.startswith(reason)


def test_one_at_a_time_at_a_rate_is_serialised_and_its_load_is_cut() -> None:
    record = at_a_rate(SimulatedPods(serial=True)).record
    assert (record.outcome, record.requests) == (Outcome.SERIALISED, 120)
    assert record.ab
    assert record.ab.requests_per_second == pytest.approx(0.5, rel=0.01)
    assert record.ab.max_ms == pytest.approx(240_000, rel=0.02)


def test_a_rate_that_one_at_a_time_can_do_is_no_limit() -> None:
    """A request every four seconds, and each takes two."""
    few = replace(FIXED, rate="0.25", requests=15)
    assert at_a_rate(SimulatedPods(serial=True), few).record.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("exit_code", "oom", "outcome", "reason"),
    [
        (1, False, Outcome.CRASHED, "exit status 1: boom"),
        (139, False, Outcome.CRASHED, "killed by SIGSEGV: boom"),
        (81, False, Outcome.IMPORT_ERROR, "boom"),
        (0, True, Outcome.OOM_KILLED, "killed by the kernel"),
        (137, True, Outcome.OOM_KILLED, "killed by the kernel"),
    ],
)
@pytest.mark.parametrize("step", ["ready", "check", "calibrate", "load"])
def test_the_server_dies(
    exit_code: int, oom: bool, outcome: Outcome, reason: str, step: str
) -> None:
    pods = SimulatedPods()
    engine = MemoryEngine(pods)

    def die(answer: Answer) -> Answer:
        dead(engine, exit_code, log="first\nboom\n\n", oom=oom)
        return {"failed": "server-gone", "reason": "gone"} if step != "load" else answer

    setattr(pods, step, die)
    record = launch(pods, engine).record
    assert record.outcome is outcome
    assert record.reason
    assert record.reason.startswith(reason)


def test_a_stalled_load_shows_the_sockets_as_they_were_then() -> None:
    """When the agent has answered, `ab` has closed its ends of them."""
    heading = "  sl  local_address rem_address   st tx_queue rx_queue\n"
    client = "0: 0100007F:A1B2 0100007F:1E63 02 00000001:00000000 01:00000064 00000003 7000"
    tcp = f"{heading}{client}\n"
    result = launch(SimulatedPods(load=ab(ending="stalled", exit_code=1, tcp=tcp)))
    assert b"SYN_SENT     127.0.0.1:41394" in result.files["sockets.txt"]


def test_hangs_leave_stacks_and_sockets() -> None:
    result = launch(SimulatedPods(ready=refused("not-ready")))
    assert result.files["stacks.txt"] == b"SIGUSR1\n"
    assert b"TIME_WAIT" in result.files["sockets.txt"]


@pytest.mark.parametrize("call", ["create", "start", "attach"])
def test_an_engine_that_fails(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> ExecResult:
        raise EngineError("no space left on device")

    monkeypatch.setattr(MemoryEngine, call, fail)
    record = launch(SimulatedPods()).record
    assert record.outcome is Outcome.ENGINE_ERROR
    assert record.reason == "no space left on device"


def test_what_a_timed_out_create_made_unseen_is_removed() -> None:
    engine = MemoryEngine(SimulatedPods())
    create = engine.create

    def create_and_time_out(spec: ContainerSpec) -> str:
        container = create(spec)
        if spec.joins:
            raise EngineError("timed out")
        return container

    engine.create = create_and_time_out  # type: ignore[method-assign]
    assert launch(SimulatedPods(), engine).record.outcome is Outcome.ENGINE_ERROR


def test_the_agent_is_hung_up_on_before_its_pod_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(MemoryProcess, "close", lambda _: calls.append("close"))
    monkeypatch.setattr(MemoryEngine, "remove", lambda *_: calls.append("remove"))
    made = Launch(MemoryEngine(SimulatedPods()), a_job(a_cell()), VirtualClock())
    made.start()
    made.close()
    assert calls == ["close", "remove", "remove"]


def test_a_launch_closed_while_it_starts_leaves_nothing() -> None:
    pods = SimulatedPods()
    engine = MemoryEngine(pods)
    made = Launch(engine, a_job(a_cell(), limits=Limits()), VirtualClock())
    made.close()
    made.start()
    assert engine.containers == {}
    assert pods.events == []


class LateEngine(MemoryEngine):
    """An engine that sees the end of a server some calls after it ended."""

    unseen = 3

    def state(self, container: str) -> ContainerState:
        state = super().state(container)
        if state.running or not self.unseen:
            return state
        self.unseen -= 1
        return replace(state, running=True)


@pytest.mark.parametrize("failed", sorted(SEEN_GONE))
@pytest.mark.parametrize("step", ["ready", "check", "calibrate", "load"])
def test_the_engine_may_see_the_servers_end_later_than_the_agent(step: str, failed: str) -> None:
    def ends(answer: Answer) -> Answer:
        dead(engine, 139)
        if step == "load" and failed == "broken-answer":
            return ab(exit_code=104)(answer)
        if step == "load":
            return {**answer, "server_alive": False}
        return {"failed": failed, "reason": "the server's process ended"}

    pods = {
        "ready": SimulatedPods(ready=ends),
        "check": SimulatedPods(check=ends),
        "calibrate": SimulatedPods(calibrate=ends),
        "load": SimulatedPods(load=ends),
    }[step]
    engine = LateEngine(pods)
    record = launch(pods, engine).record
    assert record.outcome is Outcome.CRASHED
    assert record.reason
    assert "SIGSEGV" in record.reason


def snapshot(**changes: object) -> Callable[[Answer], Answer]:
    return lambda answer: {**answer, "before": {**answer["before"], **changes}}


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        (SimulatedPods(ready=lambda _: 5), "answered no JSON object: 5"),  # type: ignore[arg-type,return-value]
        (SimulatedPods(check=lambda a: {**a, "lone_s": float("nan")}), "lone_s is beyond all"),
        (SimulatedPods(calibrate=lambda a: {**a, "factor": 10**400}), "factor"),
        (SimulatedPods(load=snapshot(rss_kib=2**64)), "rss_kib is beyond all measure"),
        (SimulatedPods(load=snapshot(network={"ListenDrops": 0})), "before.network"),
        (SimulatedPods(load=ab(wall_s=0)), "ab.wall_s"),
        (
            SimulatedPods(load=lambda a: {**a, "machine": {**a["machine"], "cpus": 0}}),
            "machine.cpus",
        ),
        (SimulatedPods(load=lambda a: {**a, "requests_tsv_gz": "x"}), "cannot be read"),
        (SimulatedPods(load=ab(stdout="\ud800")), "cannot be read"),
    ],
)
def test_an_answer_that_cannot_be_is_an_engine_error(pods: SimulatedPods, reason: str) -> None:
    record = launch(pods).record
    assert record.outcome is Outcome.ENGINE_ERROR
    assert reason in (record.reason or "")


def nested(_engine: MemoryEngine, _spec: ContainerSpec, command: tuple[str, ...]) -> ExecResult:
    return ExecResult(exit_code=0, stdout=b"[" * 100_000, stderr=b"")


def test_an_answer_that_is_nested_too_deep() -> None:
    made = Launch(MemoryEngine(nested), a_job(a_cell()), VirtualClock())
    made.start()
    assert made.verdict
    assert made.verdict[0] is Outcome.ENGINE_ERROR
    assert "answered no JSON object" in (made.verdict[1] or "")
    made.close()
