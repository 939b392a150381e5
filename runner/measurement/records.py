"""What one launch leaves behind, as stored in `result.json`. Units are in the names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AliasChoices, ConfigDict, Field

from runner.measurement.bounded import Bounded
from runner.outcome import Outcome

#: The newest layout of result.json that this program knows.
LAUNCH_SCHEMA: Final = 7
#: From this layout on a reused launch of another boot says so.
FIRST_WITH_BOOT: Final = 5
#: In place of the id of a boot that is not known.
UNKNOWN_BOOT: Final = "unknown"


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


#: A date and a time by ISO 8601.
Moment = Annotated[str, AfterValidator(_moment)]


class Record(Bounded):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class AbFigures(Record):
    """What `ab` reported of one load, or what was found of one at a fixed rate.

    Percentiles are None where it was told not to print them (`ab -d`), the mean where it cannot be
    told from the maximum beside it (`ab -S`). `document_length` is the length of the first answer's
    body, `html_bytes` that of all bodies together, both in bytes.
    """

    time_taken_s: float
    complete: int
    failed: int
    non_2xx: int
    requests_per_second: float
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    server_software: str | None = None
    document_length: int | None = None
    html_bytes: int | None = None


#: What `ab` prints was rounded by up to half of its last digit: a time to ms, a rate to hundredths.
TIME_ROUNDED_S: Final = 0.0005
RATE_ROUNDED: Final = 0.005


def rate_of(figures: AbFigures) -> float:
    """Requests per second of a load: as `ab` printed it, or by the time where that is more exact.

    The printed time of a short load is the less exact of the two, the printed rate of a slow one.
    """
    seconds, rate = figures.time_taken_s, figures.requests_per_second
    if seconds <= 0 or RATE_ROUNDED * seconds < TIME_ROUNDED_S * rate:
        return rate
    return figures.complete / seconds


class Served(Record):
    """What the server's processes recorded of the load's requests, in the application.

    `offered` is how many the clients could keep in work at a time.
    `entered` and `left` count requests, `processes` those that served any. `in_flight` is the mean
    number of requests between entry and exit; `at_a_time` the number answered a second times
    `service_ms`. `lone_service_ms` is the time in the application of a request that was alone,
    `mean_service_ms` the same under the load.
    """

    processes: int
    entered: int
    left: int
    in_flight: float
    at_a_time: float | None
    lone_service_ms: float | None
    mean_service_ms: float
    offered: float | None = None

    @property
    def service_ms(self) -> float | None:
        """The time that a request takes if nothing slows it, in the application.

        That of the lone request, or the mean under load if that is shorter: then something else
        slowed the lone one.
        """
        if self.lone_service_ms is None:
            return None
        return min(self.lone_service_ms, self.mean_service_ms)

    @property
    def progressing(self) -> float | None:
        """`at_a_time`, never above `in_flight`: up to schema 4 a slow lone request raised it."""
        return None if self.at_a_time is None else min(self.at_a_time, self.in_flight)


class Answers(Record):
    """The load's answers by what is known of the right one; their sum is what was completed.

    `missing` are those of which the client got no body, or not the whole. `most_wrong_status` is
    the most frequent of the wrong statuses; up to schema 5 it was not kept.
    """

    right: int
    wrong_status: int
    wrong_length: int
    missing: int
    most_wrong_status: int | None = None


class Samples(Record):
    """Answers that the agent looked at itself, during the load and after it.

    `first_wrong` says what was wrong with the first that was not right.
    """

    sent: int
    right: int
    first_wrong: str | None = None

    def masked(self, mask: Callable[[str], str]) -> Samples:
        """The same with what `mask` leaves of the text."""
        return self.model_copy(update={"first_wrong": self.first_wrong and mask(self.first_wrong)})


class Patched(Record):
    """What is patched in a process. `gevent_version` is None where gevent is not imported.

    `gevent_modules` are those that `gevent.monkey` has replaced parts of; `grpc`: whether
    `init_gevent` was called.
    """

    gevent_version: str | None = None
    gevent_modules: tuple[str, ...] = ()
    grpc: bool = False
    psycopg2_wait_callback: bool = False
    eventlet: bool = False


class Effects(Record):
    """What was in effect in the processes that served, and what their patch mode alone had done.

    `gunicorn_config` is the configuration that was read, `overridden` has the settings in it that
    the cell replaces (`4 → 1`), `application` is the class of the object that was served,
    and `patched_by` the place in the code that called gevent's patches first, besides the cell's.
    """

    in_effect: Patched
    by_label: Patched
    gunicorn_config: str | None = None
    overridden: dict[str, str] = Field(default_factory=dict)
    worker_class: str | None = None
    application: str | None = None
    patched_by: str | None = None


class RateFigures(Record):
    """A load at a fixed rate, in requests per second: how many were `sent` of those intended.

    The lags are between the moment when a request was due and that when it was sent. `errors`
    counts requests without an answer that is right, by kind: `refused`, `reset`, `empty`, ….
    """

    rate: float
    requests: int
    sent: int
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_max_ms: float | None
    errors: dict[str, int] = Field(default_factory=dict)


class Resources(Record):
    """What the server's processes used from the load's first to its last moment."""

    cpu_user_ms: float
    cpu_system_ms: float
    cpu_ms_per_request: float
    peak_rss_mib: float
    peak_threads: int
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    run_queue_delay_ms: float | None = None
    loadgen_run_queue_delay_ms: float | None = None
    throttled_ms: float | None = None
    listen_overflows: int | None = None
    listen_drops: int | None = None
    syn_retransmits: int | None = None
    loadgen_cpu_share: float | None = None


class Machine(Record):
    """What the machine did while a launch was loaded. What is not known is None.

    Shares are of all its CPUs' time, the load's wall time × `cpus`; `psi_some_share`, of the load's
    wall time, is how long some task waited for a CPU. `busy_share` is without `steal_share`, which
    the hypervisor gave to others. It is made up of what the run's pods used, all of them that were
    up, the engine, the runner, and others, which is the rest: other processes, and the kernel's own
    threads. Whose time it was is known only where the engine is on the runner's machine.
    """

    cpus: int
    busy_share: float
    steal_share: float | None = None
    psi_some_share: float | None = None
    pods_cpu_share: float | None = None
    engine_cpu_share: float | None = None
    runner_cpu_share: float | None = None
    others_cpu_share: float | None = None


class Canary(Record):
    """How long a fixed piece of work took: it tells the machine's day from the cell's."""

    wall_ms: float
    cpu_ms: float


class Placement(Record):
    """Which launches were loaded beside this one, and when.

    Those of the same `wave`, which is unique in the run that made it, and `group` in that wave:
    `group_size` of them. Its load began `start_offset_s` seconds after the first of its group was
    due. `position` is its cell's place in the round's random order. All numbers count from 1.
    """

    position: int
    wave: int
    group: int
    group_size: int
    start_offset_s: float


class LaunchRecord(Record):
    """One start of one cell's pod, loaded once: the unit of statistics.

    `requests` and `concurrency` are those really sent: a serialised cell's load is cut.
    `concurrency_factor` is k times the latency of a lone request over the wall time of k requests
    sent at once: 1 for a server that takes them one by one, k for one that takes all together.
    `configuration_rps` is the highest rate of the load as asked for that the server's settings
    allow; up to schema 4 its name was `ceiling_rps`. `ceiling_lone_ms` is the time of a lone
    request that this was made from, in the application if that was recorded, where the workload
    says nothing of how long one takes; up to schema 5 there was no such figure then. `reused_from`
    is the run in which the launch was made, where that is another than the one it is stored in, and
    `other_boot` the boot in which its machine was then, where that is another than the run's, or
    `UNKNOWN_BOOT`. Up to schema 4
    there is no `other_boot`: whatever is reused is of a round of the run that it is from. `in_step`
    means that all requests take equally long, so that clients send together. `tracebacks` is how
    many the server's log holds. `attempt` counts from 1: a launch that was disturbed is made
    again. `throttled_ms` of its resources is for the server's whole life, all others are over the
    load. `started_at` is None where the report of the load was made elsewhere and does not say.
    `concurrency` is None and `rate` known where requests were sent at a fixed rate. `block` is the
    machine that it was made on, where the launches of a run were made on several. The canaries are
    those of its wave, before the first and after the last load. Up to schema 5 nothing is known of
    its `effects`, and there are no `samples`. `reason` is what was seen of the outcome, `why` its
    cause, for launches that do not just work; up to schema 6 there is none.
    """

    schema_version: int = LAUNCH_SCHEMA
    cell: str
    launch: int
    outcome: Outcome
    reason: str | None = None
    why: str | None = None
    started_at: Moment | None
    requests: int
    concurrency: int | None = Field(ge=1)
    configuration_rps: float | None = Field(
        default=None, validation_alias=AliasChoices("configuration_rps", "ceiling_rps")
    )
    ceiling_lone_ms: float | None = None
    startup_s: float | None = None
    lone_request_ms: float | None = None
    concurrency_factor: float | None = None
    in_step: bool = True
    ab: AbFigures | None = None
    rate: RateFigures | None = None
    served: Served | None = None
    answers: Answers | None = None
    samples: Samples | None = None
    effects: Effects | None = None
    tracebacks: int | None = None
    resources: Resources | None = None
    machine: Machine | None = None
    canary_before: Canary | None = None
    canary_after: Canary | None = None
    placement: Placement | None = None
    disturbed: str | None = None
    wall_s: float | None = None
    overhead_s: float | None = None
    reused_from: str | None = None
    other_boot: str | None = None
    attempt: int = 1
    block: str | None = None

    @property
    def is_of_its_round(self) -> bool:
        """Whether it belongs to a round of the run that it is stored in, not of another one."""
        if self.schema_version < FIRST_WITH_BOOT:
            return self.reused_from is None
        return self.other_boot is None
