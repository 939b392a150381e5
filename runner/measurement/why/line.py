"""The line itself: for which launches there is one, and what it says."""

from __future__ import annotations

from typing import Final

from runner.measurement.why.facts import Facts
from runner.measurement.why.findings import seen_most
from runner.measurement.why.rules import explained
from runner.outcome import Kind, Outcome

#: Outcomes with figures that need a reason.
HELD_BACK: Final = (Outcome.LIMITED, Outcome.SERIALISED)


def is_due(facts: Facts) -> bool:
    """Whether a launch is to be explained: not one that just works."""
    if facts.outcome is Outcome.OK:
        return facts.is_stalled or bool(facts.exceptions or facts.ignored)
    return facts.outcome in HELD_BACK or facts.outcome.kind in {Kind.HANG, Kind.FAILURE}


def why(facts: Facts) -> str | None:
    """One line: who waits for what or holds it, where, and what helps; None where none is due.

    Where no rule fits it says what was seen, and claims nothing.
    """
    if not is_due(facts):
        return None
    found = explained(facts)
    return found[1] if found else seen_most(facts)
