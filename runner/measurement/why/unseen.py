"""What looks do not show: a process that takes none, replies that nobody took, the log's asides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from runner.measurement.why import places
from runner.measurement.why.facts import Facts
from runner.text import counted


def no_answer_to_a_look(facts: Facts) -> Mapping[str, str] | None:
    """No Python runs in a process: its interpreter is held by compiled code."""
    if not facts.seen.silent:
        return None
    place = places.first(facts.interrupted, places.is_application)
    calls = " or ".join(f"{name}()" for name in facts.calls)
    return {
        "calls": calls,
        "from": f" in {calls or 'what is'}, called from {places.text(place)}" if place else "",
    }


def unread_replies(facts: Facts) -> Mapping[str, str] | None:
    """Nothing is in work, and a service sent what nobody took."""
    peers = Counter(one for one in facts.unread if int(one.rpartition(":")[2]) in facts.services)
    if not peers:
        return None
    most, number = peers.most_common(1)[0]
    return {"peer": facts.peer(most), "connections": counted(number, "connection")}


def ignored_exception(facts: Facts) -> Mapping[str, str] | None:
    """What Python printed most often of the exceptions that it does not pass on."""
    if not facts.ignored:
        return None
    (exception, frame), number = Counter(facts.ignored).most_common(1)[0]
    library = facts.distribution(frame.file) or facts.distribution(places.module_of(frame))
    return {
        "exception": exception,
        "where": places.text(frame),
        "function": frame.function,
        "library": library or "",
        "of": f" of {library}" if library else "",
        "tracebacks": counted(number, "traceback"),
    }
