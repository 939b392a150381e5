"""What a load used of the machine, and whether others disturbed it: the thresholds of that.

`docs/method.md` has the data that the thresholds come from.
"""

from __future__ import annotations

from runner.measurement.agent import LoadReply, MachineGrowth
from runner.measurement.cpu_time import Used
from runner.measurement.records import AbFigures, LaunchRecord, Machine, RateFigures, Resources

#: Mean time that `ab` may wait for a CPU, in ms per request. Measured on two cores, 100 clients:
#: alone 0.02-0.07; 26 cells with their bursts apart 0.02-0.07; together 0.04-2.0, median 0.4.
LONGEST_WAIT_MS = 0.15
# Where requests take different times each answer wakes `ab` by itself, and it waits 0.3 to 0.6 ms
# for a CPU, alone as beside ten others: then it may wait for as long as a request may be late.
#: Share of the load's time that it may wait. In the same order: 0.2 %; 0.1-0.3 %; 0.2-9 %, median
#: 1.8 %. Both must be exceeded: few requests far apart are late by much, to no effect; many in a
#: short burst wait for each other, by little each.
LARGEST_WAIT_SHARE = 0.005
#: Share of one CPU that `ab` may use: above it the generator, not the server, sets the pace.
LARGEST_LOADGEN_SHARE = 0.9
#: How late 99 % of the requests of a load at a fixed rate may be sent: ms, or share of the time
#: that a request takes, whichever is more. Latencies count from when a request was due.
LONGEST_LAG_MS, LARGEST_LAG_SHARE = 2.0, 0.01
#: Share of the CPUs' time that a hypervisor may give to others.
LARGEST_STEAL_SHARE = 0.005
#: Share of the CPUs' time that others may use than the pods, the engine and the runner.
LARGEST_OTHERS_SHARE = 0.1

#: How the reasons of a disturbance begin, and the same in words that have no figures.
KINDS = {
    "ab waited": "ab waited for a CPU",
    "ab kept": "ab kept a CPU busy",
    "the load generator kept": "the load generator kept a CPU busy",
    "the server was throttled": "the server was throttled",
    "1 % of the requests": "requests were sent late",
    "the hypervisor took": "the hypervisor took CPU time",
    "other processes used": "other processes used the CPUs",
    "the listen queue overflowed": "the listen queue overflowed",
}


def disturbance(record: LaunchRecord) -> str | None:
    """Why the launch's figures are not the cell's alone, None if they are, or if it has none.

    A rule for every launch, before anyone has looked at its rate: what is disturbed is repeated or
    shown as such, and never dropped for being an outlier.
    """
    resources, figures = record.resources, record.ab
    if not record.outcome.has_figures or resources is None or figures is None:
        return None
    return ", ".join([*_by_others(record, resources, figures), *_queues(resources)]) or None


def kinds_of_disturbance(text: str) -> list[str]:
    """The reasons in a disturbance's text, without their figures; what is not known stays."""
    return [
        next((kind for begin, kind in KINDS.items() if reason.startswith(begin)), reason)
        for reason in text.split(", ")
    ]


def worth_repeating(record: LaunchRecord) -> bool:
    """Whether a repeat of a disturbed launch may succeed.

    A queue overflows for the launch's own load, in a network namespace of its own: another attempt
    would overflow as well, and waits for nobody.
    """
    if not record.disturbed or record.resources is None or record.ab is None:
        return False
    return bool(_by_others(record, record.resources, record.ab))


def _by_others(record: LaunchRecord, resources: Resources, figures: AbFigures) -> list[str]:
    """What a busy machine does to a launch."""
    load, service_s = record.rate, (record.lone_request_ms or 0.0) / 1000
    if load:
        reasons = _lags(load, service_s)
    elif record.in_step:
        reasons = _waits(resources, figures, LONGEST_WAIT_MS)
    else:
        reasons = _waits(resources, figures, longest_lag_ms(service_s))
    share = resources.loadgen_cpu_share
    if share is not None and share >= LARGEST_LOADGEN_SHARE:
        reasons.append(f"{'the load generator' if load else 'ab'} kept {share:.0%} of a CPU busy")
    if resources.throttled_ms:
        reasons.append(f"the server was throttled for {resources.throttled_ms:.0f} ms")
    return reasons + (_by_machine(record.machine) if record.machine else [])


def _waits(resources: Resources, figures: AbFigures, longest_ms: float) -> list[str]:
    delay_ms = resources.loadgen_run_queue_delay_ms or 0.0
    per_request_ms = delay_ms / max(1, figures.complete)
    share = delay_ms / 1000 / figures.time_taken_s if figures.time_taken_s else 0.0
    if per_request_ms <= longest_ms or share <= LARGEST_WAIT_SHARE:
        return []
    return [f"ab waited {per_request_ms:.2f} ms per request for a CPU ({share:.1%} of the time)"]


def longest_lag_ms(service_s: float) -> float:
    """How late a request may be sent that takes so many seconds, in ms."""
    return max(LONGEST_LAG_MS, 1000 * LARGEST_LAG_SHARE * service_s)


def _lags(load: RateFigures, service_s: float) -> list[str]:
    if load.lag_p99_ms is None or load.lag_p99_ms <= longest_lag_ms(service_s):
        return []
    return [f"1 % of the requests were sent over {load.lag_p99_ms:.1f} ms late"]


def _by_machine(machine: Machine) -> list[str]:
    """What took CPU time from the launch that no counter of its own shows."""
    reasons = []
    if machine.steal_share is not None and machine.steal_share > LARGEST_STEAL_SHARE:
        reasons.append(f"the hypervisor took {machine.steal_share:.1%} of the CPUs' time")
    if machine.others_cpu_share is not None and machine.others_cpu_share > LARGEST_OTHERS_SHARE:
        reasons.append(f"other processes used {machine.others_cpu_share:.1%} of the CPUs' time")
    return reasons


def _queues(resources: Resources) -> list[str]:
    overflows = max(resources.listen_overflows or 0, resources.listen_drops or 0)
    return [f"the listen queue overflowed {overflows} times"] if overflows else []


def used(
    reply: LoadReply, figures: AbFigures | None, throttled_s: float | None
) -> Resources | None:
    """The resources of a load, None if nothing was answered or the server has ended.

    `throttled_s` is the engine's figure, in seconds, None if it has none.
    """
    if figures is None or not figures.complete or not reply.server_alive:
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
        run_queue_delay_ms=_ms(_sum(reply.tasks.run_delay_s, reply.ab.run_delay_s)),
        loadgen_run_queue_delay_ms=_ms(reply.ab.run_delay_s),
        throttled_ms=_ms(throttled_s),
        listen_overflows=network["ListenOverflows"],
        listen_drops=network["ListenDrops"],
        syn_retransmits=network["TCPSynRetrans"],
        loadgen_cpu_share=reply.ab.cpu_s / reply.ab.wall_s,
    )


def _sum(*values: float | None) -> float | None:
    """What is known only if every part of it is."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def machine(growth: MachineGrowth, used: Used | None) -> Machine:
    """What the whole machine did over a load, as shares of the CPUs' time.

    `used` is what became of it, None where that is not known.
    """
    time_s = growth.wall_s * growth.cpus
    known = Machine(
        cpus=growth.cpus,
        busy_share=growth.busy_s / time_s,
        steal_share=None if growth.steal_s is None else growth.steal_s / time_s,
        psi_some_share=None if growth.pressure_s is None else growth.pressure_s / growth.wall_s,
    )
    if used is None or not used.wall_s:
        return known
    time_s = used.wall_s * growth.cpus
    # The kernel counts what is busy by ticks, the rest by the nanosecond: never below nothing.
    others_s = max(0.0, used.busy_s - used.pods_s - used.engine_s - used.runner_s)
    return known.model_copy(
        update={
            "pods_cpu_share": used.pods_s / time_s,
            "engine_cpu_share": used.engine_s / time_s,
            "runner_cpu_share": used.runner_s / time_s,
            "others_cpu_share": others_s / time_s,
        }
    )
