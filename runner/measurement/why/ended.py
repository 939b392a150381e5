"""Workers that gunicorn's master ended, because they had not reported for too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.measurement.server_log import TIMED_OUT, traceback_of
from runner.measurement.why.before import application_in
from runner.measurement.why.facts import Facts
from runner.measurement.why.findings import blocked_call
from runner.text import counted

#: What a worker ends with that gunicorn asked to: the traceback is that of what it was at.
ASKED_TO_END: Final = "SystemExit: 1"


def timed_out(facts: Facts) -> Mapping[str, str] | None:
    """How many workers were ended, and what the thread was at that did not report."""
    number = facts.log.count(TIMED_OUT)
    if not number:
        return None
    call = blocked_call(facts)
    at = f", while {call['library']} waited ({call['call']}){call['from']}" if call else ""
    said = application_in(traceback_of(ASKED_TO_END, facts.log))
    return {"workers": counted(number, "worker"), "at": at or said}
