"""What the server's processes used over a load, from the counters around it."""

from __future__ import annotations

from runner.measurement.agent import LoadReply
from runner.measurement.records import AbFigures, Resources


def used(
    reply: LoadReply | None, figures: AbFigures | None, throttled_s: float | None
) -> Resources | None:
    """The resources of a load, None where it answered nothing or its server is gone.

    `throttled_s` is the engine's figure, in seconds, None where it has none.
    """
    if reply is None or figures is None or not figures.complete or not reply.server_alive:
        return None
    cpu_ms = 1000 * (reply.after.cpu_s - reply.before.cpu_s)
    user = reply.after.user_ticks - reply.before.user_ticks
    system = reply.after.system_ticks - reply.before.system_ticks
    # The total is exact; ticks, too coarse for it, say how it splits.
    user_ms = cpu_ms * user / (user + system) if user + system else cpu_ms
    network = {k: v - reply.before.network[k] for k, v in reply.after.network.items()}
    return Resources(
        cpu_user_ms=user_ms,
        cpu_system_ms=cpu_ms - user_ms,
        cpu_ms_per_request=cpu_ms / figures.complete,
        peak_rss_mib=max(reply.peak_rss_kib, reply.after.hwm_kib) / 1024,
        peak_threads=reply.peak_threads,
        voluntary_switches=reply.tasks.voluntary_switches,
        involuntary_switches=reply.tasks.involuntary_switches,
        run_queue_delay_ms=1000 * (reply.tasks.run_delay_s + reply.ab.run_delay_s),
        loadgen_run_queue_delay_ms=1000 * reply.ab.run_delay_s,
        throttled_ms=1000 * throttled_s if throttled_s is not None else None,
        listen_overflows=network["ListenOverflows"],
        listen_drops=network["ListenDrops"],
        syn_retransmits=network["TCPSynRetrans"],
        loadgen_cpu_share=reply.ab.cpu_s / reply.ab.wall_s if reply.ab.wall_s else None,
    )
