"""What a launch's facts mean: pure functions from facts to (outcome, reason)."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from runner.application.remedies.remedy import Remedy
from runner.application.remedies.rules import LeftOut, remedy_of
from runner.contract import BEFORE_FAILED, IMPORT_FAILED
from runner.engine.protocol import ContainerState
from runner.matrix.application import Request
from runner.measurement import ab, contradiction
from runner.measurement.agent import CalibrateReply, Refusal
from runner.measurement.asked import WORKLOAD, Right
from runner.measurement.load import AS_SET_UP, SERIALISED_BELOW
from runner.measurement.loaded import Loaded
from runner.measurement.rate import flaw as rate_flaw
from runner.measurement.records import AbFigures, Answers, Samples, Served
from runner.measurement.served import has_wrong_status
from runner.measurement.server_log import (
    causes,
    exception_line,
    exceptions,
    last_words,
    with_place,
    with_words,
)
from runner.measurement.wrong_answer import WrongAnswer, is_deliberate, meaning, shown_of
from runner.outcome import Outcome
from runner.text import last_line

KILLED_BY_SIGNAL = 128
#: With less than this many requests offered to each process, no client ever waits for another.
OFFERED_AT_LEAST = 1.1
#: Share of what the clients offer up to which a server is limited, and from which the requests in
#: flight are inside the application rather than before it.
LIMITED_UP_TO, INSIDE_FROM = 0.5, 0.5
#: Share of its CPU from which a process computes rather than waits.
COMPUTES_FROM = 0.8

#: What the server program prints of a command that failed before the server started.
BEFORE_LINE = re.compile(r"^before: .*", re.MULTILINE)

Verdict = tuple[Outcome, str | None]

OUT_OF_MEMORY: Verdict = (
    Outcome.OOM_KILLED,
    "killed by the kernel: memory limit reached; raise `limits.memory`",
)

#: What a check that got no answer means, by what it was waiting for.
HANGS = {
    "not-ready": Outcome.HANG_AT_STARTUP,
    "first-not-answered": Outcome.HANG_AT_FIRST_REQUEST,
    "not-answered": Outcome.HANG_UNDER_LOAD,
    "before-not-done": Outcome.BEFORE_FAILED,
}


def of_exit(state: ContainerState, log: str) -> Verdict:
    """Why a server that is no longer there ended. Its log's last line is the reason.

    A killed child can leave exit status 0 with the OOM flag up, so the flag is asked first.
    """
    if state.oom_killed:
        return OUT_OF_MEMORY
    last = last_words(log)
    if state.exit_code == IMPORT_FAILED:
        why = with_words(with_place(exception_line(log), log), log) or last
        return Outcome.IMPORT_ERROR, why or "patching or importing failed"
    if state.exit_code == BEFORE_FAILED:
        return Outcome.BEFORE_FAILED, _of_before(log)
    if state.error:
        return Outcome.CRASHED, state.error
    why = exception_line(log)
    ending = [line.strip() for line in log.splitlines() if line.strip()][-3:]
    said = why if why in ending else last
    return Outcome.CRASHED, f"{_how_it_ended(state.exit_code)}: {said or 'it printed nothing'}"


def _of_before(log: str) -> str:
    """Which command failed that runs before the server, and what it said last."""
    told = [*BEFORE_LINE.finditer(log)]
    if not told:
        return last_line(log) or "a command before the server failed"
    said = exception_line(log) or last_line(log[: told[-1].start()])
    return f"{told[-1][0].strip()}: {said or 'it printed nothing'}"


def _how_it_ended(code: int) -> str:
    if code > KILLED_BY_SIGNAL:
        try:
            return f"killed by {signal.Signals(code - KILLED_BY_SIGNAL).name}"
        except ValueError:
            pass
    return f"exit status {code}"


def with_remedy(found: Verdict, log: str, left_out: LeftOut) -> Verdict:
    """What helps besides, where a line of the log that is in the reason is of a known kind."""
    outcome, reason = found
    remedy = remedy_in(reason or "", log, left_out)
    return (outcome, f"{(reason or '').rstrip('.')}; {remedy}") if remedy else found


def remedy_in(reason: str, log: str, left_out: LeftOut) -> Remedy | None:
    """What helps against a failure, by the longest line of the log that its reason has.

    Where that line is of no known kind, what led to its exception counts.
    """
    said = {line.strip() for line in log.splitlines()} | {last_words(log)}
    # A reason that goes on has lost its full stop.
    whole = (line for line in said if line and line.rstrip(".") in reason)
    quoted = sorted(whole, key=len, reverse=True)
    lines = (*quoted, *causes(log, reason))
    return next(filter(None, (remedy_of(line, log, left_out) for line in lines)), None)


def cpu_used(share: float | None) -> str:
    """How busy a server was while it did not answer: a loop that spins is no wait."""
    return "" if share is None else f"; it used {100 * share:.0f} % of a CPU meanwhile"


def of_refusal(refusal: Refusal, log: str = "", request: Request | None = None) -> Verdict:
    """What a check that failed on a living server means; its log may say why."""
    if refusal.failed == "wrong-answer":
        return Outcome.WRONG_ANSWER, of_wrong_answer(refusal, log, request or Request())
    if refusal.failed == "broken-answer":
        return Outcome.FAILED_REQUESTS, with_exception(refusal.reason, log)
    hang = HANGS.get(refusal.failed, Outcome.HANG_AT_STARTUP)
    return hang, f"{refusal.reason}{cpu_used(refusal.cpu_share)}"


def of_wrong_answer(refusal: Refusal, log: str, request: Request) -> str:
    """What was wrong with an answer, why, and what to do.

    Of a failure of the application its log says more than its page, and of an answer whose status
    means nothing in particular no more is known than how it begins.
    """
    answer, why = refusal.answer, exception_line(log)
    if why and (answer is None or not is_deliberate(answer.status)):
        return f"{refusal.reason}: {why}"
    if answer is None:
        return refusal.reason
    said = meaning(answer, request) or ("" if "expected '" in refusal.reason else shown_of(answer))
    return f"{refusal.reason}: {said}" if said else refusal.reason


def of_burst(reply: CalibrateReply, sent: int) -> Verdict | None:
    """A server that answers one request, but not several at once, hangs; None where it does."""
    answered = reply.burst_answered
    if answered == sent:
        if reply.many_sent is None or reply.many_answered == reply.many_sent:
            return None
        sent, answered = reply.many_sent, reply.many_answered or 0
    reason = (
        f"{answered or 'none'} of {sent} requests sent at once "
        f"{'was' if answered < 2 else 'were'} answered"
    )
    return Outcome.HANG_UNDER_LOAD, f"{reason}{cpu_used(reply.burst_last_cpu_share)}"


def of_load(loaded: Loaded, log: Callable[[], str] = str) -> Verdict:
    """Judge a load on a living server: accepted only with every request answered as it should be.

    `log` reads the server's, for what it says of a failure.
    """
    reply, figures = loaded.reply, loaded.figures
    if early := _of_ending(loaded):
        return early
    if reply.ab.exit_code != 0 or figures is None:
        ended = ab.exit_reason(reply.ab.exit_code, reply.ab.stderr)
        return Outcome.FAILED_REQUESTS, with_exception(ended, log())
    if wrong := _of_answers(loaded, figures, log):
        return wrong
    if why := contradiction.of_load(loaded):
        return Outcome.ENGINE_ERROR, why
    return of_concurrency(loaded)


def _of_answers(loaded: Loaded, figures: AbFigures, log: Callable[[], str]) -> Verdict | None:
    """A load of which some answer was not right; None where all were, as far as is known."""
    request, answers = loaded.asked.request, loaded.answers
    if why := (
        rate_flaw(loaded.rate)
        if loaded.rate
        else flaw(figures, answers, loaded.load.requests, loaded.asked.right)
    ):
        status = answers.most_wrong_status if answers else None
        if status and status != HTTPStatus.INTERNAL_SERVER_ERROR:
            said = meaning(WrongAnswer(status=status), request)
            why += f"; most with status {status}" + (f": {said}" if said else "")
        if is_deliberate(status):
            return Outcome.WRONG_ANSWER, why
        return Outcome.FAILED_REQUESTS, with_exception(why, log())
    sampled = samples(loaded)
    if sampled is None or sampled.right == sampled.sent:
        return None
    wrong = f"{sampled.sent - sampled.right:,} of {sampled.sent:,} sampled answers were not right"
    taken = loaded.reply.samples
    first = taken.first_wrong if taken else None
    is_answer = first is not None and first.failed == "wrong-answer"
    outcome = Outcome.WRONG_ANSWER if is_answer else Outcome.FAILED_REQUESTS
    return outcome, with_exception(f"{wrong}: {sampled.first_wrong}", log())


def samples(loaded: Loaded) -> Samples | None:
    """The answers that were looked at, None where status and length tell the right ones."""
    taken = loaded.reply.samples
    if taken is None:
        return None
    first = taken.first_wrong and of_refusal(taken.first_wrong, "", loaded.asked.request)[1]
    return Samples(sent=taken.sent, right=taken.right, first_wrong=first)


def _of_ending(loaded: Loaded) -> Verdict | None:
    """A load that was ended before its last request; None for others."""
    reply, load, figures = loaded.reply, loaded.load, loaded.figures
    done = f"{figures.complete if figures else 0:,} of {load.requests:,} requests answered"
    if reply.ab.ending == "stalled":
        busy = cpu_used(reply.last_cpu_share)
        return Outcome.HANG_UNDER_LOAD, f"{done} in {reply.ab.wall_s:.0f} s, then no more{busy}"
    if reply.ab.ending == "late":
        reason = f"too slow: {done} in {load.limit_s:.0f} s; raise `limits.load` to see more"
        return Outcome.FAILED_REQUESTS, reason
    if reply.ab.ending == "gone":
        return Outcome.CRASHED, f"{done}, then no process of the server was left"
    return None


def of_concurrency(loaded: Loaded) -> Verdict:
    """Whether a load that was answered right was answered as concurrently as it was offered."""
    seen = loaded.served
    if seen is None or seen.at_a_time is None:
        return Outcome.OK, None
    each, offered = seen.at_a_time / seen.processes, loaded.offered / seen.processes
    if offered < OFFERED_AT_LEAST:
        return Outcome.OK, None
    # A few requests are never offered all at once: half-way between one at a time and the best.
    serialised_below = min(SERIALISED_BELOW, (1 + offered) / 2)
    if each < serialised_below <= each * _faster_but_for(loaded, seen):
        return Outcome.LIMITED, f"nothing moved for up to {loaded.stalled_s:.1f} s at a time"
    if each < serialised_below:
        return Outcome.SERIALISED, _what_limits(loaded, seen)
    if each <= LIMITED_UP_TO * offered:
        return Outcome.LIMITED, _what_limits(loaded, seen)
    return Outcome.OK, None


def is_as_set_up(loaded: Loaded) -> bool:
    """Whether as many requests progressed at a time as the server's settings let in."""
    seen = loaded.served
    if seen is None or loaded.set_up >= loaded.offered:
        return False
    # What is alone in its process waits for no other request there, however slow it is.
    is_alone = loaded.set_up <= seen.processes
    progressed = seen.in_flight if is_alone else seen.at_a_time or 0.0
    return progressed >= AS_SET_UP * loaded.set_up


def _faster_but_for(loaded: Loaded, seen: Served) -> float:
    """By how much more went on at a time but for when nothing moved: a pause is no queue."""
    lasted_s = seen.left * (seen.service_ms or 0.0) / 1000 / (seen.at_a_time or 1.0)
    moved_s = lasted_s - sum(loaded.standstills)
    return lasted_s / moved_s if 0 < moved_s < lasted_s else 1.0


def _what_limits(loaded: Loaded, seen: Served) -> str:
    """What keeps requests from progressing together, as far as it can be told."""
    if is_as_set_up(loaded):
        return f"the server takes {loaded.set_up} at a time"
    if loaded.cpu_share / seen.processes >= COMPUTES_FROM:
        return "the server computes: one thread of a process runs at a time"
    if seen.in_flight >= INSIDE_FROM * loaded.offered:
        return "requests wait inside the application: for a lock, a pool, or the interpreter"
    return "requests wait before the application: for the event loop, a thread, or a process"


def with_exception(reason: str, log: str) -> str:
    """A failure with the exception that the server's log has for it, and how often."""
    why = exception_line(log)
    if not why:
        return reason
    times = Counter(exceptions(log))[why]
    return f"{reason}; the server: {why}" + (f" ({times} times)" if times > 1 else "")


def flaw(
    figures: AbFigures, answers: Answers | None, requests: int, right: Right = WORKLOAD.right
) -> str | None:
    """Why a report that `ab` ended well is not accepted, None where it is.

    Without `answers`, which the server's processes recorded, there is only what `ab` counted: a
    status of 500 is no failure to it, so its `Non-2xx` line counts as well.
    """
    if figures.complete != requests:
        return f"{figures.complete:,} of {requests:,} requests complete"
    if answers is not None:
        return _wrong(answers, requests) if answers.right < requests else None
    if has_wrong_status(figures, right):
        return f"{figures.non_2xx:,} answers with a status other than 2xx"
    if figures.failed:
        return f"ab counted {figures.failed:,} failed requests"
    return None


def _wrong(answers: Answers, requests: int) -> str:
    kinds = {
        "with a wrong status": answers.wrong_status,
        "with a wrong length": answers.wrong_length,
        "empty or broken off": answers.missing,
    }
    parts = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items() if number)
    return f"{requests - answers.right:,} of {requests:,} answers were not right: {parts}"
