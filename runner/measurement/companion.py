"""A launch's companion: its plan, waiting for it, and checking that it still runs."""

from __future__ import annotations

from runner.contract import COMPANION_READY
from runner.engine.pod import CompanionPlan, Pod
from runner.errors import EngineError
from runner.matrix import plugins
from runner.measurement import verdict
from runner.measurement.clock import Clock
from runner.text import last_line

#: How often a companion's log is read until it is ready, in seconds.
POLL_S = 0.2


def plan_of(name: str | None, image: str | None) -> CompanionPlan | None:
    """The companion to start, None if the workload has none."""
    if name is None:
        return None
    if image is None:
        raise EngineError(f"there is no image of the companion {name!r}")
    memory_bytes = plugins.companions()[name].memory_bytes
    return CompanionPlan(image=image, memory_bytes=memory_bytes)


def wait_until_ready(pod: Pod, name: str, clock: Clock) -> None:
    """Wait until it is ready; `EngineError` if it ends or takes too long."""
    deadline = clock.monotonic() + plugins.companions()[name].startup_s
    while COMPANION_READY not in (log := pod.companion_log()):
        refuse_dead(pod, name)
        if clock.monotonic() > deadline:
            last = last_line(log) or "it printed nothing"
            raise EngineError(f"the companion {name!r} did not become ready: {last}")
        clock.sleep(POLL_S)


def refuse_dead(pod: Pod, name: str) -> None:
    """Raise `EngineError` if the companion has ended: what then fails is not the server's fault.

    A pod without a companion passes.
    """
    if not pod.companion:
        return
    state = pod.companion_state()
    if not state.running or state.oom_killed:
        how = verdict.of_exit(state, pod.companion_log())[1]
        raise EngineError(f"the companion {name!r} ended: {how}")
