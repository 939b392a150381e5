"""One launch: a cell's pod started, checked, loaded once, and removed whatever happened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

from runner.application.secret_values import Secrets
from runner.engine.pod import Pod
from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.matrix.ceiling import configuration_of
from runner.matrix.cell import Cell
from runner.measurement import ab, agent, companion, evidence, explanation, verdict
from runner.measurement.agent import CalibrateReply, CheckReply, ReadyReply, Refusal
from runner.measurement.clock import Clock
from runner.measurement.cpu_time import Used
from runner.measurement.forecast import Forecast
from runner.measurement.headers import HeaderFailedError, printed_values
from runner.measurement.job import Job, LaunchResult, pod_plan
from runner.measurement.load import (
    LONE_REPEATS,
    SHORT_REQUEST_S,
    Load,
    burst_size,
    calibration,
)
from runner.measurement.loaded import Loaded, read_load
from runner.measurement.records import Canary, LaunchRecord, Placement
from runner.measurement.resources import disturbance, machine, used
from runner.measurement.server_log import exceptions, ignored
from runner.outcome import Kind, Outcome

#: How long the engine may take to see that a process has ended which the agent misses already.
EXIT_SEEN_WITHIN_S, EXIT_POLL_S = 5.0, 0.05
#: What the agent calls a server whose processes are gone, and an answer that breaks off: gunicorn
#: accepts connections before its workers have loaded the application, and ends when they cannot.
SEEN_GONE = frozenset({"server-gone", "broken-answer"})
#: What the runner adds to the agent's own deadlines before it gives up on the engine, in seconds.
ENGINE_GRACE_S = 30.0

ReplyT = TypeVar("ReplyT", ReadyReply, CheckReply, CalibrateReply)


class LaunchEndedError(Exception):
    """The launch is over before its load was accepted."""

    def __init__(self, outcome: Outcome, reason: str | None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Launch:
    """Made in steps, so that many are up and checked before the first is loaded.

    `bring_up` starts the pod, `await_ready` waits until its server accepts connections, `check`
    verifies and `calibrate` calibrates it, `load` loads it, `collect` takes the evidence and
    returns the result, `close` removes the pod and is called always. A launch that ended early
    skips what is left.
    """

    def __init__(self, engine: Engine, job: Job, clock: Clock) -> None:
        self.job = job
        self.clock = clock
        self.engine = engine
        self.verdict: verdict.Verdict | None = None
        self.startup_s: float | None = None
        self.checked: CheckReply | None = None
        self.calibrated: CalibrateReply | None = None
        self.sent: Load | None = None
        self.loaded: Loaded | None = None
        self.tracebacks: int | None = None
        self.throttled_s: float | None = None
        self.placement: Placement | None = None
        self.canary: Canary | None = None
        self.cpu_used: Used | None = None
        self.why: str | None = None
        self.files: dict[str, bytes] = {}
        self.printed: Mapping[str, str] = {}
        self._pod: Pod | None = None
        self._resources = ExitStack()
        self.closed = False
        self._began = clock.monotonic()
        self._started_at = clock.now()

    # -- the steps ---------------------------------------------------------------------------------

    def start(self) -> None:
        """All that comes before the load."""
        self.bring_up()
        self.await_ready()
        self.check()
        self.calibrate()

    def bring_up(self) -> None:
        """Start the pod: sidecar, companions (until they answer), server."""
        self._began, self._started_at = self.clock.monotonic(), self.clock.now()
        self._guarded(self._bring_up)

    def await_ready(self) -> None:
        """Wait until the server accepts connections, or `limits.startup` is over."""
        self._guarded(self._await_ready)

    def check(self) -> None:
        """Verify the server's answer."""
        self._guarded(self._check)

    def calibrate(self) -> None:
        """Find out how many requests the server takes at once, and what one costs."""
        self._guarded(self._calibrate)

    def load(self) -> None:
        """Load the server."""
        self._guarded(self._load)

    def collect(self) -> LaunchResult:
        """Take the evidence and return what came of the launch."""
        self._attempt(self._take_evidence)
        secrets = self.job.asked.secrets(self.printed)
        files = evidence.masked(self.files, secrets)
        return LaunchResult(record=self._record(secrets), files=files)

    def close(self) -> None:
        """Remove the pod, whatever state it is in; an `EngineError` says what could not be.

        A pod that another thread is still bringing up is removed by that thread.
        """
        self.closed = True
        self._resources.close()

    @property
    def forecast(self) -> Forecast:
        """What is known of the load to come."""
        return Forecast(job=self.job, checked=self.checked, calibrated=self.calibrated)

    @property
    def cpu_share(self) -> float | None:
        """CPUs that server and load generator will keep busy, None before calibration."""
        return self.forecast.cpu_share

    @property
    def service_s(self) -> float:
        """How long one request takes when it is alone, in seconds."""
        return self.forecast.service_s

    @property
    def failed_for_engine(self) -> bool:
        """Whether the engine, not the cell, ended the launch."""
        return self.verdict is not None and self.verdict[0] is Outcome.ENGINE_ERROR

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step, unless the launch has ended already."""
        if self.verdict is None:
            self._attempt(step)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Take a step; what ends the launch is its verdict."""
        try:
            step()
        except LaunchEndedError as end:
            self.verdict = (end.outcome, end.reason)
        except EngineError as error:
            self.verdict = self._after_engine_error(error)

    def _after_engine_error(self, error: EngineError) -> verdict.Verdict:
        """An engine call that failed because the server is gone is the server's own ending.

        Not where the sidecar is gone too: the pod's processes end with it.
        """
        try:
            if self._pod and self._pod.server and self._pod.loadgen_state().running:
                state = self._pod.server_state()
                if not state.running and (state.oom_killed or state.exit_code):
                    return verdict.of_exit(state, evidence.server_log(self._pod))
        except EngineError as second:
            return Outcome.ENGINE_ERROR, str(second)
        return Outcome.ENGINE_ERROR, str(error)

    def _bring_up(self) -> None:
        if self.closed:
            raise LaunchEndedError(Outcome.ENGINE_ERROR, "interrupted")
        self._pod = Pod(self.engine, pod_plan(self.job))
        self._resources.enter_context(self._pod)
        if self.closed:
            self.close()
            raise LaunchEndedError(Outcome.ENGINE_ERROR, "interrupted")
        companion.wait_until_ready(self._pod, self.clock)
        self._pod.start_server()

    @property
    def asked(self) -> dict[str, Any]:
        """What the agent is told of the request and its right answer."""
        return self.job.asked.config(self.printed)

    @property
    def pod(self) -> Pod:
        """The pod, once it was brought up."""
        if self._pod is None:
            raise EngineError("the pod was not brought up")
        return self._pod

    def placed(self, group: int, group_size: int, start_offset_s: float) -> None:
        """Note beside how many it is loaded, and when its load begins."""
        self.placement = Placement(
            position=self.job.position,
            wave=self.job.wave,
            group=group,
            group_size=group_size,
            start_offset_s=start_offset_s,
        )

    def time_canary(self) -> Canary | None:
        """Time the canary in its sidecar."""
        return agent.canary(self.pod)

    @property
    def containers(self) -> list[str]:
        """The ids of the pod's containers, none before it was brought up."""
        return self._pod.containers if self._pod else []

    def _await_ready(self) -> None:
        startup_s, before_s = self.job.limits.startup_s, self.job.before_s
        config = {"startup_s": startup_s, "before_s": before_s}
        reply = agent.ready(self.pod, config, before_s + startup_s + ENGINE_GRACE_S)
        self.startup_s = self._accepted(reply).ready_s
        try:
            by_ab = not self.job.cell.rate
            self.printed = printed_values(self.pod, self.job.asked, by_ab=by_ab)
        except HeaderFailedError as error:
            self._end_if_gone(self.pod)
            raise LaunchEndedError(Outcome.BEFORE_FAILED, str(error)) from None

    def _check(self) -> None:
        cell, limits = self.job.cell, self.job.limits
        service_s = cell.workload.service_s or 0.0
        config = {
            **self.asked,
            "startup_s": limits.startup_s,
            "service_s": service_s,
            "spread_s": cell.workload.spread_s,
            "lone_repeats": LONE_REPEATS if service_s < SHORT_REQUEST_S else 0,
        }
        longest_s = (1 + LONE_REPEATS) * (limits.startup_s + service_s)
        self.checked = self._accepted(agent.check(self.pod, config, longest_s + ENGINE_GRACE_S))

    def _calibrate(self) -> None:
        cell, sent = self.job.cell, burst_size(self.job.cell)
        if sent == 1:
            return  # a burst of one says nothing
        config, longest_s = calibration(cell, self.service_s)
        told = {**self.asked, **config}
        reply = self._accepted(agent.calibrate(self.pod, told, longest_s + ENGINE_GRACE_S))
        if hangs := verdict.of_burst(reply, sent):
            self._end_if_gone(self.pod)
            raise LaunchEndedError(*hangs)
        self.calibrated = reply

    def _accepted(self, reply: ReplyT | Refusal) -> ReplyT:
        """An answer of the agent that is none of its refusals, each of which ends the launch."""
        if isinstance(reply, Refusal):
            self._end_if_gone(self.pod, seen_gone=reply.failed in SEEN_GONE)
            log, request = evidence.server_log(self.pod), self.job.asked.request
            raise LaunchEndedError(*verdict.of_refusal(reply, log, request))
        return reply

    def _end_if_gone(self, pod: Pod, *, seen_gone: bool = False) -> None:
        """End the launch if a container has exited.

        A dead server decides the outcome; a dead companion makes it an engine error, because it
        says nothing about the server. Where the agent has `seen_gone` its process, the engine is
        given time to see it too.
        """
        deadline = self.clock.monotonic() + (EXIT_SEEN_WITHIN_S if seen_gone else 0.0)
        while True:
            companion.refuse_dead(pod)
            state = pod.server_state()
            if not state.running or state.oom_killed:
                raise LaunchEndedError(*verdict.of_exit(state, evidence.server_log(pod)))
            if self.clock.monotonic() >= deadline:
                return
            self.clock.sleep(EXIT_POLL_S)

    def to_send(self) -> Load:
        """The load that is sent."""
        return self.forecast.load()

    def _load(self) -> None:
        load = self.sent = self.to_send()
        config = {
            **self.asked,
            "requests": load.requests,
            "concurrency": load.concurrency,
            "deadline_s": load.deadline_s,
            "limit_s": load.limit_s,
            "stall_s": load.stall_s,
            "silence_s": load.silence_s,
        }
        if load.rate:
            # The same moments for every cell of a round.
            config |= {"rate": load.rate, "seed": self.job.number}
        # Of what is sampled, two requests may be answered after the load.
        sampling_s = 0.0 if self.job.asked.has_fixed_length else 2 * load.silence_s
        longest_s = load.limit_s + sampling_s
        reply = agent.load(self.pod, config, longest_s + ENGINE_GRACE_S)
        if isinstance(reply, Refusal):
            raise EngineError(reply.reason)
        self.throttled_s = self.pod.server_throttled_s()
        self.loaded = read_load(
            reply,
            load,
            opening=self.job.opening,
            set_up=self.job.cell.server_limit,
            lone_s=self.checked.service_s if self.checked else None,
            asked=self.job.asked,
        )
        self.files |= self.loaded.files
        # A process that dumps its core still lives, with its connections gone.
        lost = reply.ab.exit_code in ab.EXIT_REASONS
        self._end_if_gone(self.pod, seen_gone=lost or not reply.server_alive)
        self.verdict = verdict.of_load(self.loaded, lambda: evidence.server_log(self.pod))

    # -- the end -----------------------------------------------------------------------------------

    def _take_evidence(self) -> None:
        if self._pod is None or self.verdict is None:
            return
        outcome, reason = self.verdict
        if not outcome.has_figures:
            with contextlib.suppress(EngineError):
                self.files |= evidence.companion_logs(self._pod)
        if not self._pod.server:
            return
        if outcome.kind is Kind.HANG:
            tcp = self.loaded.reply.ab.tcp if self.loaded else None
            found, frame = evidence.of_hang(self._pod, self.clock, tcp)
            self.files |= found
            self.verdict = outcome, f"{reason}; {frame}" if frame else reason
        log = evidence.server_log(self._pod)
        if outcome.is_failure and evidence.ran_out_of_memory(self._pod, log):
            self.verdict = verdict.OUT_OF_MEMORY
        elif outcome.is_failure and self.job.own:
            self.verdict = verdict.with_remedy(self.verdict, log, self.job.own.left_out)
        self.files[evidence.SERVER_LOG] = log.encode()
        self.tracebacks = sum(1 for _ in (*exceptions(log), *ignored(log)))
        self.why = explanation.of_launch(self, self._pod, self.verdict[0], log)

    def _record(self, secrets: Secrets) -> LaunchRecord:
        outcome, reason = self.verdict or (Outcome.ENGINE_ERROR, "the launch was not loaded")
        cell, load, checked = self.job.cell, self.sent, self.checked
        loaded, lone_s = self.loaded, self.forecast.ceiling_lone_s
        sampled = verdict.samples(loaded) if loaded else None
        wall_s = self.clock.monotonic() - self._began
        record = LaunchRecord(
            cell=cell.id,
            launch=self.job.number,
            outcome=outcome,
            reason=reason and secrets.mask(reason),
            why=self.why and secrets.mask(self.why),
            started_at=self._started_at.isoformat(timespec="seconds"),
            requests=load.requests if load else cell.requests,
            concurrency=_concurrency(cell, load),
            configuration_rps=configuration_of(cell, self.job.opening, lone_s),
            ceiling_lone_ms=None if lone_s is None else lone_s * 1000,
            startup_s=self.startup_s,
            lone_request_ms=checked.lone_s * 1000 if checked else None,
            concurrency_factor=self.calibrated.factor if self.calibrated else None,
            in_step=cell.is_in_step,
            ab=loaded.figures if loaded else None,
            rate=loaded.rate if loaded else None,
            served=loaded.seen if loaded else None,
            answers=loaded.answers if loaded else None,
            samples=sampled and sampled.masked(secrets.mask),
            effects=checked.effects if checked else None,
            tracebacks=self.tracebacks,
            resources=used(loaded.reply, loaded.figures, self.throttled_s) if loaded else None,
            machine=machine(loaded.reply.machine, self.cpu_used) if loaded else None,
            canary_before=self.canary,
            placement=self.placement,
            attempt=self.job.attempt,
            wall_s=wall_s,
            overhead_s=wall_s - loaded.reply.ab.wall_s if loaded else None,
        )
        return record.model_copy(update={"disturbed": disturbance(record)})


def _concurrency(cell: Cell, load: Load | None) -> int | None:
    """How many clients were to send, None at a fixed rate."""
    if cell.rate:
        return None
    return load.concurrency if load else cell.concurrency
