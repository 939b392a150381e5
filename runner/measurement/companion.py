"""What runs beside a launch's server: started in its order, awaited, and seen to still run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from runner.contract import COMPANION_READY
from runner.engine.companions import CompanionPlan
from runner.engine.pod import Pod
from runner.errors import EngineError
from runner.matrix import plugins
from runner.matrix.application import Healthcheck, Service
from runner.measurement import agent, verdict
from runner.measurement.clock import Clock
from runner.measurement.service_remedy import remedy_of_end, remedy_of_wait
from runner.text import last_line, one_line

#: How often it is asked whether something is ready, in seconds.
POLL_S = 0.2


def plan_of(name: str, image: str | None, service: Service | None = None) -> CompanionPlan:
    """What to start of a companion, for a service of that kind or a workload."""
    if image is None:
        raise EngineError(f"there is no image of the companion {name!r}")
    return CompanionPlan(
        name=service.name if service else name,
        image=image,
        memory_bytes=plugins.companions()[name].memory_bytes,
        hosts=(service.name,) if service else (),
        kind=name,
    )


def wait_until_ready(pod: Pod, clock: Clock) -> None:
    """Start what waits for others, and wait until all are ready.

    `EngineError` with the name of one that ends or takes too long, and what to do.
    """
    ready: set[str] = set()
    began = dict.fromkeys(pod.companions, clock.monotonic())
    while len(ready) < len(pod.plan.companions):
        for plan in pod.plan.companions:
            if plan.name not in pod.companions and ready.issuperset(plan.after):
                pod.start_companion(plan)
                began[plan.name] = clock.monotonic()
        refuse_dead(pod)
        waiting = [p for p in pod.plan.companions if p.name in began and p.name not in ready]
        for plan in waiting:
            if (why := _not_ready(pod, plan)) is None:
                ready.add(plan.name)
            elif clock.monotonic() > began[plan.name] + _within_s(plan):
                refuse_dead(pod)  # while it was asked, it may have ended
                raise EngineError(_too_late(pod, plan, why))
        if len(ready) < len(pod.plan.companions):
            clock.sleep(POLL_S)


def refuse_dead(pod: Pod) -> None:
    """Raise `EngineError` if one has ended: what then fails is not the server's fault."""
    for plan in _started(pod):
        state = pod.companion_state(plan.name)
        if not state.running or state.oom_killed:
            log = pod.companion_log(plan.name)
            how = verdict.of_exit(state, log)[1]
            raise EngineError(f"{plan.title} ended: {how}{remedy_of_end(plan, state, log)}")


def _started(pod: Pod) -> Iterable[CompanionPlan]:
    return [plan for plan in pod.plan.companions if plan.name in pod.companions]


def _within_s(plan: CompanionPlan) -> float:
    """How long it may take until it is ready, in seconds."""
    if plan.kind:
        return plugins.companions()[plan.kind].startup_s
    return plan.healthcheck.within_s if plan.healthcheck else 0.0


def _not_ready(pod: Pod, plan: CompanionPlan) -> str | None:
    """Why it does not count as ready, empty where nothing says why; None where it is ready."""
    if plan.kind:
        return None if COMPANION_READY in pod.companion_log(plan.name) else ""
    check = plan.healthcheck
    if check is None:
        return None
    if check.command:
        return _check_failed(pod, plan, check)
    if agent.accepts(pod, check.port or 0):
        return None
    return f"nothing accepts connections at port {check.port}"


def _check_failed(pod: Pod, plan: CompanionPlan, check: Healthcheck) -> str | None:
    """What a check's command says, None where it succeeds."""
    container = pod.companions[plan.name]
    try:
        result = pod.engine.exec(container, check.command, timeout=check.timeout_s)
    except EngineError as error:
        refuse_dead(pod)
        return one_line(str(error))
    if result.exit_code == 0:
        return None
    shown = shlex.join(check.command)
    if result.exit_code is None:
        return f"the check `{shown}` did not end within {check.timeout_s:g} s"
    said = last_line((result.stderr or result.stdout).decode("utf-8", "replace"))
    ended = f"the check `{shown}` ended with status {result.exit_code}"
    return f"{ended}: {one_line(said)}" if said else ended


def _too_late(pod: Pod, plan: CompanionPlan, why: str) -> str:
    last = one_line(last_line(pod.companion_log(plan.name)))
    said = f"its log ends with {last!r}" if last else "it printed nothing"
    reasons = "; ".join(part for part in (why, said) if part)
    within = f" within {_within_s(plan):.0f} s"
    return f"{plan.title} did not become ready{within}: {reasons}{remedy_of_wait(plan, why)}"
