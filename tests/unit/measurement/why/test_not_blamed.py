"""What looks like a known cause and is another: the rule that comes to mind does not take it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.measurement.why.facts import Facts
from runner.measurement.why.line import why
from runner.measurement.why.places import OURS
from runner.measurement.why.rules import explained
from runner.measurement.why.seen import Look, Scan, Seen, Stack
from runner.outcome import Outcome
from tests.unit.measurement.why.cases import (
    ALL,
    APP,
    ASYNC,
    CASES,
    ENTRY,
    FUTEX,
    INTO_SSL,
    MASTER_WITH_A_CHANNEL,
    NO_THREADS,
    NON_SOCKET,
    POLL,
    SLEEP,
    Case,
    lock,
    main,
    request,
)

UNKNOWN: frozenset[str] = frozenset()
SOCKETS = frozenset({"socket"})
POOLS = "/usr/lib/python3.11/concurrent/futures/thread.py"


def rule_of(facts: Facts) -> str | None:
    found = explained(facts)
    return found[0].name if found else None


@pytest.mark.parametrize(
    ("name", "modules", "instead"),
    [
        # Without a patch, or with threads, an asyncio loop within another is of one request.
        ("two-loops-in-a-thread", UNKNOWN, "exception-of-wrong-answers"),
        ("two-loops-in-a-thread", NO_THREADS, "exception-of-wrong-answers"),
        ("ssl-context-made-before-the-patch", UNKNOWN, "exception-of-wrong-answers"),
        ("ssl-context-made-before-the-patch", SOCKETS, "exception-of-wrong-answers"),
        # An application may use gevent's queue by itself.
        ("queue-without-attributes", UNKNOWN, "exception-of-the-server"),
        ("queue-without-attributes", ALL - {"queue"}, "exception-of-the-server"),
        ("hub-of-another-thread", UNKNOWN, "greenlet-of-another-thread"),
        ("hub-of-another-thread", ALL, "greenlet-of-another-thread"),
        ("pool-thread-in-a-loop-of-its-own", UNKNOWN, "pool-thread-at-a-gevent-queue"),
        ("pool-thread-in-a-loop-of-its-own", ALL, "pool-thread-at-a-gevent-queue"),
        # Locks and queues are native there, whenever they were made.
        ("native-queue", SOCKETS, "compiled-code-in-the-loop"),
    ],
)
def test_what_needs_a_patch_is_not_claimed_without_it(
    name: str, modules: frozenset[str], instead: str
) -> None:
    facts = replace(CASES[name], names=()).facts
    assert rule_of(replace(facts, gevent_modules=modules)) == instead


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        (f"{APP}:4 work", "native-lock"),
        (
            "/usr/lib/python3.11/concurrent/futures/thread.py:3 x",
            "executor-lock-before-the-patch-of-a-newer-gevent",
        ),
    ],
)
def test_a_lock_is_not_of_before_a_patch_that_replaces_none(at: str, rule: str) -> None:
    calls = ("its.lock _thread.lock _thread",)
    threads = (main(at, f"{APP}:3 answer", ENTRY, calls=calls, syscall=FUTEX),)
    facts = Case(line="", names=(), threads=threads).facts
    assert rule_of(replace(facts, gevent_modules=ALL)) == rule
    assert rule_of(replace(facts, gevent_modules=SOCKETS)) == "compiled-code-in-the-loop"


def test_what_is_bound_to_an_original_shows_a_patch_and_not_what_it_left_alone() -> None:
    facts = CASES["native-lock"].facts
    assert not facts.gevent_modules
    assert facts.replaces("threading")
    assert not facts.keeps("socket")
    queue = Case(line="", names=(), locks=(lock("app", "jobs", "SimpleQueue"),)).facts
    assert (queue.replaces("queue"), queue.replaces("threading")) == (True, False)
    assert replace(queue, gevent_modules=SOCKETS).keeps("threading")


NESTED = f"""Traceback (most recent call last):
  File "{APP}", line 5, in answer
    asyncio.run(outer())
  File "/usr/lib/python3.11/asyncio/base_events.py", line 654, in run_until_complete
    return future.result()
  File "{APP}", line 9, in outer
    asyncio.run(inner())
  File "/usr/lib/python3.11/asyncio/runners.py", line 186, in run
"""


@pytest.mark.parametrize(
    ("traceback", "rule"),
    [
        (NESTED, "exception-of-wrong-answers"),
        # asyncio's own check is in a loop's method; what it complains of is another's loop.
        (NESTED.partition(f'  File "{APP}", line 9')[0], "two-loops-in-a-thread"),
    ],
)
def test_a_loop_that_a_coroutine_starts_is_not_of_another_request(
    traceback: str, rule: str
) -> None:
    facts = CASES["two-loops-in-a-thread"].facts
    assert rule_of(replace(facts, log=f"{traceback}{ASYNC}\n")) == rule


def test_an_attribute_that_any_class_named_queue_lacks_is_not_gevents() -> None:
    facts = CASES["queue-without-attributes"].facts
    other = "AttributeError: 'Queue' object has no attribute 'Empty'"
    assert rule_of(replace(facts, exceptions={other: 1})) == "exception-of-the-server"


OTHER = f"""Traceback (most recent call last):
  File "{APP}", line 77, in other
    f(f)
{{}}
"""


def test_an_exception_is_told_with_its_own_traceback() -> None:
    """The last one in the log is another's."""
    case = CASES["ssl-context-before-the-patch"]
    log = case.facts.log + OTHER.format("KeyError: 1")
    found = why(replace(case.facts, log=log)) or ""
    assert found == case.line
    # A recursion that is not ssl's, before an exception that is raised in ssl.
    text = "RecursionError: maximum recursion depth exceeded"
    in_ssl = INTO_SSL.format(APP).replace(text, "ssl.SSLError: no")
    facts = CASES["ssl-context-made-before-the-patch"].facts
    assert rule_of(replace(facts, log=OTHER.format(text) + in_ssl)) == "exception-of-wrong-answers"


def master_at(file: str) -> Seen:
    """A process that has a channel, and whose main thread is there."""
    threads = (main(f"{file}:42 wait", syscall=FUTEX),)
    return Seen(asked=1, looks=(MASTER_WITH_A_CHANNEL.model_copy(update={"threads": threads}),))


@pytest.mark.parametrize(
    "more",
    [
        # An upstream that is down, beside a channel in the master that may be fine.
        {"exceptions": {"grpc._channel._InactiveRpcError: failed to connect to all addresses": 3}},
        {"exceptions": {"OSError: [Errno 9] Bad file descriptor": 3}},
        # Another library's check failed.
        {"exceptions": {}, "log": "[arena.cc : 9] RAW: Check size > 0 failed: size\n"},
        # An idle worker of uWSGI, which is no master.
        {"seen": master_at(f"{OURS}servers/_uwsgi.py")},
    ],
)
def test_a_channel_of_the_master_is_not_blamed_for_what_a_fork_does_not_do(
    more: dict[str, Any],
) -> None:
    facts = CASES["channel-before-fork"].facts
    assert rule_of(facts) == "channel-before-fork"
    assert rule_of(replace(facts, **more)) != "channel-before-fork"


@pytest.mark.parametrize(
    "text",
    [
        NON_SOCKET,
        "grpc._channel._MultiThreadedRendezvous: recvmsg: Bad file descriptor (9)",
        "grpc._channel._InactiveRpcError: epoll: bad file descriptor",
    ],
)
def test_a_channel_of_the_master_explains_what_was_seen_of_such(text: str) -> None:
    facts = CASES["channel-before-fork"].facts
    assert rule_of(replace(facts, exceptions={text: 1})) == "channel-before-fork"


@pytest.mark.parametrize(
    "said",
    [
        "Check w->waitp->cv_word == nullptr failed: Mutex::Fer with pending CondVar queueing",
        "Check w->waitp->cond == nullptr failed: Mutex::Fer while waiting on Condition",
        (
            "Check s->waitp == nullptr || s->waitp == waitp || s->suppress_fatal_errors failed: "
            "detected illegal recursion into Mutex code"
        ),
    ],
)
def test_a_channel_of_the_master_explains_the_aborts_that_were_seen(said: str) -> None:
    facts = CASES["channel-before-fork"].facts
    log = f"[mutex.cc : 933] RAW: {said}\n"
    assert f"was aborted, {said}" in (why(replace(facts, exceptions={}, log=log)) or "")


def test_unread_bytes_are_redis_where_they_are_of_redis() -> None:
    case = CASES["abandoned-reply-of-redis"].facts
    other = replace(case, exceptions={}, unread=("127.0.0.1:7803",), services={7803: "db"})
    assert rule_of(other) == "abandoned-reply"
    named = replace(case, services={7000: "redis"}, unread=("127.0.0.1:7000",))
    assert rule_of(named) == "abandoned-reply-of-redis"


def test_unread_bytes_are_the_last_that_is_blamed_for_a_wrong_answer() -> None:
    unread: dict[str, Any] = {"unread": ("127.0.0.1:7803",), "services": {7803: "db"}}
    for name in ("exception-of-wrong-answers", "rlock-before-the-patch"):
        assert rule_of(replace(CASES[name].facts, **unread)) == name


def test_one_that_is_further_on_is_not_said_to_hold_the_lock() -> None:
    line = CASES["lock-held-over-a-wait"].line
    assert why(CASES["lock-held-over-a-wait"].facts) == line
    assert "holds" not in line


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome.LIMITED, "not explained; the log has "),
        (Outcome.SERIALISED, "not explained; the log has "),
        (Outcome.HANG_AT_FIRST_REQUEST, "not explained; the log has "),
        (Outcome.CRASHED, ""),
        (Outcome.OK, ""),
    ],
)
def test_a_traceback_is_no_cause_of_a_wait(outcome: Outcome, says: str) -> None:
    facts = replace(CASES["exception-of-the-server"].facts, outcome=outcome)
    found = explained(facts)
    assert found is not None
    assert found[1] == f"{says}OSError: no space (2 times)"
    assert found[0].explains is (not says)


def test_a_thread_whose_wait_is_not_known_is_not_said_to_wait() -> None:
    at = f"{APP}:12 answer"
    looks = tuple(
        Look(taken_ns=n, pid=8, cpu_ns=1, threads=(main(at, ENTRY, syscall=call),), scan=Scan())
        for n, call in enumerate([None] * 20)
    )
    facts = Facts(outcome=Outcome.SERIALISED, gevent_modules=ALL, seen=Seen(asked=20, looks=looks))
    assert explained(facts) is None
    known = main(at, ENTRY, syscall=SLEEP)
    seen = tuple(look.model_copy(update={"threads": (known,)}) for look in looks)
    assert rule_of(replace(facts, seen=Seen(asked=20, looks=seen))) == "compiled-code-in-the-loop"


@pytest.mark.parametrize(
    ("outcome", "elsewhere", "rule"),
    [
        (Outcome.LIMITED, 0.88, "others-use-the-cpus"),
        (Outcome.LIMITED, 0.7, "waits-at-one-place"),
        # One at a time has nearly always another cause.
        (Outcome.SERIALISED, 0.88, "waits-at-one-place"),
    ],
)
def test_where_requests_wait_is_not_said_where_others_have_the_cpus(
    outcome: Outcome, elsewhere: float, rule: str
) -> None:
    facts = CASES["others-use-the-cpus"].facts
    assert rule_of(replace(facts, outcome=outcome, elsewhere=elsewhere)) == rule


def test_clients_that_come_together_are_not_said_to_wait_where_they_were_once() -> None:
    """Ten connect at the same moment; then nine wait for a row, mostly with one further on."""

    def at(line: int, number: int) -> Stack:
        return request(f"{APP}:{line} answer", number=number, syscall=POLL)

    moments = [(at(24, 9), at(27, 1)), (at(27, 10),), *[(at(27, 9), at(29, 1))] * 2]
    looks = tuple(
        Look(taken_ns=n, pid=8, cpu_ns=1, threads=threads) for n, threads in enumerate(moments)
    )
    facts = Facts(outcome=Outcome.SERIALISED, seen=Seen(asked=4, looks=looks))
    assert why(facts) == (
        "9 of 10 requests wait (poll) at shop/orders.py:27, while one is further on, at "
        "shop/orders.py:29"
    )


def test_a_popen_of_another_module_or_elsewhere_in_the_log_is_not_blamed() -> None:
    case = CASES["popen-before-the-patch"]
    assert rule_of(case.facts) == "popen-before-the-patch"
    (name,) = case.names
    elsewhere = case.more["log"].replace("in _execute_child", "in wait")
    for other in (
        replace(case, names=(name.model_copy(update={"module": "shop"}),)),
        replace(case, names=(name.model_copy(update={"original": "subprocess.call"}),)),
        replace(case, more={"log": elsewhere}),
        replace(case, more={"log": case.more["log"].replace("/subprocess.py", "/gevent/x.py")}),
    ):
        assert rule_of(other.facts) == "exception-of-wrong-answers"
