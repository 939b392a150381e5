"""What the clients of a cell's load could get at most; computed again whenever a run is collated.

Launches store what their configuration allows. What the clients can get follows from the cell's
load, and from how the run's `ab` opens connections, so it is the same rule for runs of any age.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runner.matrix import plugins
from runner.matrix.ceiling import AbOpening, ceiling_rps, measured_rps, shortest_time_s
from runner.measurement.records import AbFigures, LaunchRecord, rate_of
from runner.report.statistics import median_of_known
from runner.store.records import CellRecord, MethodRecord

#: `ab` prints the time of a load to so many seconds, by a clock that may run this much too fast:
#: what adjusts a computer's clock makes it faster by 0.05 % at most.
PRINTED_S, CLOCK_ERROR = 0.001, 0.0005
#: The mean of random service times is off by less than so many standard errors.
STANDARD_ERRORS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """Requests per second: the most the clients can get, and what the configuration allows of it.

    `efficiency` is the rate divided by what the clients can get. Medians over launches, None where
    that is not known. `contradiction` says why a ceiling cannot be one.
    """

    clients_rps: float | None = None
    configuration_rps: float | None = None
    efficiency: float | None = None
    contradiction: str | None = None


def ceilings_of(
    method: MethodRecord, cell: CellRecord, launches: Sequence[LaunchRecord]
) -> Ceilings:
    """The ceilings of a cell's launches.

    There are none where a load was answered in less time than its requests can take: then a request
    takes less time than its workload says.
    """
    for launch in launches:
        if why := _contradiction(method, cell, launch):
            return Ceilings(contradiction=why)
    of_clients = [_of_clients(method, cell, launch) for launch in launches]
    kind = plugins.workloads().get(cell.workload or "")
    allowed = [] if kind and kind.cpu_bound else [_of_configuration(one) for one in launches]
    return Ceilings(
        clients_rps=median_of_known(of_clients),
        configuration_rps=median_of_known(allowed),
        efficiency=median_of_known(
            rate_of(launch.ab) / most
            for launch, most in zip(launches, of_clients, strict=True)
            if launch.ab and most
        ),
    )


def _of_clients(method: MethodRecord, cell: CellRecord, launch: LaunchRecord) -> float | None:
    """The most that the clients of the load as asked for can get, or its rate."""
    if cell.load_s is not None:
        return launch.rate.rate if launch.rate else cell.rate
    if cell.requests is None or cell.concurrency is None:
        return None
    if lone_s := _lone_s(launch):
        return measured_rps(concurrency=cell.concurrency, service_s=lone_s)
    found = {
        ceiling_rps(
            requests=cell.requests,
            concurrency=cell.concurrency,
            service_s=cell.workload_seconds,
            spread_s=_spread_s(cell),
            opening=opening,
        )
        for opening in _openings(method, cell, launch)
    }
    return found.pop() if len(found) == 1 else None


def _of_configuration(launch: LaunchRecord) -> float | None:
    """What the server's settings allow; a service time that was measured may have been shorter."""
    allowed, lone_s, before_ms = launch.configuration_rps, _lone_s(launch), launch.ceiling_lone_ms
    if allowed is None or not lone_s or not before_ms:
        return allowed
    return allowed * before_ms / (1000 * lone_s)


def _lone_s(launch: LaunchRecord) -> float | None:
    """How long a request takes in seconds, where its workload does not say and it was measured.

    Where requests took less time under the load, something slowed the one that was alone.
    """
    if launch.ceiling_lone_ms is None:
        return None
    under_load = launch.served.mean_service_ms if launch.served else launch.ceiling_lone_ms
    return min(launch.ceiling_lone_ms, under_load) / 1000


def _openings(method: MethodRecord, cell: CellRecord, launch: LaunchRecord) -> Iterator[AbOpening]:
    """How `ab` can have opened its connections: where that is not known, the time may rule one out.

    A report made elsewhere does not say; an `ab` that sends its first request alone takes longer.
    """
    alone, sent = method.ab_first_request_alone, launch.ab
    for opening in AbOpening:
        if alone is None and sent and launch.concurrency and not _spread_s(cell):
            shortest_s = _shortest_s(sent, launch.concurrency, cell.workload_seconds or 0, opening)
            if sent.time_taken_s >= shortest_s:
                yield opening
        elif alone in {None, opening is AbOpening.FIRST_ALONE}:
            yield opening


def _shortest_s(sent: AbFigures, clients: int, service_s: float, opening: AbOpening) -> float:
    return shortest_time_s(
        requests=sent.complete, concurrency=clients, service_s=service_s, opening=opening
    )


def _contradiction(method: MethodRecord, cell: CellRecord, launch: LaunchRecord) -> str | None:
    """Why requests cannot have taken as long as their workload says, None if they can.

    At a fixed rate no load is answered faster than it was sent.
    """
    sent, service_s, clients = launch.ab, cell.workload_seconds, launch.concurrency
    if cell.load_s is not None or sent is None or not service_s or clients is None:
        return None
    if spread_s := _spread_s(cell):
        # A uniform distribution's standard deviation is its half width / √3.
        error_s = STANDARD_ERRORS * spread_s * math.sqrt(sent.complete / 3)
        shortest_s = (sent.complete * service_s - error_s) / clients
    else:
        alone = method.ab_first_request_alone
        opening = AbOpening.FIRST_ALONE if alone else AbOpening.TOGETHER
        shortest_s = _shortest_s(sent, clients, service_s, opening)
    if sent.time_taken_s >= shortest_s * (1 - CLOCK_ERROR) - PRINTED_S:
        return None
    return (
        f"{sent.complete:,} requests of {service_s:g} s from {clients:,} clients take "
        f"{shortest_s:.4g} s or longer, and took {sent.time_taken_s:.4g} s: a request takes less "
        "than its workload says"
    )


def _spread_s(cell: CellRecord) -> float:
    return float(cell.workload_parameters.get("spread", 0))
