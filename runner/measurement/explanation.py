"""Why a launch ended as it did: looks at a server after everything was measured, where need be."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from runner.engine.pod import Pod
from runner.errors import EngineError
from runner.matrix import plugins
from runner.matrix.cell import Cell
from runner.measurement import agent
from runner.measurement.served import STALLED_S
from runner.measurement.server_log import exceptions
from runner.measurement.why.facts import Facts, named
from runner.measurement.why.findings import blocked_loop
from runner.measurement.why.line import is_due, why
from runner.measurement.why.rules import explained
from runner.measurement.why.seen import Seen
from runner.measurement.why.text import text_of
from runner.outcome import Kind, Outcome

if TYPE_CHECKING:
    from runner.measurement.launch import Launch

#: A server that hangs, or works for some clients, is looked at for so long, in seconds.
HANG_S, WORKING_S = 1.0, 2.0
#: A loop that stood still is looked at so often, until it is seen to.
UNTIL_STALLED = 8
CLIENTS: Final = 10
#: What the runner adds before it gives up on the agent, in seconds.
GRACE_S = 30.0
RESTART_POLL_S = 0.05
FILE: Final = "looks.txt"


def of_launch(launch: Launch, pod: Pod, outcome: Outcome, log: str) -> str | None:
    """Explain a launch, of which all figures are known; None where there is nothing to explain."""
    facts = _facts(launch, outcome, launch.seen, log)
    if not (is_due(facts) or (facts.stalled_s or 0.0) >= STALLED_S):
        return None
    with contextlib.suppress(EngineError):  # it is explained as well as can be
        looks = _looks(facts, launch.job.cell)
        if len(looks) == UNTIL_STALLED:
            _start_again(launch, pod)
        for clients, seconds in looks:
            if not pod.server_state().running:
                break
            config = {**launch.asked, "clients": clients, "seconds": seconds}
            more = agent.stacks(pod, config, seconds + GRACE_S)
            facts = _facts(launch, outcome, _together(facts.seen, more), log)
            if _is_enough(facts):
                break
    if facts.seen.looks:
        launch.files[FILE] = text_of(facts).encode()
    return why(facts)


def _start_again(launch: Launch, pod: Pod) -> None:
    """Start the server once more: what made it stand still may come at its beginning only.

    All was measured, and its log is read.
    """
    pod.restart_server(lambda: launch.clock.sleep(RESTART_POLL_S))
    startup_s, before_s = launch.job.limits.startup_s, launch.job.before_s
    config = {"startup_s": startup_s, "before_s": before_s}
    agent.ready(pod, config, before_s + startup_s + GRACE_S)


def _looks(facts: Facts, cell: Cell) -> list[tuple[int, float]]:
    """By how many clients, and for how many seconds, the server is looked at: one by one.

    The burst of the calibration was looked at already. What is bound in the process is looked at in
    any case.
    """
    working = (min(CLIENTS, cell.most_in_flight), WORKING_S)
    if facts.outcome is Outcome.HANG_UNDER_LOAD:
        # It may be a pause that is over by now, and comes again.
        return [(0, HANG_S), *[working] * UNTIL_STALLED]
    if facts.outcome.kind is Kind.HANG:
        return [(0, HANG_S)]
    if facts.outcome.kind is Kind.FAILURE:
        return [(0, 0.0), working]
    if (facts.stalled_s or 0.0) >= STALLED_S and blocked_loop(facts) is None:
        return [working] * UNTIL_STALLED
    return [(0, 0.0), working]


def _is_enough(facts: Facts) -> bool:
    if facts.outcome.kind is Kind.FAILURE:
        return not facts.may_admit_several  # which is to be seen while there are requests
    return blocked_loop(facts) is not None if facts.is_stalled else explained(facts) is not None


def _together(one: Seen, other: Seen) -> Seen:
    return Seen(asked=one.asked + other.asked, looks=(*one.looks, *other.looks))


def _facts(launch: Launch, outcome: Outcome, seen: Seen, log: str) -> Facts:
    job, effects = launch.job, launch.checked.effects if launch.checked else None
    patched = effects.in_effect if effects else None
    return Facts(
        outcome=outcome,
        seen=seen,
        gevent_modules=frozenset(patched.gevent_modules if patched else ()),
        grpc_patched=bool(patched and patched.grpc),
        exceptions=Counter(exceptions(log)),
        log=log,
        installed=_installed(seen) | _named_in(job.cell),
        services=_services(job.cell),
        stalled_s=launch.loaded.stalled_s if launch.loaded else None,
    )


def _installed(seen: Seen) -> dict[str, str]:
    """The versions of the distributions that are imported, by name."""
    scans = [look.scan for look in seen.looks if look.scan]
    return {named(name): version for scan in scans for name, version in scan.distributions.values()}


def _named_in(cell: Cell) -> dict[str, str]:
    """The versions that the matrix file names."""
    return {one.name: one.specifier.removeprefix("==") for one in cell.requirements}


def _services(cell: Cell) -> dict[int, str]:
    """The names of what the application talks to, by port."""
    kinds = plugins.companions()
    found = {port: name for name in cell.companions if (port := kinds[name].port)}
    for service in cell.services:
        own = kinds[service.companion].port if service.companion else None
        found.update(dict.fromkeys([port for port in (own, *service.ports) if port], service.name))
    return found
