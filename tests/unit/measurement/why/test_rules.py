"""Each rule has a case, and no other rule takes it; what no rule fits claims nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.measurement.why.facts import Facts
from runner.measurement.why.line import why
from runner.measurement.why.rules import Rule, explained, rules
from runner.measurement.why.seen import Look, Scan, Seen
from runner.outcome import Outcome
from tests.unit.measurement.why.cases import APP, CASES, ENTRY, HUB, Case, main, stack


def test_each_rule_has_a_case_and_a_name_of_its_own() -> None:
    assert [rule.name for rule in rules()] == list(dict.fromkeys(rule.name for rule in rules()))
    assert {rule.name for rule in rules()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_explained_by_its_rule(name: str) -> None:
    found = explained(CASES[name].facts)
    assert found is not None
    assert (found[0].name, found[1]) == (name, CASES[name].line)
    assert why(CASES[name].facts) == CASES[name].line


@pytest.mark.parametrize("name", CASES)
def test_what_just_works_has_no_line(name: str) -> None:
    quiet = replace(
        CASES[name].facts, outcome=Outcome.OK, exceptions={}, ignored={}, stalled_s=None
    )
    assert why(quiet) is None


def test_what_no_rule_fits_is_told_as_it_was_seen() -> None:
    at = f"{APP}:12 answer"
    case = Case(line="", names=(), threads=(main(at, ENTRY, syscall=99),))
    facts = replace(case.facts, outcome=Outcome.LIMITED)
    assert explained(facts) is None
    assert why(facts) == (
        "not explained; seen in 20 of 21 looks: the main thread at shop/orders.py:12 "
        "(system call 99)"
    )


def test_of_nothing_seen_nothing_is_said() -> None:
    assert why(replace(CASES["exception-of-the-server"].facts, exceptions={})) is None


def test_an_ok_cell_has_a_line_for_tracebacks_and_for_a_loop_that_stood_still() -> None:
    with_tracebacks = replace(CASES["exception-of-the-server"].facts, outcome=Outcome.OK)
    assert why(with_tracebacks) == "OSError: no space (2 times)"
    grpc = replace(CASES["grpc-in-the-loop"], outcome=Outcome.OK, idle=18)
    assert why(grpc.facts) is None
    line = why(replace(grpc.facts, stalled_s=9.8)) or ""
    assert "the loop was blocked for up to 9.8 s at a time" in line


def test_of_an_ok_cell_only_its_tracebacks_are_explained() -> None:
    pool = CASES["pool-of-sqlalchemy"].facts
    found = why(replace(pool, outcome=Outcome.OK, exceptions={"OSError: no space": 2}))
    assert found == "OSError: no space (2 times)"
    forks = replace(CASES["fork-hook-of-gevent"].facts, outcome=Outcome.OK)
    assert "gevent 25.5.1 printed 115 tracebacks" in (why(forks) or "")


def test_a_loop_that_waits_for_events_is_not_blocked() -> None:
    case = Case(line="", threads=(main(HUB, syscall=232),))
    assert explained(case.facts) is None


def test_a_rule_of_a_finding_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no finding 'x'"):
        Rule(name="a", found="x", says="")


def test_gunicorns_master_is_told_from_its_worker_where_both_are_patched() -> None:
    """In both the main thread waits for events; only in one the arbiter's own greenlet waits."""
    idle = (main(HUB, syscall=232),)
    arbiter, sleep = "/site/gunicorn/arbiter.py:633 manage", "/site/gevent/hub.py:166 sleep"
    worker = stack(sleep, "/site/gunicorn/workers/ggevent.py:87 run", arbiter)
    looks = (
        Look(taken_ns=1, pid=7, cpu_ns=1, threads=idle, greenlets=(stack(sleep, arbiter),)),
        Look(taken_ns=2, pid=7, cpu_ns=1, threads=idle),
        Look(taken_ns=3, pid=8, cpu_ns=1, threads=idle, greenlets=(worker,)),
    )
    facts = Facts(outcome=Outcome.SERIALISED, seen=Seen(asked=3, looks=looks))
    assert facts.masters == {7}
    assert [look.pid for look in facts.looks] == [8]


def test_an_abort_by_grpc_counts_where_the_channel_is_of_before_the_fork() -> None:
    said = "[mutex.cc : 933] RAW: Check w->waitp->cond == nullptr failed: Mutex::Fer\n"
    case = CASES["channel-before-fork"].facts
    aborted = replace(case, exceptions={}, log=said, outcome=Outcome.FAILED_REQUESTS)
    assert "the worker was aborted, Check w->waitp->cond == nullptr failed" in (why(aborted) or "")
    assert why(replace(aborted, seen=Seen())) is None


def test_an_rlock_that_nobody_shared_is_not_blamed() -> None:
    facts = CASES["rlock-before-the-patch"].facts
    looks = tuple(
        look.model_copy(update={"scan": look.scan and _held_once(look.scan)})
        for look in facts.seen.looks
    )
    assert explained(replace(facts, seen=Seen(asked=1, looks=looks))) is None


def _held_once(scan: Scan) -> Scan:
    once = tuple(lock.model_copy(update={"times": 1}) for lock in scan.locks)
    return scan.model_copy(update={"locks": once})
