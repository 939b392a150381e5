"""One cell in a table: the keys of table.json and their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from runner.outcome import Outcome
from runner.report.axes import Value


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell in a table; the fields are table.json's keys in their order, then `further` axes.

    A figure is the median over the launches; a count of what should be none (failed requests, other
    statuses, overflows, retransmits) is the most that any launch showed. `_low` and `_high` bound a
    figure's interval and are None below five launches; `_min` and `_max` are the launches' own
    extremes. `not_paired` says why a speedup is not that of launches within rounds.

    `outcome` is None for a cell that was not measured. `requests` are those sent, which for a
    serialised cell are fewer than asked for. What is unknown or does not apply is None.
    """

    cell: str
    python: str | None
    gevent: str | None
    grpcio: str | None
    patch: str | None
    server: str | None
    workload: str | None
    concurrency: int
    requests: int
    outcome: Outcome | None
    reason: str | None
    launches: int = 0
    requests_per_second: float | None = None
    requests_per_second_low: float | None = None
    requests_per_second_high: float | None = None
    requests_per_second_min: float | None = None
    requests_per_second_max: float | None = None
    ceiling_rps: float | None = None
    efficiency: float | None = None
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    speedup_min: float | None = None
    speedup_max: float | None = None
    not_paired: str | None = None
    verdict: str | None = None
    time_taken_s: float | None = None
    mean_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    p99_ms_min: float | None = None
    p99_ms_max: float | None = None
    max_ms: float | None = None
    failed_requests: int | None = None
    non_2xx: int | None = None
    cpu_ms_per_request: float | None = None
    cpu_ms_per_request_min: float | None = None
    cpu_ms_per_request_max: float | None = None
    cpu_user_ms_per_request: float | None = None
    cpu_system_ms_per_request: float | None = None
    peak_rss_mib: float | None = None
    peak_threads: int | None = None
    voluntary_switches: float | None = None
    involuntary_switches: float | None = None
    run_queue_delay_ms: float | None = None
    loadgen_cpu_share: float | None = None
    listen_overflows: int | None = None
    syn_retransmits: int | None = None
    disturbed: str | None = None
    reused_from: str | None = None
    further: Mapping[str, str | None] = field(default_factory=dict)

    def value(self, column: str) -> Value:
        """The value of a key of table.json; `KeyError` where the row has no such key."""
        if column in _KEYS:
            value: Value = getattr(self, column)
            return value
        return self.further[column]

    def values(self) -> dict[str, Value]:
        """The row as table.json holds it."""
        return {key: self.value(key) for key in (*KEYS, *self.further)}


#: The keys that every row has.
KEYS: Final = tuple(f.name for f in fields(Row) if f.name != "further")
_KEYS: Final = frozenset(KEYS)
