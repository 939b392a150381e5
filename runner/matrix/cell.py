"""What the matrix file comes to: an experiment, its cells, and what each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from runner.matrix.application import Application, Request, Response, Service
from runner.matrix.axes import ALWAYS_SHOWN, SETTINGS, id_of, in_order
from runner.matrix.servers import Server
from runner.matrix.values import CLOSED, VARIABLE, Workload, exact_version, share, short_version

#: A rate is not measured with fewer requests.
FEWEST_SENT = 10


def requests_due(rate: float, seconds: float) -> int:
    """How many requests a load has at so many per second: those of so many seconds, and enough."""
    return max(FEWEST_SENT, round(rate * seconds))


def rate_at(share: float, full: float) -> float:
    """The requests per second that are a share of so many, to six digits."""
    return float(f"{share * full:.6g}")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on one launch. Times in seconds, memory in bytes."""

    startup_s: float = 30.0
    load_s: float = 300.0
    memory_bytes: int = 512 << 20
    pids: int = 2048


#: The limits of our own workloads.
LIMITS: Final = Limits()


@dataclass(frozen=True, kw_only=True, order=True, slots=True)
class Requirement:
    """One distribution and the versions allowed for it, e.g. `gevent` `==25.*`."""

    name: str
    specifier: str

    def __str__(self) -> str:
        return f"{self.name}{self.specifier}"

    @property
    def exact(self) -> str | None:
        """The version, if the specifier pins exactly one."""
        return exact_version(self.specifier)

    @property
    def label(self) -> str:
        """The version as written in a cell id: exact, or the specifier without `==`."""
        return short_version(self.specifier)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentRequest:
    """A Python and what must be installed for it. Cells with equal requests share an image."""

    python: str
    requirements: tuple[Requirement, ...]
    exclude_newer: str | None = None

    def locked(self, versions: Mapping[str, str]) -> EnvironmentRequest:
        """The same with each package at its exact version, given by name."""
        names = (requirement.name for requirement in self.requirements)
        exact = (Requirement(name=name, specifier=f"=={versions[name]}") for name in names)
        return replace(self, requirements=tuple(exact))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination of axis values, without those that cannot matter for it.

    Each axis that is a setting is the field of that name; `placement` is None if nothing is
    patched. `variables` are environment variables of the server that are axes, by their names.
    `requirements` are the packages that the cell uses, with versions as requested until its
    environment is locked and exact afterwards. `varied` names further axes for the id, which
    always has those that tables always show.

    The load is a closed loop of `concurrency` clients, or, with a `rate`, requests that are sent so
    many times a second for `load_s` seconds. Then `requests` is how many these are, and
    `concurrency` means nothing.

    `copy` is a label that nothing which runs depends on. `services` are those of an application.

    A rate may be a percentage of what the baseline reaches in a closed loop of `concurrency`
    clients. Before that is known (`at_share_of`), `requests` is 0, and there is no `per_second`.
    """

    python: str
    patch: str
    server: Server
    workload: Workload
    concurrency: int
    requests: int
    requirements: tuple[Requirement, ...]
    placement: str | None = None
    variables: tuple[tuple[str, str], ...] = ()
    rate: str | None = None
    load_s: float | None = None
    share_rps: float | None = None
    copy: str | None = None
    services: tuple[Service, ...] = ()
    exclude_newer: str | None = None
    varied: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """The one readable name: `py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc`."""
        names = in_order((*ALWAYS_SHOWN, *self.varied))
        return id_of({name: self.values[name] for name in names if name in self.values})

    @property
    def companions(self) -> tuple[str, ...]:
        """The names of the companions that run beside the server."""
        own = self.workload.kind.companion
        named = (service.companion for service in self.services)
        return tuple(name for name in (own, *named) if name)

    @property
    def beside(self) -> int:
        """How many containers run beside the server: companions and services."""
        return bool(self.workload.kind.companion) + len(self.services)

    @cached_property
    def at_once(self) -> int:
        """How many of the load's requests can be worked on at a time, if all goes well."""
        if self.workload.kind.cpu_bound:
            return min(dict(self.server.settings).get("workers", 1), self.most_in_flight)
        return self.server_limit

    @property
    def server_limit(self) -> int:
        """How many of the load's requests the server's settings let in at a time."""
        limit = self.server.at_once
        return self.most_in_flight if limit is None else min(limit, self.most_in_flight)

    @property
    def most_in_flight(self) -> int:
        """How many of the load's requests can be waited for at a time: its clients, if it has any.

        At a fixed rate nothing but their number limits them, once that is known.
        """
        return self.concurrency if self.per_second is None else self.requests

    @property
    def per_second(self) -> float | None:
        """The load's rate in requests per second, None for a closed loop and an unknown one."""
        if self.rate is None or self.share is not None:
            return self.share_rps
        return float(self.rate)

    @property
    def share(self) -> float | None:
        """The share of the baseline's rate that a rate in per cent is, None for other loads."""
        return share(self.rate)

    def at_share_of(self, full: float) -> Cell:
        """The cell with its rate, a percentage of so many requests per second."""
        if self.share is None or self.load_s is None:
            return self
        rate = rate_at(self.share, full)
        sent = requests_due(rate, self.load_s)
        return replace(self, share_rps=rate, requests=sent, load_s=max(self.load_s, sent / rate))

    @property
    def is_in_step(self) -> bool:
        """Whether the load comes in bursts: clients that wait equally long send together."""
        return not self.rate and not self.workload.spread_s

    @property
    def is_serial(self) -> bool:
        """Whether clients queue for a server that takes one request at a time."""
        return self.at_once == 1 < self.most_in_flight

    @cached_property
    def environment(self) -> EnvironmentRequest:
        """What the cell's image must hold; equal for cells that share one."""
        return EnvironmentRequest(
            python=self.python,
            requirements=self.requirements,
            exclude_newer=self.exclude_newer,
        )

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The cell's values by axis, as text, without axes that do not matter for the cell."""
        settings = {name: getattr(self, name) for name in SETTINGS}
        if self.rate:
            settings["concurrency"] = None
        elif "rate" in self.varied:
            settings["rate"] = CLOSED
        return {
            **{requirement.name: requirement.label for requirement in self.requirements},
            **dict(self.workload.parameters),
            **{f"{VARIABLE}{name}": value for name, value in self.variables},
            **{name: str(value) for name, value in settings.items() if value is not None},
        }

    def axis(self, name: str) -> str | None:
        """The cell's value on an axis as text, None if the axis does not matter for the cell."""
        return self.values.get(name)

    def locked(self, environment: EnvironmentRequest) -> Cell:
        """The cell with the exact versions of its locked environment."""
        return replace(self, requirements=environment.requirements)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What is known of some cells: `cells` are globs by axis; all of the others must hold.

    Each of `whys` is a part of the line on the cause, `/a regular expression/` for it, or `none`
    for a cell without one; one of them must hold. A bound is (column, operator, value); `place` is
    its position in the matrix file.
    """

    cells: tuple[tuple[str, str], ...]
    outcomes: tuple[str, ...] = ()
    whys: tuple[str, ...] = ()
    bounds: tuple[tuple[str, str, float], ...] = ()
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Base:
    """Where interpreters come from: `auto`, `registry` or `debian`.

    `registry` prefixes image names (`localhost:5000/`); `allow_expired` accepts a Debian suite
    whose Release file has passed its Valid-Until date.
    """

    kind: str = "auto"
    registry: str = ""
    allow_expired: bool = False


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One named section of the matrix file, checked and expanded into its cells.

    `axes` are the names in the order of the file. `baseline` is the partial match (axis → value)
    that a cell is compared with, within equal values of the other axes. A disturbed launch is
    repeated at most `repeats` times. Each cell has `launches` launches; where `least_launches` are
    fewer, rounds end once the intervals are as narrow as `delta`, by figure. `skipped` are
    combinations that cannot run, with the reason, and `remarks` are on what in the file has no
    effect. `application`, `request` and `response` are the user's own.
    """

    name: str
    axes: tuple[str, ...]
    cells: tuple[Cell, ...]
    limits: Limits
    baseline: tuple[tuple[str, str], ...] = (("patch", "none"),)
    base: Base = field(default_factory=Base)
    launches: int = 1
    least_launches: int | None = None
    delta: tuple[tuple[str, float], ...] = ()
    repeats: int = 2
    expect: tuple[Expectation, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    application: Application | None = None
    request: Request | None = None
    response: Response | None = None
