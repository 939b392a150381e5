"""Which request is sent: the application is asked, in a launch that is not measured."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from runner.application.remedies.remedy import Remedy
from runner.application.remedies.rules import remedy_of
from runner.commands.run import Ready, method_of
from runner.errors import EngineError
from runner.matrix.cell import Cell
from runner.measurement import agent, evidence
from runner.measurement.agent import LookedAt, Refusal
from runner.measurement.asked import WORKLOAD
from runner.measurement.clock import SystemClock
from runner.measurement.job import Job, LaunchResult, OwnStart
from runner.measurement.launch import ENGINE_GRACE_S, Launch
from runner.measurement.rounds import job_of
from runner.measurement.server_log import exception_line
from runner.measurement.wrong_answer import meaning
from runner.text import listed

ROOT: Final = "/"
SERVER_ERROR: Final = HTTPStatus.INTERNAL_SERVER_ERROR
#: What the agent calls a server whose processes are gone.
SERVER_GONE: Final = "server-gone"
#: Paths under which applications say that they are well, the most usual first.
HEALTH: Final = (
    "/health", "/healthz", "/healthcheck", "/ping", "/_status", "/ready", "/up", "/-/healthz",
)  # fmt: skip
#: Routes that change something although they take GET.
NOT_ASKED = re.compile(
    r"(log|sign)[-_]?(out|off)|delete|remove|destroy|reset|shutdown|restart|quit|revoke|flush|purge"
    r"|clear|drop|unsubscribe|cancel|callback",
    re.IGNORECASE,
)
#: The launch in which the server is to tell of its requests, see `looking.py` there.
LOOK: Final = {"MATRIX_LOOK": "1"}
#: Seconds that one answer may take, and all together.
ANSWER_S, ALL_S = 20.0, 40.0
MOST_ROUTES: Final = 40
#: From this share of its time on a request computes and waits for nothing, or where it waits for
#: less than this many seconds: threads wait for each other now and then.
COMPUTES_FROM, NO_WAIT_S = 0.9, 5e-5
#: So many routes are named.
NAMED: Final = 5


def waits_for_nothing(found: LookedAt) -> bool:
    """Whether a request that was answered right computed all the time; False if not known."""
    if found.took_s is None or found.computed_s is None:
        return False
    waited_s = found.took_s - found.computed_s
    return found.computed_s >= COMPUTES_FROM * found.took_s or waited_s < NO_WAIT_S


def waited_s(found: LookedAt) -> float:
    """How long a request waited in the application, in seconds."""
    if found.took_s is None or found.computed_s is None or waits_for_nothing(found):
        return 0.0
    return found.took_s - found.computed_s


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was asked, in that order, and the routes that the application says it has.

    `wanted` is the path that the command line names, None for none. `lacking` is what a route that
    failed needs, with its path, where that is known.
    """

    wanted: str | None
    looked: tuple[LookedAt, ...]
    routes: tuple[str, ...] = ()
    lacking: tuple[str, Remedy] | None = None

    @property
    def right(self) -> tuple[LookedAt, ...]:
        """Those that were answered as they should be."""
        return tuple(one for one in self.looked if one.failed is None)

    @property
    def first(self) -> LookedAt:
        """What was asked first."""
        return self.looked[0]

    @property
    def chosen(self) -> LookedAt:
        """The request to send: what is named, else `/`, else the route that waits the longest."""
        if self.wanted is not None or self.first.failed is None or not self.right:
            return self.first
        return max(self.right, key=waited_s)

    @property
    def waiting(self) -> list[LookedAt]:
        """The right answers that wait for something, the longest first."""
        found = [one for one in self.right if waited_s(one) and one.path != self.chosen.path]
        return sorted(found, key=waited_s, reverse=True)

    @property
    def others(self) -> tuple[str, ...]:
        """What else to ask, where the first answer is wrong or waits for nothing."""
        if self.first.failed is None and not waits_for_nothing(self.first):
            return ()
        asked = {one.path for one in self.looked}
        routes = [path for path in self.routes if not NOT_ASKED.search(path)][:MOST_ROUTES]
        return tuple(path for path in dict.fromkeys((*routes, *HEALTH)) if path not in asked)

    def told(self) -> Iterator[str]:
        """Which request is sent, why, and what it waits for, in sentences."""
        chosen = self.chosen
        if chosen.failed is None:
            yield f"request: GET {chosen.path}, {self._why()}; {_time(chosen)}"
        if chosen.failed is None and waits_for_nothing(chosen):
            yield f"{_computing(chosen)}: no patch can matter here; {self._where_it_waits()}"

    def _why(self) -> str:
        if self.wanted is not None:
            return "as `--path` says"
        if self.chosen is self.first:
            return "which answers with 200"
        kind = "a route of the application" if self.chosen.path in self.routes else "a health check"
        which = " that waits the longest" if waited_s(self.chosen) else ""
        return f"{kind}{which}, for {why_not(self.first)}"

    def _where_it_waits(self) -> str:
        if self.waiting:
            named = (f"`--path {one.path}` ({_time(one)})" for one in self.waiting[:NAMED])
            return f"these wait: {listed([*named])}"
        others = [path for path in self.routes if path != self.chosen.path]
        if not others:
            return "name a route that waits: `--path …`"
        rest = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        return f"routes of this application: {', '.join(others[:NAMED])}{rest}"


def why_not(found: LookedAt) -> str:
    """Why a path was not taken."""
    if found.answer and (said := _meaning(found)):
        return said
    return f"GET {found.path}: {found.reason}"


def _meaning(found: LookedAt) -> str:
    request = replace(WORKLOAD.request, path=found.path)
    said = meaning(found.answer, request) if found.answer else None
    return said.partition(";")[0] if said else ""


def _computing(found: LookedAt) -> str:
    """That a request does not wait, in words."""
    took_s, computed_s = found.took_s or 0.0, found.computed_s or 0.0
    if computed_s < COMPUTES_FROM * took_s:
        return f"it waits for less than {_ms(NO_WAIT_S)}"
    share = 100 * computed_s / took_s if took_s else 100.0
    return f"it computes for {min(100.0, share):.0f} % of its time and waits for nothing"


def _time(found: LookedAt) -> str:
    """`12 ms alone, 11 ms of it waiting`. An application may wait on when its answer has gone."""
    lone_s = found.lone_s or 0.0
    alone, waited = f"{_ms(lone_s)} alone", min(waited_s(found), lone_s)
    return f"{alone}, {_ms(waited)} of it waiting" if waited else alone


#: From here on three digits are not all that is shown of a time in ms.
ALMOST_1_S: Final = 0.9995


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < ALMOST_1_S else f"{1000 * seconds:,.0f} ms"


# -- the launch ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a launch showed that was not loaded.

    `failed` is its result where it did not serve, `look` what it was asked, if it got so far. Times
    in seconds: `startup_s` until it accepted connections.
    """

    look: Look | None = None
    startup_s: float | None = None
    lone_s: float | None = None
    failed: LaunchResult | None = None

    @property
    def loaded_s(self) -> float:
        """Until it had answered: a server may accept connections before it has loaded anything."""
        first_s = self.look.first.first_s if self.look else None
        return (self.startup_s or 0.0) + (first_s or 0.0)


def probe(ready: Ready, cell: Cell, wanted: str | None) -> Probed:
    """Start a cell, choose a request, and check its answer."""
    launch = Launch(ready.engine, job_to_look(ready, cell), SystemClock())
    look = None
    with closing(launch):
        launch.bring_up()
        launch.await_ready()
        if launch.verdict is None:
            look = _looked(launch, wanted)
            asked = launch.job.asked
            chosen = replace(asked, request=replace(asked.request, path=look.chosen.path))
            launch.job = replace(launch.job, asked=chosen)
            launch.check()
        failed = None if launch.verdict is None else launch.collect()
    return Probed(
        look=look,
        startup_s=launch.startup_s,
        lone_s=launch.checked.lone_s if launch.checked else None,
        failed=failed,
    )


def job_to_look(ready: Ready, cell: Cell) -> Job:
    """The launch of a cell whose server tells of its requests."""
    job = job_of(cell, 1, method_of(ready, f"try-{uuid.uuid4().hex[:12]}"))
    own = job.own or OwnStart()
    return replace(job, own=replace(own, environment={**own.environment, **LOOK}))


def _looked(launch: Launch, wanted: str | None) -> Look:
    """Ask what is named, or `/`; and the application's other routes, where that says too little.

    Not where the application failed and it is known what helps.
    """
    first, routes = asked_for(launch, [wanted or ROOT])
    look = Look(wanted=wanted, looked=first, routes=routes)
    if not look.others or first[0].failed == SERVER_GONE or _lacking(launch, first):
        return look
    more, routes = asked_for(launch, look.others)
    return replace(look, looked=(*first, *more), routes=routes, lacking=_lacking(launch, more))


def _lacking(launch: Launch, looked: Sequence[LookedAt]) -> tuple[str, Remedy] | None:
    """The first of the paths on which the application failed and it is known what helps."""
    broken = [one.path for one in looked if one.answer and one.answer.status >= SERVER_ERROR]
    log = evidence.server_log(launch.pod) if broken else ""
    for path in broken:
        said = _said_of(path, log) or (log if len(broken) == 1 else "")
        if remedy := remedy_of(exception_line(said), said):
            return path, remedy
    return None


def _said_of(path: str, log: str) -> str:
    """What Flask logged of a request that raised; nothing where it is not Flask that logs."""
    _, _, after = log.partition(f"Exception on {path} [GET]")
    return after.partition("Exception on /")[0]


def asked_for(launch: Launch, paths: Iterable[str]) -> tuple[tuple[LookedAt, ...], tuple[str, ...]]:
    """What paths answer, and the routes of the application."""
    told = launch.job.asked.config(launch.printed)
    config = {**told, "paths": [*paths], "timeout_s": ANSWER_S, "limit_s": ALL_S}
    reply = agent.look(launch.pod, config, ALL_S + ANSWER_S + ENGINE_GRACE_S)
    if isinstance(reply, Refusal):
        raise EngineError(reply.reason)
    return reply.looked, reply.routes


def served_by(cells: Sequence[Cell]) -> Cell | None:
    """The cell to look at: an unpatched one, of the first server; None where there is none."""
    return next((cell for cell in cells if cell.patch == "none"), None)
