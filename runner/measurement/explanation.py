"""Why a launch ended as it did: looks at a server after everything was measured, where need be.

Never before: a look costs memory that a process keeps, and a measured one must not have it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import replace
from typing import Any, Final, Protocol

from runner.engine.pod import Pod
from runner.errors import EngineError
from runner.matrix import plugins
from runner.matrix.cell import Cell
from runner.matrix.placements import AFTER_APP
from runner.matrix.values import patch_kind
from runner.measurement import agent, evidence, verdict
from runner.measurement.agent import CheckReply
from runner.measurement.clock import Clock
from runner.measurement.job import Job
from runner.measurement.load import SIZING_BURST
from runner.measurement.loaded import Loaded
from runner.measurement.served import STALLED_S
from runner.measurement.server_log import TIMED_OUT, exceptions, ignored
from runner.measurement.why.facts import Facts, named
from runner.measurement.why.findings import as_set_up, blocked_loop
from runner.measurement.why.line import HELD_BACK, is_due, why
from runner.measurement.why.rules import explained
from runner.measurement.why.seen import Frame, Seen
from runner.measurement.why.text import text_of
from runner.outcome import Kind, Outcome

#: A server that hangs, or works for some clients, is looked at for so long, in seconds.
HANG_S, WORKING_S = 1.0, 2.0
#: One whose loop stood still is started again and looked at so often, until it is seen to.
UNTIL_STALLED = 7
#: One that hung under its load is looked at so often more: a pause may come again.
UNTIL_SEEN = 3
#: How it is looked at: by how many clients, for how many seconds.
AT_REST: Final = (0, 0.0)
#: What the runner adds before it gives up on the agent, in seconds.
GRACE_S = 30.0
RESTART_POLL_S = 0.05
#: What a few requests keep busy may hide what more of them wait for.
BUSY: Final = frozenset({"computing", "without-cpu"})
#: What nobody took for so long when nothing is in work stays unread.
UNREAD_S = 0.2
WRONG: Final = frozenset({Outcome.WRONG_ANSWER, Outcome.FAILED_REQUESTS})
#: What can come only of an application that was imported, in a server that took connections.
SERVED: Final = WRONG | {Outcome.HANG_AT_FIRST_REQUEST, Outcome.HANG_UNDER_LOAD}
FILE: Final = "looks.txt"
#: The modules that `patch_all()` replaces parts of, by its arguments; there is a patch mode for
#: some alone, `gevent-socket`.
PARTS: Final = {
    "os": "os", "queue": "queue", "select": "select", "signal": "signal", "socket": "socket",
    "ssl": "ssl", "subprocess": "subprocess", "thread": "threading", "time": "time",
}  # fmt: skip


class Launch(Protocol):
    """What is known of a launch; `files` is its evidence, which grows."""

    job: Job
    clock: Clock
    checked: CheckReply | None
    loaded: Loaded | None
    files: dict[str, bytes]

    @property
    def asked(self) -> dict[str, Any]:
        """What the agent is told of the request and its right answer."""
        ...


def of_launch(launch: Launch, pod: Pod, outcome: Outcome, log: str) -> str | None:
    """Explain a launch, of which all figures are known; None where there is nothing to explain."""
    facts = facts_of(launch, outcome, Seen(), log)
    if not (is_due(facts) or _stood_still(facts)):
        return None
    working = (min(SIZING_BURST, launch.job.cell.most_in_flight), WORKING_S)
    with contextlib.suppress(EngineError):  # it is explained as well as can be
        facts = _looked(launch, pod, facts, _looks(launch, facts, working))
        if outcome is Outcome.HANG_UNDER_LOAD and facts.has_loop and not _is_enough(facts):
            # It may be a pause of the loop that is over by now, and comes again.
            facts = _looked(launch, pod, facts, [working] * UNTIL_SEEN)
        if facts.is_stalled and outcome.has_figures and blocked_loop(facts) is None:
            _start_again(launch, pod)
            facts = _looked(launch, pod, facts, [working] * UNTIL_STALLED)
    if facts.seen.looks:
        launch.files[FILE] = text_of(facts).encode()
    return why(facts)


def _looks(launch: Launch, facts: Facts, working: tuple[int, float]) -> list[tuple[int, float]]:
    """How the server is looked at, one by one until it is explained.

    One that does what its settings say needs no look.
    """
    if facts.outcome.kind is Kind.HANG:
        return [(0, HANG_S)]
    if facts.outcome in HELD_BACK:
        return [] if as_set_up(facts) and not _stood_still(facts) else [working]
    # One that never answered right is not asked again, but for what keeps it for too long.
    again = launch.checked or TIMED_OUT in facts.log
    return [AT_REST, working] if again else [AT_REST]


def _looked(launch: Launch, pod: Pod, facts: Facts, looks: list[tuple[int, float]]) -> Facts:
    """What is known after looking at the server, while it runs and more may be found."""
    for clients, seconds in looks:
        if not pod.server_state().running:
            break
        config = {**launch.asked, "clients": clients, "seconds": seconds}
        found = agent.stacks(pod, config, seconds + GRACE_S)
        seen = _together(facts.seen, found)
        installed = _installed(seen) | _named_in(launch.job.cell)
        # Requests would take the replies that nobody took: what is unread is seen before them.
        facts = _more(launch, pod, replace(facts, seen=seen, installed=installed))
        # Waiting for looks that nobody takes is long, and tells nothing more.
        if _is_enough(facts) or (found.silent and not found.looks):
            break
    return facts


def _more(launch: Launch, pod: Pod, facts: Facts) -> Facts:
    """What looks do not show: where a process is that takes none, and replies that nobody took."""
    if facts.seen.silent and (dump := launch.files.get(evidence.STACKS)):
        if evidence.SEGMENTATION_FAULT in dump.decode():  # gone, and not busy
            return replace(facts, seen=facts.seen.model_copy(update={"silent": ()}))
        frames, calls = evidence.interrupted(pod, dump.decode())
        facts = replace(facts, interrupted=frames, calls=calls)
    if facts.outcome in WRONG and not facts.unread:
        found = evidence.unread(pod)
        launch.clock.sleep(UNREAD_S)
        kept = sorted(to for _, to in found & evidence.unread(pod))
        facts = replace(facts, unread=(*kept, *facts.scan.unread))
    return facts


def _start_again(launch: Launch, pod: Pod) -> None:
    """Start the server once more: what made it stand still may come at its beginning only.

    All was measured, and its log is read.
    """
    pod.restart_server(lambda: launch.clock.sleep(RESTART_POLL_S))
    startup_s, before_s = launch.job.limits.startup_s, launch.job.before_s
    config = {"startup_s": startup_s, "before_s": before_s}
    agent.ready(pod, config, before_s + startup_s + GRACE_S)


def _stood_still(facts: Facts) -> bool:
    """Whether no request moved for a while: looks tell whether there is a loop that stood still."""
    return (facts.stalled_s or 0.0) >= STALLED_S


def _is_enough(facts: Facts) -> bool:
    if facts.outcome.kind is Kind.FAILURE:
        # Either is to be seen while there are requests.
        blocks = TIMED_OUT in facts.log and blocked_loop(facts) is None
        return not (facts.may_admit_several or blocks)
    if facts.is_stalled:
        return blocked_loop(facts) is not None
    found = explained(facts)
    return found is not None and found[0].explains and found[0].found not in BUSY


def _together(one: Seen, other: Seen) -> Seen:
    looks = (*one.looks, *other.looks)
    silent = {*one.silent, *other.silent} - {look.pid for look in looks}
    return Seen(asked=one.asked + other.asked, looks=looks, silent=tuple(silent))


def facts_of(launch: Launch, outcome: Outcome, seen: Seen, log: str) -> Facts:
    """All that is known of a launch, with what was seen of its processes."""
    job, loaded = launch.job, launch.loaded
    effects = launch.checked.effects if launch.checked else None
    patched = effects.in_effect if effects else None
    return Facts(
        outcome=outcome,
        seen=seen,
        gevent_modules=frozenset(patched.gevent_modules)
        if patched
        else _to_be_patched(job.cell, outcome),
        grpc_patched=patched.grpc if patched else "grpc" in job.cell.patch,
        exceptions=Counter(exceptions(log)),
        ignored=_ignored(log),
        log=log,
        installed=_installed(seen) | _named_in(job.cell),
        services=_services(job.cell),
        stalled_s=loaded.stalled_s if loaded else None,
        server=str(job.cell.server),
        lets_in=loaded.set_up if loaded and verdict.is_as_set_up(loaded) else None,
    )


def _to_be_patched(cell: Cell, outcome: Outcome) -> frozenset[str]:
    """What the cell's server or patch mode patches: what it did is known from an answer only.

    Nothing where the patch comes after the application, and the launch may have ended before.
    """
    is_late = cell.placement == AFTER_APP or dict(cell.server.settings).get("preload")
    if is_late and outcome not in SERVED:
        return frozenset()
    if cell.server.kind.patches_itself:
        return frozenset(PARTS.values())
    name, _, arguments = cell.patch.rstrip(")").partition("(")
    left_out = {one.removesuffix("=False") for one in arguments.split(",")}
    parts = PARTS if "thread" in patch_kind(name).arguments else {name.partition("-")[2]}
    return frozenset(PARTS[part] for part in parts if part in PARTS and part not in left_out)


def _ignored(log: str) -> Counter[tuple[str, Frame]]:
    return Counter(
        (text, Frame(file=at["file"], line=int(at["line"]), function=at["function"]))
        for text, at in ignored(log)
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
