"""What can be found, by the names that rules have for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.measurement.why import before, ended, findings, threads, unseen
from runner.measurement.why.findings import Finding

FINDINGS: Final[Mapping[str, Finding]] = {
    "exception": before.exception,
    "as-set-up": findings.as_set_up,
    "native-lock": findings.native_lock,
    "blocked-call": findings.blocked_call,
    "computing": findings.computing,
    "lock-wait": findings.lock_wait,
    "same-place": findings.same_place,
    "early-rlock": before.early_rlock,
    "early-channel": before.early_channel,
    "early-local": before.early_local,
    "early-thread": threads.early_thread,
    "shared-socket": before.shared_socket,
    "ending": threads.ending,
    "timed-out": ended.timed_out,
    "no-look": unseen.no_answer_to_a_look,
    "unread-replies": unseen.unread_replies,
    "ignored-exception": unseen.ignored_exception,
    "without-cpu": findings.without_cpu,
    "busy-machine": findings.busy_machine,
    "stalled": findings.stalled,
}
