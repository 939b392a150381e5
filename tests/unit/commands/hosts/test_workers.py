"""A worker, its engine's lock, and the client's end of Dask."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from bench.hosts import Scheduler
from runner.commands.hosts import tasks
from runner.commands.hosts.dask_extra import distributed
from runner.commands.hosts.dispatch import words
from runner.commands.hosts.pool import DaskPool, Ended
from runner.commands.hosts.post import lock_engine, rounds_of
from runner.commands.hosts.wire import Held
from runner.errors import EngineUnavailableError, UsageError

SERVE = """
import sys
from pathlib import Path
from runner.commands.hosts.worker import serve
from tests.support.hosts import memory_post
serve(sys.argv[1], memory_post(Path(sys.argv[2]), "a"))
"""
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    cluster = distributed().LocalCluster(
        n_workers=0, host="127.0.0.1", scheduler_port=0, dashboard_address="127.0.0.1:0"
    )
    with closing(cluster):
        yield cluster.scheduler_address


def ended(pool: DaskPool) -> Ended:
    """What ends next, whenever that is."""
    while True:
        if found := pool.next_ended(0.2):
            return found


def worker(
    scheduler: str, directory: Path, before: str = "", **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + SERVE, scheduler, str(directory)],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


#: A worker of another version: what it answers is of a class that is not known here.
OLD = """
import sys, types
from runner.commands.hosts import tasks
older = types.ModuleType("older")
sys.modules["older"] = older
exec("class Greeting: pass\\ndef greet(): return Greeting()", vars(older))
tasks.greet = older.greet
"""


def there(pool: DaskPool, number: int) -> list[str]:
    """The workers, as soon as there are so many."""
    while len(found := pool.hosts()) != number:
        time.sleep(0.05)
    return sorted(found)


def test_a_worker_answers_fails_and_is_lost(scheduler: str, tmp_path: Path) -> None:
    process = worker(scheduler, tmp_path)
    with closing(DaskPool(scheduler)) as pool:
        (host,) = there(pool, 1)
        pool.submit(host, os.getpid)
        assert ended(pool) == Ended(host=host, result=process.pid)
        pool.submit(host, os.getpid)  # a result from before is not handed out again
        assert ended(pool).result == process.pid
        pool.submit(host, os.stat, str(tmp_path / "nothing"))
        assert isinstance(ended(pool).error, FileNotFoundError)
        pool.submit(host, time.sleep, 1000)
        pool.tell(host, os.mkdir, str(tmp_path / "told"))  # beside what it does
        assert pool.outstanding() == {host}
        while not (tmp_path / "told").is_dir():
            time.sleep(0.05)
        process.kill()
        assert ended(pool) == Ended(host=host, lost=True)
        assert pool.outstanding() == set()
        there(pool, 0)
    process.communicate()


#: A worker of which a result can be fetched only once there is a file beside its directory.
SLOW = """
import sys, time, types
from pathlib import Path
from runner.commands.hosts import tasks
from runner.commands.hosts.wire import Held
class Slow:
    def __reduce__(self):
        while not Path(sys.argv[2] + ".fetch").exists():
            time.sleep(0.05)
        return Held, ("sample", 1, "key", 1)
tasks.greet = Slow
"""


def test_a_result_that_does_not_arrive_keeps_no_other_worker_waiting(
    scheduler: str, tmp_path: Path
) -> None:
    slow = worker(scheduler, tmp_path / "slow", SLOW)
    with closing(DaskPool(scheduler)) as pool:
        (first,) = there(pool, 1)
        quick = worker(scheduler, tmp_path / "quick")
        (second,) = {*there(pool, 2)} - {first}
        pool.submit(first, tasks.greet)
        assert pool.next_ended(1) is None
        pool.submit(second, os.getpid)
        assert ended(pool) == Ended(host=second, result=quick.pid)
        (tmp_path / "slow.fetch").touch()
        assert ended(pool) == Ended(host=first, result=Held("sample", 1, "key", 1))
        for process in (slow, quick):
            process.terminate()
            process.communicate()
        there(pool, 0)


def test_a_worker_that_hangs_is_told_something_and_not_waited_for(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, told = worker(scheduler, tmp_path / "hangs"), worker(scheduler, tmp_path / "told")
    pool = DaskPool(scheduler)
    there(pool, 2)
    hangs.send_signal(signal.SIGSTOP)
    killer = threading.Timer(60, hangs.kill)  # who waits for it, waits no longer
    killer.start()
    for host in pool.hosts():
        pool.tell(host, os.mkdir, str(tmp_path / host.rpartition(":")[2]))
    while not [*tmp_path.glob("[0-9]*")]:
        time.sleep(0.05)
    monkeypatch.setattr("runner.commands.hosts.pool.CONNECT_S", 0.1)
    pool.close()
    killer.cancel()
    assert hangs.poll() is None
    hangs.kill()
    told.terminate()
    for process in (hangs, told):
        process.communicate()
    with closing(DaskPool(scheduler)) as again:
        there(again, 0)


def test_an_answer_of_a_class_that_is_not_known(scheduler: str, tmp_path: Path) -> None:
    process = worker(scheduler, tmp_path, OLD)
    with closing(DaskPool(scheduler)) as pool:
        (host,) = there(pool, 1)
        pool.submit(host, tasks.greet)
        error = ended(pool).error
        process.terminate()
        process.communicate()
        there(pool, 0)
    assert words(error).startswith("No module named 'older': install the same version of")
    # Dask would log a traceback of it.
    assert not logging.getLogger("distributed.protocol.core").isEnabledFor(logging.CRITICAL)


def test_a_worker_that_is_told_to_end_leaves_nothing(scheduler: str, tmp_path: Path) -> None:
    """Nor does one that was killed, once another one starts."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    killed = worker(scheduler, tmp_path, TMPDIR=str(temporary))
    with closing(DaskPool(scheduler)) as pool:
        there(pool, 1)
        killed.kill()
        killed.communicate()
        assert [*temporary.rglob("*worker-*")]
        there(pool, 0)
        process = worker(scheduler, tmp_path, TMPDIR=str(temporary))
        there(pool, 1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
        assert process.returncode == 0
        assert said.splitlines()[-1].startswith(f"serving {scheduler} at ")
        there(pool, 0)
    assert not [*temporary.rglob("*worker-*")]


#: Of a worker's end, Dask gives up its connections; one that was given up before is an error.
CANNOT_END = """
from runner.commands.hosts import worker
from runner.commands.hosts.dask_extra import distributed
worker.END_S = 1
async def fail(self):
    raise RuntimeError("Cannot change state of expiring Timeout")
distributed().core.ConnectionPool.close = fail
"""


@pytest.mark.parametrize("cause", ["it is told to", "its scheduler ends"])
def test_a_worker_ends_though_dask_cannot_end_it(tmp_path: Path, cause: str) -> None:
    scheduler = Scheduler()
    process = worker(scheduler.address, tmp_path, CANNOT_END)
    with closing(DaskPool(scheduler.address)) as pool:
        there(pool, 1)
    if cause == "it is told to":
        process.terminate()
    else:
        scheduler.close()
    killer = threading.Timer(60, process.kill)
    killer.start()
    _, said = process.communicate()
    killer.cancel()
    scheduler.close()
    told = cause == "it is told to"
    assert process.returncode == (0 if told else 1), said
    assert ("the scheduler is gone" in said) != told
    assert "expiring Timeout" not in said


#: A worker whose task lasts until it is told that no further launch is wanted; Dask waits for that
#: when it ends a worker, for half a minute.
LAUNCHING = """
import sys, time
from pathlib import Path
from runner.commands.hosts import tasks
from runner.commands.hosts.dask_extra import distributed
executor = distributed().threadpoolexecutor.ThreadPoolExecutor
end = executor.shutdown
executor.shutdown = lambda self, wait=True, timeout=None: end(self, wait)
def greet():
    Path(sys.argv[2], "launching").touch()
    while None not in tasks._POSTS[0].stopped:
        time.sleep(0.05)
    Path(sys.argv[2], "stopped").touch()
tasks.greet = greet
"""


def test_without_its_scheduler_a_worker_begins_no_further_launch(tmp_path: Path) -> None:
    scheduler = Scheduler()
    process = worker(scheduler.address, tmp_path, LAUNCHING)
    with closing(DaskPool(scheduler.address)) as pool:
        (host,) = there(pool, 1)
        pool.submit(host, tasks.greet)
        while not (tmp_path / "launching").exists():
            time.sleep(0.05)
    scheduler.close()
    killer = threading.Timer(60, process.kill)
    killer.start()
    _, said = process.communicate()
    killer.cancel()
    assert (tmp_path / "stopped").exists(), said


#: A worker that is at another address than it tells the scheduler.
ELSEWHERE = """
from runner.commands.hosts import worker
make = worker._worker
def make_elsewhere(*arguments):
    made = make(*arguments)
    made.contact_address = "tcp://127.0.0.1:9"
    return made
worker._worker, worker.ANSWER_S = make_elsewhere, 2
"""


def test_a_worker_that_the_scheduler_does_not_reach_says_so(scheduler: str, tmp_path: Path) -> None:
    process = worker(scheduler, tmp_path, ELSEWHERE)
    said = next(line for line in process.stderr or [] if "Error: " in line or "serving" in line)
    process.terminate()
    process.communicate()
    assert "does not reach this worker at tcp://127.0.0.1:9 (no answer): " in said
    with closing(DaskPool(scheduler)) as pool:
        there(pool, 0)


def test_a_client_does_not_fail_because_dask_cannot_end(scheduler: str) -> None:
    pool = DaskPool(scheduler)
    connections = pool._client.rpc
    close = connections.close

    async def fail() -> None:
        await close()
        # A connection that is being made is given up twice where the scheduler ends meanwhile.
        raise RuntimeError("Cannot change state of expiring Timeout")

    connections.close = fail
    pool.close()


def test_a_worker_listens_where_it_reaches_the_scheduler_from_alone(
    scheduler: str, tmp_path: Path
) -> None:
    process = worker(scheduler, tmp_path)
    with closing(DaskPool(scheduler)) as pool:
        (host,) = there(pool, 1)
        port = int(host.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))
        process.terminate()
        process.communicate()
        there(pool, 0)


def test_interrupted_while_the_scheduler_is_asked_nothing_is_logged(scheduler: str) -> None:
    with closing(DaskPool(scheduler)) as pool:
        assert pool.hosts() == set()
    # Dask's `sync` logs a traceback if Ctrl-C comes before its coroutine has begun.
    assert not logging.getLogger("tornado.application").isEnabledFor(logging.ERROR)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.commands.hosts.reach.ANSWER_S", 1)
    with pytest.raises(EngineUnavailableError, match="no Dask scheduler answers there"):
        DaskPool("tcp://127.0.0.1:9")


def test_a_second_worker_on_an_engine_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    lock_engine("one engine")
    lock_engine("another one")
    with pytest.raises(UsageError, match="another worker uses this engine"):
        lock_engine("one engine")


def test_an_engines_rounds_are_kept_until_the_machine_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("runner.commands.hosts.post.boot_id", lambda: "before")
        for engine in ("one engine", "another one"):
            (rounds_of(engine, tmp_path) / engine).mkdir(parents=True)
    (rounds_of("one engine", tmp_path) / "since").mkdir(parents=True)
    rounds_of("one engine", tmp_path)
    assert {path.name for path in tmp_path.glob("*/*")} == {"another one", "since"}


def test_without_dask_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"not installed \(dask\).*monkey-matrix\[dask\]"):
        distributed()
