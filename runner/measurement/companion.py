"""A launch's companions: their plans, waiting for them, and checking that they still run."""

from __future__ import annotations

from collections.abc import Iterable

from runner.contract import COMPANION_READY
from runner.engine.pod import CompanionPlan, Pod
from runner.errors import EngineError
from runner.matrix import plugins
from runner.measurement import verdict
from runner.measurement.clock import Clock
from runner.text import last_line

#: How often a companion's log is read until it is ready, in seconds.
POLL_S = 0.2


def plan_of(name: str, image: str | None, *, hosts: Iterable[str] = ()) -> CompanionPlan:
    """What to start of a companion, which the application may have names for."""
    if image is None:
        raise EngineError(f"there is no image of the companion {name!r}")
    memory_bytes = plugins.companions()[name].memory_bytes
    return CompanionPlan(name=name, image=image, memory_bytes=memory_bytes, hosts=tuple(hosts))


def wait_until_ready(pod: Pod, clock: Clock) -> None:
    """Wait until all are ready; `EngineError` if one ends or takes too long."""
    began = clock.monotonic()
    for name in pod.companions:
        _wait_for(pod, name, began + plugins.companions()[name].startup_s, clock)


def _wait_for(pod: Pod, name: str, deadline: float, clock: Clock) -> None:
    while COMPANION_READY not in (log := pod.companion_log(name)):
        refuse_dead(pod)
        if clock.monotonic() > deadline:
            last = last_line(log) or "it printed nothing"
            raise EngineError(f"the companion {name!r} did not become ready: {last}")
        clock.sleep(POLL_S)


def refuse_dead(pod: Pod) -> None:
    """Raise `EngineError` if a companion has ended: what then fails is not the server's fault."""
    for name in pod.companions:
        state = pod.companion_state(name)
        if not state.running or state.oom_killed:
            how = verdict.of_exit(state, pod.companion_log(name))[1]
            raise EngineError(f"the companion {name!r} ended: {how}")
