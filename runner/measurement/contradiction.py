"""Reports that cannot be true: the load generator and the server contradict each other.

No launch with such figures is accepted, and no such report is imported.
"""

from __future__ import annotations

from typing import Final

from runner.measurement.loaded import Loaded
from runner.measurement.records import AbFigures

#: Half of the last digit that `ab` prints: of a latency in ms, and of the load's time in s.
HALF_MS, HALF_PRINTED_S = 0.5, 0.0005
#: The server's records are in µs, each of its times cut off; over a load that is less than this.
ROUNDED: Final = 1.001


def of_report(figures: AbFigures, clients: int) -> str | None:
    """What of a closed loop's report cannot be, None if all of it can.

    A client waits for its answer before it sends again. So its latencies follow each other, and
    those of all clients add up to at most the load's time for each of them (Little's law).
    """
    longest_s = figures.time_taken_s + HALF_PRINTED_S
    if figures.max_ms is not None and figures.max_ms - HALF_MS > 1000 * longest_s:
        return (
            f"ab reports a request of {figures.max_ms:,.0f} ms in a load of "
            f"{figures.time_taken_s:,.3f} s, which cannot be: the load takes as long as its "
            "longest request, or longer"
        )
    if figures.mean_ms is None:
        return None
    least_s = figures.complete * (figures.mean_ms - HALF_MS) / 1000
    if least_s <= clients * longest_s:
        return None
    return (
        f"ab reports {figures.complete:,} requests of {figures.mean_ms:,.0f} ms in the mean, and "
        f"that {clients:,} clients sent them in {figures.time_taken_s:,.3f} s, which cannot be: "
        f"the latencies add up to {figures.complete * figures.mean_ms / 1000:,.1f} s, and so many "
        f"clients have {clients * figures.time_taken_s:,.1f} s in that time"
    )


def of_load(loaded: Loaded) -> str | None:
    """What is reported of a load that was answered right and cannot be, None if all of it can.

    At a fixed rate there are no clients that wait for each other's answers.
    """
    figures, seen, load = loaded.figures, loaded.served, loaded.load
    if figures is None:
        return None
    right = max(loaded.sent_right, loaded.answers.right if loaded.answers else 0)
    if right > figures.complete:
        generator = "the load generator" if load.rate else "ab"
        return (
            f"{generator} reports {figures.complete:,} requests complete and the server "
            f"{right:,} right answers, which cannot be: each answer is to one request"
        )
    if load.rate:
        return None
    if seen and seen.in_flight > ROUNDED * load.concurrency:
        return (
            f"the server reports {seen.in_flight:,.1f} requests in flight, the mean over the load, "
            f"which cannot be: ab sent them from {load.concurrency:,} clients, each of which waits "
            "for its answer"
        )
    return of_report(figures, load.concurrency)
