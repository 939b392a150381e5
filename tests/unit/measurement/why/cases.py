"""A case for each rule: what was seen, in short, and the line that must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runner.measurement.why.facts import Facts
from runner.measurement.why.places import OURS
from runner.measurement.why.seen import Called, Frame, Lock, Look, Name, Scan, Seen, Stack
from runner.outcome import Outcome

ENTRY = "/server/monkey_matrix_server/recording.py:64 __call__"
HUB = "/site/gevent/hub.py:647 run"
APP = "/application/shop/orders.py"
READ, POLL, RECVFROM, FUTEX, SLEEP, EPOLL = 0, 7, 45, 202, 230, 232
NAMES = (Name(module="functools", name="RLock", original="threading._CRLock"),)
DISTRIBUTIONS = {
    "gevent.threading": ("gevent", "25.5.1"),
    "psycopg2.extensions": ("psycopg2_binary", "2.9.10"),
    "psycopg_binary._psycopg": ("psycopg_binary", "3.1.8"),
    "confluent_kafka.cimpl": ("confluent_kafka", "2.11.1"),
    "/site/redis/_parsers/socket.py": ("redis", "5.2.1"),
    "/site/pika/adapters/select_connection.py": ("pika", "1.3.2"),
    "_mysql_connector": ("mysql_connector_python", "9.5.0"),
    "/site/grpc/_channel.py": ("grpcio", "1.76.0"),
    "/site/sqlalchemy/pool/impl.py": ("SQLAlchemy", "2.0.44"),
    "/site/psycopg_pool/pool.py": ("psycopg_pool", "3.2.6"),
    "psycopg_pool.sched": ("psycopg_pool", "3.2.6"),
    "/site/asgiref/sync.py": ("asgiref", "3.13.0"),
    "/site/gunicorn/workers/gthread.py": ("gunicorn", "25.0.1"),
    "gunicorn.workers.gthread": ("gunicorn", "25.0.1"),
    "urllib3.util": ("urllib3", "2.8.0"),
    "zmq.backend": ("pyzmq", "27.1.0"),
}


def frame(text: str) -> Frame:
    """`file:12 function`."""
    place, _, function = text.rpartition(" ")
    file, _, line = place.rpartition(":")
    return Frame(file=file, line=int(line), function=function)


def stack(*frames: str, number: int = 1, calls: tuple[str, ...] = (), **more: Any) -> Stack:
    """Frames, the innermost first; calls are `name type module`."""
    named = [one.split() for one in calls]
    return Stack(
        number=number,
        frames=tuple(map(frame, frames)),
        calls=tuple(Called(name=n, type=t, module=m) for n, t, m in named),
        **more,
    )


def main(*frames: str, **more: Any) -> Stack:
    return stack(*frames, main=True, **more)


def request(*frames: str, **more: Any) -> Stack:
    return stack(*frames, ENTRY, **more)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is known, and the line, of which no part is left out."""

    line: str
    threads: tuple[Stack, ...] = ()
    greenlets: tuple[Stack, ...] | None = None
    outcome: Outcome = Outcome.SERIALISED
    locks: tuple[Lock, ...] = ()
    names: tuple[Name, ...] = NAMES
    exceptions: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    idle: int = 0
    silent: tuple[int, ...] = ()
    delayed_ns: int = 0

    @property
    def facts(self) -> Facts:
        scan = Scan(names=self.names, locks=self.locks, distributions=DISTRIBUTIONS)
        blocked = {"pid": 8, "cpu_ns": 1, "threads": self.threads, "greenlets": self.greenlets}
        numbers = range(20 - self.idle) if self.threads else ()
        looks = [
            Look(taken_ns=n, main_ran_ns=n, main_delayed_ns=n * self.delayed_ns, **blocked)
            for n in numbers
        ]
        idle = {"pid": 8, "cpu_ns": 1, "threads": (main(HUB, syscall=EPOLL),)}
        looks += [Look(taken_ns=n, **idle) for n in range(self.idle)]
        looks += [Look(taken_ns=99, pid=8, cpu_ns=1, scan=scan)] if looks or self.locks else []
        known: dict[str, Any] = {
            "outcome": self.outcome,
            "seen": Seen(asked=len(looks), looks=tuple(looks), silent=self.silent),
            "exceptions": {text: self.exceptions.count(text) for text in self.exceptions},
            "services": {7803: "db"},
        }
        return Facts(**{**known, **self.more})


def lock(module: str, name: str, kind: Any = "Lock", *, times: int = 0, by: str = "") -> Lock:
    return Lock(module=module, name=name, kind=kind, held=True, times=times, importer=by or None)


def in_c(module: str, kind: str, syscall: int = POLL, *, to: str = "127.0.0.1:7803") -> Stack:
    """The main thread, in a call of the application's into compiled code."""
    calls = (f"cursor.execute {kind} {module}",)
    return main(
        f"{APP}:12 answer", ENTRY, calls=calls, syscall=syscall, sockets=(to,) if to else ()
    )


INTO_SSL = """Traceback (most recent call last):
  File "/application/shop/orders.py", line 12, in answer
    create_context()
  File "{}", line 260, in create_context
    context.minimum_version = version
    ^^^^^^^
  File "/usr/lib/python3.11/ssl.py", line 560, in minimum_version
RecursionError: maximum recursion depth exceeded
"""
STARTS_A_PROGRAM = """Traceback (most recent call last):
  File "/application/shop/orders.py", line 12, in answer
    with Popen(["true"]) as one:
         ^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/subprocess.py", line 1024, in __init__
    self._execute_child(args)
  File "/usr/lib/python3.11/subprocess.py", line 1837, in _execute_child
    self.pid = _fork_exec(
               ^^^^^^^^^^^
TypeError: 'NoneType' object is not callable
"""
POOL_THREAD = """Traceback (most recent call last):
  File "/usr/lib/python3.11/concurrent/futures/thread.py", line 81, in _worker
    work_item = work_queue.get(block=True)
                ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "src/gevent/queue.py", line 406, in gevent._gevent_cqueue.SimpleQueue.get
gevent.exceptions.LoopExit: This operation would block forever
"""
ALL = frozenset({"queue", "socket", "ssl", "threading", "time"})
NO_THREADS = ALL - {"threading"}
LOOP_EXIT = "gevent.exceptions.LoopExit: This operation would block forever"
OTHER_THREAD = "greenlet.error: Cannot switch to a different thread"
NON_SOCKET = "grpc._channel._InactiveRpcError: sendmsg: Socket operation on non-socket (88)"
MASTER_WITH_A_CHANNEL = Look(
    taken_ns=1,
    pid=7,
    cpu_ns=1,
    threads=(main("/site/gunicorn/arbiter.py:426 wait_for_signals", syscall=FUTEX),),
    scan=Scan(channels=("", "app.channel")),
)
TWO_GREENLETS = "gevent.exceptions.ConcurrentObjectUseError: This socket is already used by another"
IN_APP = """Traceback (most recent call last):
  File "/application/shop/orders.py", line 12, in answer
    client.get(key)
  File "/site/pymemcache/client/base.py", line 1400, in get
    sock.recv(size)
{}
"""
STARTED = (
    "/usr/lib/python3.11/threading.py:982 run",
    "/usr/lib/python3.11/threading.py:1045 _bootstrap_inner",
)
WAIT = "/usr/lib/python3.11/threading.py:327 wait"
POOL_WAITS = "/site/psycopg_pool/pool.py"


def forked(waits_at: str, *left: str, found: str = "/site/zmq/x.py:3 tick") -> Seen:
    """Three requests of a worker wait there, and threads of its master are `left` behind."""
    master = MASTER_WITH_A_CHANNEL.model_copy(
        update={
            "threads": (
                *MASTER_WITH_A_CHANNEL.threads,
                *(stack(WAIT, one, *STARTED, syscall=FUTEX) for one in (*left, found)),
                stack("/site/gunicorn/ctl.py:9 serve", *STARTED),
            )
        }
    )
    waiting = request(WAIT, waits_at, f"{APP}:4 answer", number=3, syscall=FUTEX)
    scan = Scan(distributions=DISTRIBUTIONS)
    worker = Look(taken_ns=2, pid=8, cpu_ns=1, threads=(waiting, stack(found, *STARTED)), scan=scan)
    return Seen(asked=2, looks=(master, worker))


ASYNC = "RuntimeError: You cannot use AsyncToSync in the same thread as an async event loop - …"
WRONG = Outcome.WRONG_ANSWER
HANG = Outcome.HANG_AT_FIRST_REQUEST
METHOD = "builtins.method_descriptor"
FUNCTION = "builtins.builtin_function_or_method"

CASES = {
    "as-the-server-is-set-up": Case(
        outcome=Outcome.LIMITED,
        more={"server": "gunicorn-gthread-w1-t16", "lets_in": 16},
        line="gunicorn-gthread-w1-t16 takes 16 requests at a time, by its settings; remedy: more "
        "threads or workers, or a server that takes more",
    ),
    "two-loops-in-a-thread": Case(
        outcome=WRONG,
        exceptions=(ASYNC, ASYNC),
        more={"gevent_modules": ALL},
        line="an asyncio loop of another request runs in the same thread: greenlets share one, "
        "and asyncio allows one loop in each (2 times); remedy: a server with threads or "
        "processes, for `async def` views and whatever else runs asyncio",
    ),
    "ssl-context-before-the-patch": Case(
        outcome=WRONG,
        exceptions=("RecursionError: maximum recursion depth exceeded",),
        more={"log": INTO_SSL.format("/site/urllib3/util/ssl_.py")},
        names=(Name(module="urllib3.util.ssl_", name="SSLContext", original="ssl.SSLContext"),),
        threads=(main(HUB, syscall=EPOLL),),
        line="urllib3 2.8.0 imported ssl.SSLContext before the patch: its properties call "
        "themselves without end, called from shop/orders.py:12; remedy: patch before anything that "
        "imports ssl",
    ),
    "ssl-context-made-before-the-patch": Case(
        outcome=WRONG,
        exceptions=("RecursionError: maximum recursion depth exceeded",),
        more={"log": INTO_SSL.format(APP), "gevent_modules": ALL},
        line="an ssl.SSLContext of before the patch is in use at shop/orders.py:260: its "
        "properties call themselves without end; remedy: patch before anything that imports ssl "
        "or makes such a context",
    ),
    "popen-before-the-patch": Case(
        outcome=WRONG,
        exceptions=("TypeError: 'NoneType' object is not callable",),
        more={"log": STARTS_A_PROGRAM},
        names=(Name(module="shop.orders", name="Popen", original="subprocess.Popen"),),
        threads=(main(HUB, syscall=EPOLL),),
        line="shop.orders.Popen is the unpatched subprocess.Popen, imported before the patch, "
        "which has taken away what it starts programs with, called from shop/orders.py:12; remedy: "
        "patch before that import",
    ),
    "queue-without-attributes": Case(
        outcome=Outcome.IMPORT_ERROR,
        exceptions=(
            "AttributeError: 'gevent._gevent_cqueue.Queue' object has no attribute 'Empty'",
        ),
        more={"installed": {"gevent": "25.9.1"}, "gevent_modules": ALL},
        line="gevent 25.9.1 replaces queue.Queue by a compiled class, which lacks attributes of "
        "the standard queue, and takes none: AttributeError: 'gevent._gevent_cqueue.Queue' object "
        "has no attribute 'Empty'; remedy: "
        "patch_all(queue=False), or gevent 24.11.1",
    ),
    "hub-of-another-thread": Case(
        outcome=Outcome.FAILED_REQUESTS,
        exceptions=(OTHER_THREAD,) * 6,
        more={"gevent_modules": NO_THREADS},
        line="sockets are gevent's while threads are native: a greenlet of one thread is woken in "
        "another (6 times); remedy: patch_all() with all its parts, threads too",
    ),
    "greenlet-of-another-thread": Case(
        outcome=Outcome.FAILED_REQUESTS,
        exceptions=(OTHER_THREAD,) * 6,
        more={"gevent_modules": ALL},
        line="a gevent object is used from two threads: a greenlet of one is woken in another "
        "(6 times)",
    ),
    "channel-before-fork": Case(
        outcome=WRONG,
        # It is not the most frequent one.
        exceptions=("ValueError: x", "ValueError: x", NON_SOCKET),
        more={"seen": Seen(asked=1, looks=(MASTER_WITH_A_CHANNEL,))},
        line="the gRPC channel app.channel was made in gunicorn's master, before the fork of the "
        f"worker that uses it: {NON_SOCKET}; remedy: "
        "make the channel in the worker, no preload, or grpcio 1.85.3",
    ),
    "channel-before-fork-of-a-newer-grpc": Case(
        outcome=WRONG,
        exceptions=(NON_SOCKET,),
        more={
            "seen": Seen(asked=1, looks=(MASTER_WITH_A_CHANNEL,)),
            "installed": {"grpcio": "1.85.3"},
        },
        line="the gRPC channel app.channel was made in gunicorn's master, before the fork of the "
        f"worker that uses it: {NON_SOCKET}; remedy: "
        "make the channel in the worker, or no preload",
    ),
    "pool-thread-in-a-loop-of-its-own": Case(
        outcome=HANG,
        exceptions=(LOOP_EXIT,),
        more={"log": POOL_THREAD, "gevent_modules": NO_THREADS},
        line="queues and sockets are gevent's while threads are native: a pool's thread waits at "
        "gevent's queue, in an event loop of its own, which nothing wakes; remedy: patch_all() "
        "with all its parts, threads too",
    ),
    "pool-thread-at-a-gevent-queue": Case(
        outcome=HANG,
        exceptions=(LOOP_EXIT,),
        more={"log": POOL_THREAD, "gevent_modules": ALL},
        line="a pool's thread waits at gevent's queue, in an event loop of its own, which nothing "
        "wakes",
    ),
    "abandoned-reply-of-redis": Case(
        outcome=WRONG,
        exceptions=("RuntimeError: asked for the key, got None",),
        more={
            "installed": {"redis": "3.1.0"},
            "services": {6379: "cache"},
            "unread": ("127.0.0.1:6379",) * 2,
        },
        line="2 connections to cache:6379 had a reply that nobody read when nothing was in work: "
        "redis 3.1.0 puts a connection back into its pool although a request gave up on a reply, "
        "which the next command gets; remedy: redis 3.2.0 or newer",
    ),
    "abandoned-reply": Case(
        outcome=Outcome.FAILED_REQUESTS,
        more={"installed": {"redis": "3.1.0"}, "unread": ("127.0.0.1:9", "127.0.0.1:7803")},
        line="1 connection to db:7803 had bytes that nobody read when nothing was in work: where "
        "one is used again, they may be taken for the next answer; remedy: close a connection "
        "whose reply was given up on",
    ),
    "thread-of-the-master-in-its-library": Case(
        names=(),
        more={
            "seen": forked(
                f"{POOL_WAITS}:9 wait",
                "/site/apscheduler/blocking.py:30 _main_loop",
                "/site/psycopg_pool/sched.py:77 run",
            )
        },
        line="3 requests wait at shop/orders.py:4 for another thread, and that of psycopg-pool "
        "3.2.6, started in the server's master, is not in the worker: a fork takes no threads "
        "along; remedy: start it in the worker, or no preload",
    ),
    "thread-of-the-master": Case(
        names=(),
        outcome=HANG,
        more={
            "seen": forked(
                f"{APP}:7 ask", "/site/apscheduler/blocking.py:30 _main_loop", f"{APP}:40 consume"
            )
        },
        line="3 requests wait at shop/orders.py:7 for another thread, and that of apscheduler and "
        "the one at shop/orders.py:40, started in the server's master, are not in the worker: a "
        "fork takes no threads along; remedy: start it in the worker, or no preload",
    ),
    "socket-of-two-requests": Case(
        outcome=WRONG,
        # It is not the most frequent one.
        exceptions=(*["ValueError: x"] * 3, f"{TWO_GREENLETS}: <a>", f"{TWO_GREENLETS}: <b>"),
        more={"log": IN_APP.format(f"{TWO_GREENLETS}: <a>")},
        line="two requests use one socket at the same time, called from shop/orders.py:12: "
        f"{TWO_GREENLETS} (2 times); remedy: a connection for each request, or a pool of them",
    ),
    "local-before-the-patch": Case(
        outcome=WRONG,
        exceptions=("PermissionError: another tenant",) * 2,
        locks=(
            lock("zmq.backend", "values", "local"),
            lock("decimal", "values", "local"),
            lock("shop", "current", "local"),
        ),
        line="PermissionError: another tenant (2 times); shop.current is a threading.local of "
        "before the patch, which serves several requests at once; remedy: patch before the "
        "application is imported",
    ),
    "worker-timeout": Case(
        outcome=Outcome.FAILED_REQUESTS,
        threads=(in_c("psycopg2.extensions", METHOD),),
        exceptions=("SystemExit: 1", "SystemExit: 1"),
        more={"log": "[CRITICAL] WORKER TIMEOUT (pid:9)\n" * 2},
        line="gunicorn ended 2 workers that had not reported within its `timeout`, while "
        "psycopg2-binary 2.9.10 waited (poll → db:7803), called from shop/orders.py:12; remedy: a "
        "longer timeout, or a server in which other threads report",
    ),
    "exception-of-wrong-answers": Case(
        outcome=Outcome.FAILED_REQUESTS,
        exceptions=("zmq.error.ZMQError: Address already in use",),
        # That the loop is blocked, too, makes it slow, and nothing wrong.
        threads=(in_c("psycopg2.extensions", METHOD),),
        line="zmq.error.ZMQError: Address already in use",
    ),
    "rlock-before-the-patch": Case(
        outcome=WRONG,
        locks=(lock("logging", "_lock", "RLock"), lock("app", "guard", "RLock", times=4)),
        line="app.guard is an RLock that was made before the patch: it admits every greenlet of "
        "its thread at once, and was held 4 times over; remedy: patch before the application is "
        "imported",
    ),
    "executor-lock-before-the-patch": Case(
        outcome=HANG,
        threads=(main("/site/gevent/os.py:558 fork", f"{APP}:9 run", syscall=FUTEX),),
        locks=(
            lock(
                "concurrent.futures.thread", "_global_shutdown_lock", by="gunicorn.workers.gthread"
            ),
            lock("threading", "_main_thread._gevent_real_tstate_lock"),
        ),
        more={"installed": {"gevent": "25.9.1"}},
        line="concurrent.futures.thread holds a lock made before the patch (imported by gunicorn "
        "25.0.1): concurrent.futures.thread._global_shutdown_lock; the event loop waits for it, "
        "called from shop/orders.py:9; remedy: gevent 26.8 or newer, or patch before "
        "concurrent.futures is imported",
    ),
    "executor-lock-before-the-patch-of-a-newer-gevent": Case(
        outcome=HANG,
        threads=(main("/site/gevent/os.py:558 fork", f"{APP}:9 run", syscall=FUTEX),),
        locks=(lock("concurrent.futures.thread", "_global_shutdown_lock", by="shop"),),
        more={"installed": {"gevent": "26.9.0"}},
        line="concurrent.futures.thread holds a lock made before the patch (imported by shop): "
        "concurrent.futures.thread._global_shutdown_lock; the event loop waits for it, called from "
        "shop/orders.py:9; remedy: patch before concurrent.futures is imported",
    ),
    "native-lock": Case(
        outcome=HANG,
        threads=(
            main(
                f"{APP}:3 answer", ENTRY, calls=("shop.gate _thread.lock _thread",), syscall=FUTEX
            ),
        ),
        locks=(lock("shop", "gate"),),
        line="shop has a lock made before the patch: shop.gate; the event loop waits for it at "
        "shop/orders.py:3; remedy: patch before shop is imported",
    ),
    "native-queue": Case(
        outcome=HANG,
        threads=(
            main(
                f"{APP}:3 answer",
                ENTRY,
                calls=("shop.jobs _queue.SimpleQueue _queue",),
                syscall=FUTEX,
            ),
        ),
        more={"gevent_modules": ALL},
        line="shop.orders has a queue made before the patch: shop.jobs; the event loop waits for "
        "it at shop/orders.py:3; remedy: patch before shop.orders is imported",
    ),
    "nothing-is-patched": Case(
        names=(),
        threads=(
            main(
                "/usr/lib/python3.11/threading.py:320 wait",
                "/site/asgiref/sync.py:367 __call__",
                syscall=FUTEX,
            ),
        ),
        idle=5,
        line="nothing is patched, and asgiref 3.13.0 waits (futex): the event loop was blocked for "
        "75 % of the burst; remedy: patch: gevent",
    ),
    "grpc-and-nothing-is-patched": Case(
        names=(),
        threads=(main("/site/grpc/_channel.py:1916 _blocking", f"{APP}:7 answer", syscall=FUTEX),),
        idle=5,
        line="nothing is patched, and grpcio 1.76.0 waits (futex), called from shop/orders.py:7: "
        "the event loop was blocked for 75 % of the burst; remedy: patch: gevent+grpc",
    ),
    "psycopg3-and-nothing-is-patched": Case(
        names=(),
        threads=(in_c("psycopg_binary._psycopg", METHOD),),
        idle=5,
        more={"installed": {"psycopg": "3.2.3"}},
        line="nothing is patched, and psycopg-binary 3.1.8 waits (poll → db:7803), called from "
        "shop/orders.py:12: the event loop was blocked for 75 % of the burst; remedy: patch: "
        "gevent",
    ),
    "driver-and-nothing-is-patched": Case(
        names=(),
        threads=(in_c("psycopg2.extensions", METHOD),),
        idle=5,
        line="psycopg2-binary 2.9.10 waits in C (poll → db:7803), called from shop/orders.py:12, "
        "where no patch reaches: the event loop was blocked for 75 % of the burst; remedy: a "
        "server with threads",
    ),
    "compiled-code-and-nothing-is-patched": Case(
        names=(),
        threads=(in_c("zmq.backend", METHOD, to=""),),
        idle=5,
        line="pyzmq 27.1.0 waits in C (poll), called from shop/orders.py:12, where no patch "
        "reaches: the event loop was blocked for 75 % of the burst; remedy: a server with threads",
    ),
    "selector-that-is-not-gevents": Case(
        threads=(
            main(
                "/site/pika/adapters/select_connection.py:1207 poll",
                f"{APP}:7 answer",
                calls=(f"PollPoller._poll.poll {METHOD} select",),
                syscall=POLL,
            ),
        ),
        line="pika 1.3.2 waits in a selector that is not gevent's (poll), called from "
        "shop/orders.py:7: the event loop was blocked for 100 % of the burst; remedy: patch before "
        "the selector is made",
    ),
    "socket-before-the-patch": Case(
        threads=(
            main(
                "/site/redis/_parsers/socket.py:45 _read_from_socket",
                f"{APP}:7 answer",
                calls=(f"SocketBuffer._sock.recv {METHOD} _socket",),
                syscall=RECVFROM,
                sockets=("127.0.0.1:7803",),
            ),
        ),
        line="redis 5.2.1 waits for a socket that is not gevent's (recvfrom → db:7803), called "
        "from shop/orders.py:7; the event loop was blocked for 100 % of the burst; remedy: patch "
        "before it is imported and connects",
    ),
    "multiprocessing-in-the-loop": Case(
        outcome=HANG,
        threads=(
            main("/usr/lib/python3.11/multiprocessing/connection.py:379 _recv", syscall=READ),
        ),
        line="multiprocessing waits at multiprocessing/connection.py:379 (read), where no patch "
        "reaches: the event loop was blocked for good; remedy: a server with threads, or no "
        "queue, pool or lock of multiprocessing",
    ),
    "outside-of-eventlet": Case(
        names=(),
        threads=(in_c("psycopg2.extensions", METHOD),),
        greenlets=(stack("/site/eventlet/hubs/hub.py:310 run"),),
        line="psycopg2-binary 2.9.10 waits (poll → db:7803), called from shop/orders.py:12, where "
        "eventlet does not reach: its event loop was blocked for 100 % of the burst; remedy: "
        "eventlet.tpool.execute, or a driver in Python",
    ),
    "part-that-is-left-out": Case(
        threads=(in_c("time", FUNCTION, SLEEP, to=""),),
        names=(),
        more={"gevent_modules": ALL - {"time"}},
        line="gevent's patch leaves time out, and shop/orders.py:12 waits there (clock_nanosleep): "
        "the event loop was blocked for 100 % of the burst; remedy: patch_all() with all its parts",
    ),
    "selector-before-the-patch": Case(
        outcome=HANG,
        threads=(
            main(
                "/usr/lib/python3.11/selectors.py:468 select",
                "/site/gunicorn/workers/gthread.py:392 wait",
                syscall=EPOLL,
            ),
        ),
        line="gunicorn 25.0.1 waits in a selector that was made before the patch (epoll_wait): the "
        "event loop was blocked for good, and no greenlet of a request runs; remedy: patch "
        "earlier: gunicorn's worker class gevent, its preload, or before gunicorn starts",
    ),
    "grpc-in-the-loop": Case(
        threads=(main("/site/grpc/_channel.py:1916 _blocking", f"{APP}:7 answer", syscall=FUTEX),),
        line="grpc waits in C in the thread of the event loop (grpcio 1.76.0, futex, called from "
        "shop/orders.py:7); the loop was blocked for 100 % of the burst; remedy: "
        "grpc.experimental.gevent.init_gevent() after patch_all()",
    ),
    "psycopg2-in-the-loop": Case(
        threads=(in_c("psycopg2.extensions", METHOD, RECVFROM),),
        greenlets=(request("/site/gevent/hub.py:166 sleep", f"{APP}:14 answer"),),
        line="psycopg2-binary 2.9.10 waits in C (recvfrom → db:7803), called from "
        "shop/orders.py:12; the event loop was blocked for 100 % of the burst; a request that is "
        "at shop/orders.py:14 cannot go on meanwhile; remedy: a wait callback (psycogreen), or "
        "psycopg 3.1.14 or newer",
    ),
    "psycopg3-before-the-patch": Case(
        threads=(in_c("psycopg_binary._psycopg", METHOD),),
        more={"installed": {"psycopg": "3.2.3"}},
        line="psycopg-binary 3.1.8 waits in C (poll → db:7803), called from shop/orders.py:12; the "
        "event loop was blocked for 100 % of the burst; remedy: patch before psycopg is imported",
    ),
    "psycopg3-in-the-loop": Case(
        more={"installed": {"psycopg": "3.1.8"}},
        threads=(in_c("psycopg_binary._psycopg", METHOD),),
        idle=1,
        line="psycopg-binary 3.1.8 waits in C (poll → db:7803), called from shop/orders.py:12; the "
        "event loop was blocked for 95 % of the burst; remedy: psycopg 3.1.14 or newer, or "
        "PSYCOPG_IMPL=python",
    ),
    "kafka-in-the-loop": Case(
        threads=(in_c("confluent_kafka.cimpl", METHOD, FUTEX, to=""),),
        line="confluent-kafka 2.11.1 waits in C, in librdkafka (futex), called from "
        "shop/orders.py:12; the event loop was blocked for 100 % of the burst; remedy: call it in "
        "gevent's thread pool, `gevent.get_hub().threadpool.apply`",
    ),
    "mysql-in-the-loop": Case(
        threads=(in_c("_mysql_connector", METHOD),),
        line="mysql-connector-python 9.5.0 waits in C (poll → db:7803), called from "
        "shop/orders.py:12; the event loop was blocked for 100 % of the burst; remedy: a driver in "
        "Python, such as PyMySQL",
    ),
    "unpatched-function": Case(
        names=(*NAMES, Name(module="shop.orders", name="sleep", original="time.sleep")),
        threads=(
            main(
                f"{APP}:5 answer",
                ENTRY,
                calls=("shop.orders.sleep builtins.builtin_function_or_method time",),
                syscall=SLEEP,
            ),
        ),
        line="shop.orders.sleep is the unpatched time.sleep: it was imported before the patch "
        "(clock_nanosleep); the event loop was blocked for 100 % of the burst; remedy: patch "
        "before that import",
    ),
    "uwsgi-lock": Case(
        outcome=Outcome.HANG_UNDER_LOAD,
        threads=(main(f"{OURS}servers/_uwsgi.py:42 serve", syscall=EPOLL),),
        silent=(14,),
        more={"interrupted": (frame(f"{APP}:5 answer"),), "calls": ("uwsgi.lock",)},
        line="compiled code has the interpreter in uwsgi.lock(), called from shop/orders.py:5: "
        "nothing else of that process runs, no greenlet either; remedy: a lock of gevent or "
        "threading in place of uWSGI's",
    ),
    "compiled-code-in-the-loop": Case(
        threads=(in_c("zmq.backend", METHOD, to=""),),
        line="pyzmq 27.1.0 waits in C (poll), called from shop/orders.py:12; the event loop was "
        "blocked for 100 % of the burst",
    ),
    "pool-of-sqlalchemy": Case(
        names=(),
        threads=(
            request(
                "/usr/lib/python3.11/threading.py:320 wait",
                "/site/sqlalchemy/pool/impl.py:166 _do_get",
                f"{APP}:8 answer",
                number=19,
                syscall=FUTEX,
            ),
            request(f"{APP}:9 answer", syscall=SLEEP),
        ),
        line="19 of 20 requests wait for a connection of SQLAlchemy's pool, called from "
        "shop/orders.py:8; remedy: a larger pool (`pool_size`, `max_overflow`)",
    ),
    "pool-of-connections": Case(
        names=(),
        threads=(
            request(
                "/usr/lib/python3.11/threading.py:320 wait",
                "/site/psycopg_pool/pool.py:196 getconn",
                f"{APP}:8 answer",
                number=6,
                syscall=FUTEX,
            ),
        ),
        line="6 of 6 requests wait for a connection of psycopg-pool 3.2.6's pool, called from "
        "shop/orders.py:8; remedy: a larger pool",
    ),
    "lock-held-over-a-wait": Case(
        threads=(main(HUB, syscall=EPOLL),),
        greenlets=(
            request("/site/gevent/hub.py:166 sleep", f"{APP}:18 answer"),
            request(
                "/site/gevent/thread.py:302 acquire",
                "/usr/lib/python3.11/threading.py:168 acquire",
                f"{APP}:16 answer",
                number=19,
                calls=("shop.cache.lock threading._RLock threading",),
            ),
        ),
        line="19 of 20 requests wait for shop.cache.lock at shop/orders.py:16, while one is "
        "further on, at shop/orders.py:18; remedy: hold the lock for less",
    ),
    "lock-of-a-library": Case(
        threads=(main(HUB, syscall=EPOLL),),
        greenlets=(
            request(
                "/site/gevent/thread.py:302 acquire",
                "/site/cachetools/keys.py:9 get",
                f"{APP}:16 answer",
                number=8,
                calls=("Cache._lock gevent.thread.LockType gevent.thread",),
            ),
        ),
        line="8 of 8 requests wait for Cache._lock, called from shop/orders.py:16",
    ),
    "waits-at-one-place": Case(
        names=(),
        threads=(
            request(
                f"{APP}:23 answer",
                number=9,
                syscall=POLL,
                sockets=("127.0.0.1:7803",),
                calls=(f"cursor.execute {METHOD} psycopg2.extensions",),
            ),
            request(f"{APP}:25 answer", syscall=SLEEP),
        ),
        line="9 of 10 requests wait (poll → db:7803) at shop/orders.py:23, while one is further "
        "on, at shop/orders.py:25",
    ),
    "worker-ends-and-waits-for-a-thread": Case(
        names=(),
        outcome=Outcome.HANG_UNDER_LOAD,
        threads=(
            main("/usr/lib/python3.11/threading.py:1583 _shutdown", syscall=FUTEX),
            stack(f"{APP}:11 report", *STARTED, syscall=SLEEP),
        ),
        line="a process of the server has ended its work, and waits for the one at "
        "shop/orders.py:11 to end; remedy: a daemon thread, or end it when the worker ends",
    ),
    "computes": Case(
        threads=(
            main("/usr/lib/python3.11/json/x.py:5 dumps", f"{APP}:3 answer", syscall="running"),
        ),
        idle=10,
        line="the thread of the event loop computes at json/x.py:5, called from shop/orders.py:3: "
        "nothing else ran for 50 % of the burst; remedy: more processes",
    ),
    "waits-together-in-a-hang": Case(
        outcome=Outcome.HANG_UNDER_LOAD,
        threads=(main(HUB, syscall=EPOLL),),
        greenlets=(request(WAIT, f"{APP}:5 answer", number=4),),
        line="4 of 4 requests wait at shop/orders.py:5",
    ),
    "one-is-further-on": Case(
        threads=(main(HUB, syscall="running"),),
        greenlets=(
            request("/site/psycopg/waiting.py:7 wait", f"{APP}:5 answer", number=4),
            request(f"{APP}:7 answer"),
        ),
        line="4 of 5 requests wait at shop/orders.py:5, while one is further on, at "
        "shop/orders.py:7",
    ),
    "waits-for-a-cpu": Case(
        threads=(main(f"{APP}:3 answer", syscall="running"),),
        delayed_ns=3,
        line="the thread of the event loop would run and waits for a CPU 75 % of the time: others "
        "use them; remedy: a machine that is less busy",
    ),
    "others-use-the-cpus": Case(
        threads=(request(f"{APP}:12 answer", number=9, syscall=SLEEP),),
        names=(),
        outcome=Outcome.LIMITED,
        more={"elsewhere": 0.88},
        line="whatever would run waits for a CPU: others used 88 % of the CPUs' time under the "
        "load; remedy: a machine that is less busy",
    ),
    "interpreter-held": Case(
        outcome=HANG,
        silent=(8,),
        line="no Python could run in the server's process: compiled code has the interpreter",
    ),
    "fork-hook-of-gevent": Case(
        outcome=Outcome.LIMITED,
        more={
            "installed": {"gevent": "25.5.1"},
            "ignored": {
                ("AssertionError", frame("/site/gevent/threading.py:397 after_fork_in_child")): 115
            },
        },
        locks=(lock("threading", "x"),),
        line="gevent 25.5.1 printed 115 tracebacks, at forks: AssertionError in "
        "after_fork_in_child at gevent/threading.py:397, which Python ignores; remedy: gevent "
        "25.9.1",
    ),
    "ignored-exception": Case(
        outcome=Outcome.LIMITED,
        more={"ignored": {("ValueError: closed", frame("/usr/lib/python3.11/x.py:3 __del__")): 1}},
        line="1 traceback of what Python ignores: ValueError: closed in __del__ at x.py:3",
    ),
    "exception-of-the-server": Case(
        outcome=Outcome.CRASHED,
        exceptions=("OSError: no space", "OSError: no space"),
        line="OSError: no space (2 times)",
    ),
    "exception-in-the-log": Case(
        outcome=Outcome.HANG_UNDER_LOAD,
        exceptions=("OSError: no space", "OSError: no space"),
        line="not explained; the log has OSError: no space (2 times)",
    ),
}
