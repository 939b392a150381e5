"""What a launch's facts mean: pure functions from facts to (outcome, reason)."""

from __future__ import annotations

import signal

from runner.engine.protocol import ContainerState
from runner.measurement import ab
from runner.measurement.agent import CheckReply, LoadReply, Refusal
from runner.measurement.load import Load
from runner.measurement.rate import flaw as rate_flaw
from runner.measurement.records import AbFigures, RateFigures
from runner.outcome import Outcome

#: The server program's exit status when patching or importing failed.
IMPORT_FAILED = 81
KILLED_BY_SIGNAL = 128

Verdict = tuple[Outcome, str | None]


def of_exit(state: ContainerState, log: str) -> Verdict:
    """Why a server that is no longer there ended. Its log's last line is the reason.

    A killed child can leave exit status 0 with the OOM flag up, so the flag is asked first.
    """
    if state.oom_killed:
        return Outcome.OOM_KILLED, "killed by the kernel: memory limit reached"
    last = last_line(log)
    if state.exit_code == IMPORT_FAILED:
        why = exception_line(log) or last
        return Outcome.IMPORT_ERROR, why or "patching or importing failed"
    if state.error:
        return Outcome.CRASHED, state.error
    why = exception_line(log)
    ending = [line.strip() for line in log.splitlines() if line.strip()][-3:]
    said = why if why in ending else last
    return Outcome.CRASHED, f"{_how_it_ended(state.exit_code)}: {said or 'it printed nothing'}"


def _how_it_ended(code: int) -> str:
    if code > KILLED_BY_SIGNAL:
        try:
            return f"killed by {signal.Signals(code - KILLED_BY_SIGNAL).name}"
        except ValueError:
            pass
    return f"exit status {code}"


def last_line(log: str) -> str:
    """The last line with something in it."""
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")


def exception_line(log: str) -> str:
    """The last line of the log's last traceback, which names the exception; empty without one."""
    _, traceback, below = log.rpartition("Traceback (most recent call last):")
    lines = below.splitlines()[1:] if traceback else []
    return next((line.strip() for line in lines if line.strip() and not line[0].isspace()), "")


def cpu_used(share: float | None) -> str:
    """How busy a server was while it did not answer: a loop that spins is no wait."""
    return "" if share is None else f"; it used {100 * share:.0f} % of a CPU meanwhile"


def of_refusal(refusal: Refusal, log: str = "") -> Verdict:
    """What a check that failed on a living server means; its log may say why."""
    if refusal.failed == "wrong-answer":
        if why := exception_line(log):
            return Outcome.WRONG_ANSWER, f"{refusal.reason.partition(':')[0]}: {why}"
        return Outcome.WRONG_ANSWER, refusal.reason
    if refusal.failed == "broken-answer":
        return Outcome.FAILED_REQUESTS, refusal.reason
    return Outcome.HANG_AT_STARTUP, f"{refusal.reason}{cpu_used(refusal.cpu_share)}"


def of_burst(checked: CheckReply, sent: int) -> Verdict | None:
    """A server that answers one request, but not several at once, hangs; None where it does."""
    if checked.burst_answered is None or checked.burst_answered == sent:
        return None
    reason = (
        f"{checked.burst_answered or 'none'} of {sent} requests sent at once "
        f"{'was' if checked.burst_answered < 2 else 'were'} answered"
    )
    return Outcome.HANG_UNDER_LOAD, f"{reason}{cpu_used(checked.burst_last_cpu_share)}"


def of_load(
    reply: LoadReply,
    load: Load,
    figures: AbFigures | None,
    *,
    serial: bool,
    rate: RateFigures | None = None,
) -> Verdict:
    """Judge a load on a living server: accepted only with every request answered as it should be.

    `ab` counts a status of 500 as a success, so its `Non-2xx` line is asked as well.
    """
    busy = cpu_used(reply.last_cpu_share)
    done = f"{figures.complete if figures else 0:,} of {load.requests:,} requests answered"
    if reply.ab.ending == "stalled":
        return Outcome.HANG_UNDER_LOAD, f"{done} in {reply.ab.wall_s:.0f} s, then no more{busy}"
    if reply.ab.ending == "late":
        reason = f"too slow: {done} in {load.limit_s:.0f} s; raise `limits.load` to see more"
        return Outcome.FAILED_REQUESTS, reason
    if reply.ab.exit_code != 0 or figures is None:
        return Outcome.FAILED_REQUESTS, ab.exit_reason(reply.ab.exit_code, reply.ab.stderr)
    if why := rate_flaw(figures, rate) if rate else flaw(figures, load.requests):
        return Outcome.FAILED_REQUESTS, why
    return (Outcome.SERIALISED, None) if serial else (Outcome.OK, None)


def flaw(figures: AbFigures, requests: int) -> str | None:
    """Why a report that `ab` ended well is not accepted, None where it is."""
    if figures.non_2xx:
        return f"{figures.non_2xx:,} answers with a status other than 2xx"
    if figures.failed:
        return f"ab counted {figures.failed:,} failed requests"
    if figures.complete != requests:
        return f"{figures.complete:,} of {requests:,} requests complete"
    return None
