"""Threads that a fork left behind or that an end waits for, and what each thread has alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.measurement.why.facts import Facts
from runner.measurement.why.line import why
from runner.measurement.why.rules import explained
from runner.measurement.why.seen import Seen
from runner.outcome import Outcome
from tests.unit.measurement.why.cases import (
    ALL,
    APP,
    CASES,
    FUTEX,
    HANG,
    IN_APP,
    METHOD,
    POOL_WAITS,
    SLEEP,
    STARTED,
    WAIT,
    Case,
    forked,
    frame,
    in_c,
    lock,
    main,
    request,
    stack,
)

SCHEDULER = "/site/apscheduler/blocking.py:30 _main_loop"
SHUTDOWN = "/usr/lib/python3.11/threading.py:1583 _shutdown"
SAID_AT = "`timeout`, called from shop/orders.py:12; remedy"
HUB = "/site/eventlet/hubs/hub.py:310 run"


def rule(facts: Facts) -> str | None:
    found = explained(facts)
    return found and found[0].name


def of(seen: Seen, outcome: Outcome = HANG) -> str | None:
    return rule(Case(line="", names=(), outcome=outcome, more={"seen": seen}).facts)


def test_a_thread_of_the_master_is_blamed_for_a_hang_and_else_in_its_own_library_alone() -> None:
    seen = forked(f"{APP}:7 ask", SCHEDULER)
    assert of(seen) == "thread-of-the-master"
    for outcome in (Outcome.SERIALISED, Outcome.LIMITED, Outcome.FAILED_REQUESTS):
        assert of(seen, outcome) not in {
            "thread-of-the-master",
            "thread-of-the-master-in-its-library",
        }
        pool = forked(f"{POOL_WAITS}:9 wait", SCHEDULER, "/site/psycopg_pool/sched.py:77 run")
        assert of(pool, outcome) == "thread-of-the-master-in-its-library"


def test_a_thread_that_the_worker_has_too_was_not_left_behind() -> None:
    assert of(forked(f"{APP}:7 ask", found=SCHEDULER)) == "waits-at-one-place"
    master, worker = forked(f"{APP}:7 ask", SCHEDULER).looks
    line = SCHEDULER.replace(":30", ":31")
    for threads, greenlets in ((stack(line, *STARTED), None), (None, (stack(line, *STARTED),))):
        had = worker.model_copy(
            update={
                "threads": (*worker.threads, *filter(None, [threads])),
                "greenlets": greenlets,
            }
        )
        assert of(Seen(asked=2, looks=(master, had))) == "waits-at-one-place"


def test_a_pool_of_the_servers_own_whose_threads_are_requests_is_another_pool() -> None:
    pool = "/usr/lib/python3.11/concurrent/futures/thread.py:81 _worker"
    master, worker = forked(f"{APP}:7 ask", pool).looks
    asked = request(WAIT, f"{APP}:7 ask").frames
    of_a_pool = worker.threads[0].model_copy(update={"frames": (*asked, frame(pool))})
    seen = Seen(
        asked=2,
        looks=(master, worker.model_copy(update={"threads": (of_a_pool, worker.threads[1])})),
    )
    line = why(Case(line="", names=(), outcome=HANG, more={"seen": seen}).facts) or ""
    assert "and that of concurrent.futures.thread, started in the server's master, is not" in line


def test_a_request_that_waits_for_a_lock_waits_for_no_thread() -> None:
    master, worker = forked(f"{APP}:7 ask", SCHEDULER).looks
    waiting = request(f"{APP}:7 ask", number=3, syscall=FUTEX)
    at_a_lock = worker.model_copy(update={"threads": (waiting,)})
    assert of(Seen(asked=2, looks=(master, at_a_lock))) == "waits-at-one-place"


def test_a_server_that_forks_nothing_has_no_master() -> None:
    _, worker = forked(f"{APP}:7 ask").looks
    alone = worker.model_copy(
        update={"threads": (*worker.threads, stack(SCHEDULER, *STARTED), main(WAIT))}
    )
    assert of(Seen(asked=1, looks=(alone,))) == "waits-at-one-place"


@pytest.mark.parametrize(
    ("others", "thread"),
    [
        ((), "a thread"),
        ((stack(SCHEDULER, *STARTED),), "that of apscheduler"),
        ((stack(f"{APP}:3 a", *STARTED), stack(f"{APP}:9 b", *STARTED)), "the one at"),
        ((request(f"{APP}:3 a"),), "a thread"),
    ],
)
def test_who_the_end_of_a_process_waits_for(others: tuple[object, ...], thread: str) -> None:
    threads = (main(SHUTDOWN, syscall=FUTEX), *others)
    case = replace(CASES["worker-ends-and-waits-for-a-thread"], threads=threads)  # type: ignore[arg-type]
    assert f"has ended its work, and waits for {thread}" in (why(case.facts) or "")


@pytest.mark.parametrize("at", [WAIT, f"{APP}:3 _shutdown"])
def test_who_waits_elsewhere_is_not_at_its_end(at: str) -> None:
    threads = (main(at, syscall=FUTEX), stack(f"{APP}:11 report", *STARTED, syscall=SLEEP))
    case = replace(CASES["worker-ends-and-waits-for-a-thread"], threads=threads)
    assert rule(case.facts) is None


def test_only_the_applications_own_local_is_named_and_only_where_one_was_replaced() -> None:
    case = CASES["local-before-the-patch"]
    two = replace(case, locks=(lock("a", "x", "local"), lock("b.c", "y", "local")))
    assert "a.x and b.c.y are each a threading.local" in (why(two.facts) or "")
    for locks in (
        (lock("zmq.backend", "values", "local"), lock("decimal", "values", "local")),
        (lock("shop", "current"),),
        (),
    ):
        other = replace(case, locks=locks, names=(), more={"gevent_modules": ALL})
        assert rule(other.facts) == "exception-of-wrong-answers"


def test_a_queue_that_a_line_calls_otherwise_is_named_if_there_is_one_alone() -> None:
    at = "/usr/lib/python3.11/concurrent/futures/thread.py:81 _worker"
    calls = ("work_queue.get builtins.builtin_function_or_method _queue",)
    one = (lock("shop", "pool._work_queue", "SimpleQueue"),)
    case = Case(line="", outcome=HANG, locks=one, threads=(main(at, calls=calls, syscall=FUTEX),))
    assert (why(case.facts) or "").startswith(
        "shop has a queue made before the patch: shop.pool._work_queue; the event loop waits for "
        "it at concurrent/futures/thread.py:81; remedy: patch before shop is imported"
    )
    two = replace(case, locks=(*one, lock("shop", "other._work_queue", "SimpleQueue")))
    assert "concurrent.futures.thread has a queue made before the patch: work_queue.get" in (
        why(two.facts) or ""
    )


def test_an_exception_of_one_request_is_no_shared_socket() -> None:
    case = CASES["socket-of-two-requests"]
    closed = "OSError: [Errno 9] File descriptor was closed in another greenlet"
    assert rule(replace(case, exceptions=(closed,)).facts) == "socket-of-two-requests"
    own = replace(case, exceptions=("OSError: [Errno 9] Bad file descriptor",))
    assert rule(own.facts) == "exception-of-wrong-answers"


def test_what_a_worker_was_at_that_gunicorn_ended_is_of_its_own_traceback_or_was_seen() -> None:
    case = replace(CASES["worker-timeout"], threads=())
    log = "[CRITICAL] WORKER TIMEOUT (pid:9)\n"
    later = IN_APP.format("ValueError: x").replace("line 12", "line 99")
    ended = log + IN_APP.format("SystemExit: 1") + later
    said = {log + later: "`timeout`; remedy", ended: SAID_AT}
    for text, line in said.items():
        assert line in (why(replace(case, more={"log": text}).facts) or "")
    other = replace(case, more={"log": IN_APP.format("SystemExit: 1")})
    assert rule(other.facts) == "exception-of-wrong-answers"


def test_of_eventlet_nothing_is_said_that_is_true_of_gevent_alone() -> None:
    case = CASES["outside-of-eventlet"]
    idle = replace(case, threads=(main(HUB, syscall=SLEEP),), greenlets=None)
    assert rule(idle.facts) is None
    gevents = replace(case, threads=(in_c("psycopg2.extensions", METHOD),), greenlets=())
    assert rule(replace(gevents.facts, gevent_modules=ALL)) == "psycopg2-in-the-loop"
