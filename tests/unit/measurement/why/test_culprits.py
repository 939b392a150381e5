"""What is near a wait, or on its line, and is not its cause, is not blamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runner.measurement.why.facts import Facts
from runner.measurement.why.line import why
from runner.measurement.why.rules import explained
from runner.measurement.why.seen import Name
from runner.outcome import Outcome
from tests.unit.measurement.why.cases import (
    ALL,
    APP,
    CASES,
    ENTRY,
    FUTEX,
    METHOD,
    POLL,
    RECVFROM,
    Case,
    in_c,
    lock,
    main,
    request,
)

FUNCTION = "builtins.function"
BUILTIN = "builtins.builtin_function_or_method"
CYTHON = "_cython_3_0_11.cython_function_or_method"
DRIVER = ("cur.execute", METHOD, "psycopg2.extensions")
FORK = "/site/gevent/os.py:558 fork_and_watch"
REDIS = "/site/redis/_parsers/socket.py:45 _read_from_socket"
RECV = f"SocketBuffer._sock.recv {METHOD} _socket"
POOL = "/site/redis/connection.py:1138"
GATE = lock("shop", "gate")
SELECT = "/usr/lib/python3.11/selectors.py:468 select"


def blocked(*frames: str, calls: tuple[str, ...] = (), **more: Any) -> Case:
    """The loop's thread is at one place."""
    syscall = more.pop("syscall", POLL)
    at = frames or (f"{APP}:12 answer", ENTRY)
    return Case(line="", threads=(main(*at, calls=calls, syscall=syscall),), **more)


def rule(facts: Facts) -> str | None:
    found = explained(facts)
    return found and found[0].name


@pytest.mark.parametrize(
    ("calls", "named"),
    [
        ([("jsonify", FUNCTION, "zmq.backend"), DRIVER], "psycopg2-binary 2.9.10 waits"),
        ([("wait", CYTHON, "psycopg_binary._psycopg")], "psycopg-binary 3.1.8 waits"),
        ([("jsonify", FUNCTION, "zmq.backend")], "shop/orders.py:12 waits"),
        ([("Context", "builtins.type", "zmq.backend")], "shop/orders.py:12 waits"),
        ([("jsonify", FUNCTION, "zmq.backend"), ("c.run", METHOD, "sqlite3")], "sqlite3 waits"),
        ([("unpack", METHOD, "_struct"), DRIVER], "psycopg2-binary 2.9.10 waits"),
    ],
)
def test_only_compiled_code_can_wait_without_a_frame(
    calls: list[tuple[str, str, str]], named: str
) -> None:
    assert (why(blocked(calls=tuple(map(" ".join, calls))).facts) or "").startswith(named)


def test_a_socket_is_of_before_the_patch_only_where_gevent_has_its_own() -> None:
    case = blocked(REDIS, f"{APP}:7 answer", calls=(RECV,), syscall=RECVFROM)
    assert rule(case.facts) == "socket-before-the-patch"
    known = frozenset({"socket", "threading"})
    assert rule(replace(case.facts, gevent_modules=known)) == "socket-before-the-patch"
    for facts in (
        replace(case.facts, gevent_modules=frozenset({"threading"})),
        # gevent's own sockets have such a one inside, which never waits.
        blocked("/site/gevent/_socket3.py:9 recv", calls=(RECV,)).facts,
        # A driver's own wait is not at the socket that its line names.
        blocked(REDIS, calls=(" ".join(DRIVER), RECV)).facts,
    ):
        assert rule(facts) not in {"socket-before-the-patch", None}


def test_a_lock_that_nothing_on_the_line_names_is_blamed_at_a_fork_alone() -> None:
    forks = [
        blocked(FORK, f"{APP}:9 run", syscall=FUTEX, locks=(GATE,)),
        blocked(
            "/usr/lib/python3.11/multiprocessing/popen_fork.py:66 _launch",
            f"{APP}:9 run",
            calls=("os.fork builtins.builtin_function_or_method posix",),
            syscall=FUTEX,
            locks=(GATE,),
        ),
    ]
    assert [rule(one.facts) for one in forks] == ["native-lock"] * 2
    flush = f"producer.flush {METHOD} confluent_kafka.cimpl"
    elsewhere = blocked(calls=(flush,), syscall=FUTEX, locks=(GATE,))
    assert rule(elsewhere.facts) == "kafka-in-the-loop"
    for frames in ((f"{APP}:12 answer",), ("/site/gevent/_threading.py:36 acquire",)):
        unnamed = blocked(*frames, syscall=FUTEX, locks=(GATE,))
        assert rule(unnamed.facts) == "compiled-code-in-the-loop"
    both = blocked(FORK, calls=(flush,), syscall=FUTEX, locks=(GATE,))
    assert rule(both.facts) == "kafka-in-the-loop"


def test_a_class_of_before_the_patch_is_named_where_it_is_used() -> None:
    def said(original: str, *frames: str, module: str = "shop.orders", calls: str = RECV) -> str:
        names = (Name(module=module, name="made", original=original),)
        at = blocked(*frames, f"{APP}:12 answer", ENTRY, calls=(calls,), names=names)
        return why(at.facts) or ""

    popen = "/usr/lib/python3.11/subprocess.py:2115 _communicate"
    poll = f"EpollSelector._selector.poll {METHOD} select"
    says = "shop.orders.made is the unpatched "
    line = said("subprocess.Popen", SELECT, popen, calls=poll)
    assert line.startswith(
        f"{says}subprocess.Popen: it was imported before the patch (poll, called "
    )
    assert "from shop/orders.py:12); the event loop was blocked" in line
    assert said("socket.socket").startswith(f"{says}socket.socket: it was imported before")
    for other in (
        said("subprocess.Popen", SELECT, calls=poll),
        said("subprocess.Popen", SELECT, popen, calls=poll, module="shop"),
        said("subprocess.Popen", SELECT, "/site/gevent/subprocess.py:9 wait", calls=poll),
        said("socket.socketpair"),
        said("socket.socket", SELECT, calls=poll),
        said("socket.socket", module="shop"),
        said("time.sleep"),
    ):
        assert "is the unpatched" not in other


def test_the_main_thread_of_a_server_with_native_threads_is_no_loop() -> None:
    poll = f"EpollSelector._selector.poll {METHOD} select"
    waits = request("/site/gevent/hub.py:647 run", f"{APP}:4 answer")
    accepts = main(SELECT, calls=(poll,), syscall=POLL)
    for threads, modules, is_blamed in (
        ((accepts,), {"time"}, True),
        ((accepts, waits), {"time", "threading"}, True),
        ((accepts, waits), {"time"}, False),
    ):
        case = Case(line="", threads=threads, names=(), outcome=Outcome.LIMITED)
        facts = replace(case.facts, gevent_modules=frozenset(modules))
        assert facts.has_loop is is_blamed
        assert ("the event loop was blocked" in (why(facts) or "")) is is_blamed


@pytest.mark.parametrize(
    ("kept", "frames", "called", "part"),
    [
        ("socket", (), ("sock.recv", METHOD, "_socket"), "socket"),
        ("socket", (), ("sock.recv", METHOD, "_ssl"), "socket"),
        ("time", (), ("time.sleep", BUILTIN, "time"), "time"),
        ("time", (), ("nap", FUNCTION, "time"), None),
        ("time", (), ("time.sleep", BUILTIN, "time", *DRIVER), None),
        ("time", (), ("sock.recv", METHOD, "_socket"), None),
        ("subprocess", ("/usr/lib/python3.11/subprocess.py:2050 _try_wait",), (), "subprocess"),
        ("subprocess", ("/site/gevent/subprocess.py:2050 wait",), (), None),
    ],
)
def test_a_part_is_left_out_where_gevent_replaced_others(
    kept: str, frames: tuple[str, ...], called: tuple[str, ...], part: str | None
) -> None:
    calls = tuple(" ".join(called[n : n + 3]) for n in range(0, len(called), 3))
    case = blocked(*frames, f"{APP}:12 answer", ENTRY, calls=calls, names=())
    all_others = frozenset({"queue", "socket", "subprocess", "threading", "time"}) - {kept}
    line = why(replace(case.facts, gevent_modules=all_others)) or ""
    assert ("leaves" in line) is (part is not None)
    assert part is None or line.startswith(f"gevent's patch leaves {part} out, and ")
    unknown = why(replace(case.facts, gevent_modules=frozenset())) or ""
    assert "leaves" not in unknown


def test_a_librarys_own_socket_py_is_no_wrapper_of_pythons() -> None:
    case = blocked(REDIS, calls=(RECV,))
    assert "redis 5.2.1" in (why(case.facts) or "")
    own = blocked("/application/queue.py:4 get", f"{APP}:7 answer", syscall=99)
    assert "queue.py:4 waits" in (why(own.facts) or "")
    pythons = blocked("/usr/lib/python3.11/socket.py:706 readinto", REDIS, calls=(RECV,))
    assert "redis 5.2.1" in (why(pythons.facts) or "")


def share(*others: Any) -> str:
    """What a line says of psycopg2, at one place in three looks of four, with others in one."""
    driver = in_c("psycopg2.extensions", METHOD)
    case = Case(line="", threads=(driver,), idle=17)
    looks = list(case.facts.seen.looks)
    rest = [looks[0].model_copy(update={"threads": (one,)}) for one in others]
    seen = case.facts.seen.model_copy(update={"looks": (*looks[:3], *rest, looks[-1])})
    return why(replace(case.facts, seen=seen)) or ""


def test_only_looks_at_the_place_that_is_named_count_for_it() -> None:
    driver = in_c("psycopg2.extensions", METHOD)
    again = driver.model_copy(update={"frames": (*driver.frames, *driver.frames)})
    assert "blocked for 100 % of the burst" in share(again)
    assert "blocked for 75 % of the burst" in share(in_c("zmq.backend", METHOD))
    elsewhere = driver.frames[0].model_copy(update={"line": 99})
    moved = driver.model_copy(update={"frames": (elsewhere, *driver.frames[1:])})
    assert "blocked for 75 % of the burst" in share(moved)


def test_a_computation_is_one_place_wherever_it_is_inside() -> None:
    lines = [main(f"/site/zmq/x.py:{n} go", f"{APP}:3 answer", syscall="running") for n in (1, 2)]
    case = Case(line="", threads=(lines[0],), idle=18)
    looks = list(case.facts.seen.looks)
    looks[1] = looks[1].model_copy(update={"threads": (lines[1],)})
    looks[2] = looks[2].model_copy(update={"threads": (lines[1],)})
    seen = case.facts.seen.model_copy(update={"looks": (*looks[:3], looks[-1])})
    assert (why(replace(case.facts, seen=seen)) or "").startswith(
        "the thread of the event loop computes at zmq/x.py:2, called from shop/orders.py:3: "
        "nothing else ran for 100 % of the burst"
    )


@pytest.mark.parametrize(
    ("module", "installed", "remedy"),
    [
        ("confluent_kafka.cimpl", {}, "a server with threads"),
        ("_mysql_connector", {}, "a server with threads"),
        ("psycopg_binary._psycopg", {"psycopg": "3.1.8"}, "a server with threads"),
        ("psycopg_binary._psycopg", {"psycopg": "3.1.14"}, "patch: gevent"),
        ("time", {}, "patch: gevent"),
        ("_socket", {}, "patch: gevent"),
    ],
)
def test_a_patch_is_advised_only_where_it_helps(
    module: str, installed: dict[str, str], remedy: str
) -> None:
    case = replace(blocked(calls=(f"f {METHOD} {module}",)), names=(), idle=5)
    facts = replace(case.facts, installed=installed)
    assert (why(facts) or "").endswith(f"remedy: {remedy}")


def test_who_reads_a_reply_or_connects_does_not_wait_for_a_pool() -> None:
    def waits(*functions: str) -> str | None:
        frames = [*(f"{POOL} {one}" for one in functions), f"{APP}:8 answer"]
        queue = "/usr/lib/python3.11/queue.py:171 get"
        at = request(queue, *frames, number=6, syscall=FUTEX)
        return rule(Case(line="", names=(), threads=(at,)).facts)

    assert waits("get_connection") == "pool-of-connections"
    assert waits("read_response") == "waits-at-one-place"
    assert waits("_connect", "connect", "get_connection") == "waits-at-one-place"


def test_a_selector_is_gunicorns_only_under_gunicorn() -> None:
    gunicorn = CASES["selector-before-the-patch"].facts
    assert rule(gunicorn) == "selector-before-the-patch"
    poll = f"EpollSelector._selector.poll {METHOD} select"
    other = blocked(SELECT, f"{APP}:7 answer", ENTRY, calls=(poll,))
    assert rule(other.facts) == "selector-that-is-not-gevents"
    patched = replace(other.facts, gevent_modules=frozenset({"socket"}))
    assert rule(patched) == "part-that-is-left-out"
    # Under werkzeug nothing else runs than what waits for connections.
    accepts = replace(blocked(SELECT, calls=(poll,)).facts, gevent_modules=ALL - {"select"})
    assert rule(accepts) == "part-that-is-left-out"
    native = blocked(SELECT, calls=(poll,), names=()).facts
    in_threads = replace(native, gevent_modules=frozenset({"socket"}))
    assert rule(in_threads) == "compiled-code-in-the-loop"


@pytest.mark.parametrize(
    ("name", "distribution", "older", "newer"),
    [
        ("psycopg3-in-the-loop", "psycopg", "3.1.13", "3.1.14"),
        ("channel-before-fork", "grpcio", "1.76.0", "1.85.3"),
        ("fork-hook-of-gevent", "gevent", "25.5.1", "25.9.1"),
    ],
)
def test_a_version_that_is_installed_is_not_advised(
    name: str, distribution: str, older: str, newer: str
) -> None:
    before = replace(CASES[name].facts, installed={distribution: older})
    assert rule(before) == name
    assert newer in (why(before) or "")
    after = replace(CASES[name].facts, installed={distribution: newer})
    assert rule(after) not in {name, None}
    assert newer not in (why(after) or "")


def test_init_gevent_is_not_advised_where_it_was_called() -> None:
    case = CASES["grpc-in-the-loop"].facts
    assert "init_gevent" in (why(case) or "")
    called = replace(case, grpc_patched=True)
    assert rule(called) == "compiled-code-in-the-loop"
    assert "remedy" not in (why(called) or "")
    unpatched = CASES["grpc-and-nothing-is-patched"].facts
    assert "gevent+grpc" not in (why(replace(unpatched, grpc_patched=True)) or "")
