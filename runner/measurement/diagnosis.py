"""A launch beside the measured ones that finds out what blocks the event loop.

It is loaded as its cell is, for some seconds only: gevent's monitor thread changes what it costs,
so nothing of it is a figure.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from runner.engine.protocol import Engine
from runner.errors import EngineError
from runner.measurement import agent, evidence
from runner.measurement.blocks import BlocksReply, Told, blocks_of
from runner.measurement.clock import Clock
from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.explanation import facts_of
from runner.measurement.forecast import Forecast
from runner.measurement.job import Job, LaunchResult
from runner.measurement.launch import Launch
from runner.measurement.load import FEWEST_REQUESTS, Load
from runner.measurement.records import LaunchRecord
from runner.measurement.why import places
from runner.measurement.why.facts import Facts
from runner.measurement.why.findings import library_of, wait_of
from runner.measurement.why.seen import Look, Seen, Stack
from runner.outcome import Outcome

#: A load is cut to about so many seconds: what blocks a loop does so in each request.
LOAD_S = 10.0
#: How long the agent may take to answer, in seconds.
ANSWER_S = 30.0
NO_LOOP = "no event loop of gevent ran in the server's main thread"


class DiagnosticLaunch(Launch):
    """A launch with gevent's monitor thread; `diagnosis` is what a collected one found."""

    def __init__(self, engine: Engine, job: Job, clock: Clock) -> None:
        super().__init__(engine, replace(job, diagnosed=True), clock)
        self._since_ns = 0
        self._reply = BlocksReply(asked_ns=0)
        self._distributions = Seen()
        self._log = ""

    def to_send(self) -> Load:
        """As much of the load as can be sent in some seconds."""
        return shortened(self.forecast)

    def _load(self) -> None:
        self._since_ns = agent.blocks(self.pod, 0, ANSWER_S).asked_ns
        super()._load()

    def _take_evidence(self) -> None:
        if self._pod is None or self.verdict is None or not self._pod.server:
            return
        with contextlib.suppress(EngineError):  # a sidecar that is gone
            self._reply = agent.blocks(self._pod, self._since_ns, ANSWER_S)
        if any(watched.samples for watched in self._reply.watched):
            with contextlib.suppress(EngineError):
                config = {**self.asked, "clients": 0, "seconds": 0.0}
                self._distributions = agent.stacks(self._pod, config, ANSWER_S)
        self._log = evidence.server_log(self._pod)
        self.files = {evidence.SERVER_LOG: self._log.encode()}

    def diagnosis(self, result: LaunchResult) -> DiagnosisRecord:
        """What was found, with its texts masked as those of the result are."""
        launch, reply = result.record, self._reply
        facts = facts_of(self, launch.outcome, self._distributions, self._log)
        hidden = self.job.asked.secrets(self.printed)
        watched = [one for one in reply.watched if one.gevent and not one.error]
        errors = [one.error for one in reply.watched if one.error]

        def tell(stack: Stack, machine: str) -> Told:
            one = told(facts, stack, machine)
            where = one.where and hidden.mask(one.where)
            return Told(place=one.place, what=hidden.mask(one.what), where=where)

        found = blocks_of(reply, self._since_ns, tell)
        since_ns = self._since_ns
        return DiagnosisRecord(
            cell=launch.cell,
            made_in=self.job.run,
            left_out=None if watched else next(iter(errors), _unwatched(launch)),
            outcome=launch.outcome,
            reason=launch.reason,
            started_at=launch.started_at,
            requests=launch.requests,
            concurrency=launch.concurrency,
            rate=self.sent.rate if self.sent else None,
            gevent=next((one.gevent for one in watched), None),
            period_s=next((one.period_s for one in watched), None),
            loops=len(watched),
            watched_s=(reply.asked_ns - since_ns) / 1e9 if since_ns and watched else None,
            blocks=found,
        )


def _unwatched(launch: LaunchRecord) -> str:
    if launch.outcome is Outcome.ENGINE_ERROR:
        return launch.reason or str(launch.outcome)
    return NO_LOOP


def shortened(forecast: Forecast) -> Load:
    """The load that is forecast, cut to what can be answered in `LOAD_S`."""
    load, shortest_s = forecast.load(), forecast.shortest_load_s
    if shortest_s <= LOAD_S:
        return load
    requests = max(FEWEST_REQUESTS, round(load.requests * LOAD_S / shortest_s))
    return replace(load, requests=requests, concurrency=min(load.concurrency, requests))


def told(facts: Facts, stack: Stack, machine: str) -> Told:
    """What a loop's thread was in, and where the application called that."""
    inner = stack.frames[0]
    look = Look(taken_ns=0, pid=0, machine=machine, cpu_ns=0, threads=(stack,))
    library = library_of(facts, stack)
    what = library or places.text(inner)
    if stack.syscall == "running":
        what = f"{what} computes"
    elif stack.syscall is not None:
        what = f"{what} waits in C ({wait_of(facts, look, stack)})"
    caller = places.first(stack.frames, places.is_application)
    place = library or (inner.file, inner.function), caller and (caller.file, caller.function)
    if caller is None or (caller == inner and library is None):
        return Told(place=place, what=what)
    return Told(place=place, what=what, where=places.text(caller))
