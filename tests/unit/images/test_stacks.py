"""What a process of the server says of its own threads, and how the sidecar asks for it."""

from __future__ import annotations

import importlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from runner import contract
from runner.measurement.why.seen import Look, Stack
from runner.measurement.why.syscalls import name_of
from tests.support.loadgen import program

WITHIN_S = 20.0
#: Four threads: one waits for an answer, one for two, two for a lock; the main one reads its input.
SCRIPT = """
from monkey_matrix_server import diagnostics
diagnostics.install()
import select, socket, sys, threading
one, other = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(2)]
gate = threading.Lock()
gate.acquire()
def receive(): one.recv(1)
def poll():
    poller = select.poll()
    poller.register(other, select.POLLIN)
    poller.poll()
def wait():
    with gate: pass
for work in (receive, poll, wait, wait):
    threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def running(importable: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The script, with the port that two of its threads wait for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        file = tmp_path / "threads.py"
        file.write_text(SCRIPT.replace("PORT", str(port)))
        with subprocess.Popen(
            [sys.executable, str(file)],
            env={**os.environ, "PYTHONPATH": str(importable / "server")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            try:
                assert process.stdout
                assert process.stdout.readline() == b"ready\n"
                yield process, port
            finally:
                process.kill()


def config(importable: Path) -> dict[str, Any]:
    return {
        "ask": f"{importable}/shared-ask-",
        "stacks": f"{importable}/shared-stacks-",
        "threads_only": contract.THREADS_ONLY,
        "with_greenlets": contract.WITH_GREENLETS,
        "with_scan": contract.WITH_SCAN,
        "clients": 0,
        "seconds": 0.0,
    }


def by_function(look: Look) -> dict[str, Stack]:
    """The threads by the function of the script that they are in."""
    return {
        frame.function: stack
        for stack in look.threads
        for frame in stack.frames
        if frame.file.endswith("threads.py")
    }


def test_each_thread_is_seen_in_its_system_call_with_the_other_end(
    importable: Path, tmp_path: Path
) -> None:
    waiting = {"receive": "recvfrom", "poll": "poll", "wait": "futex", "<module>": "read"}
    deadline = time.monotonic() + WITHIN_S
    with running(importable, tmp_path) as (process, port):
        calls: dict[str, str] = {}
        while calls != waiting:
            assert time.monotonic() < deadline, calls
            seen = program("stacks").stacks(config(importable))
            assert seen["asked"] == len(seen["looks"])
            found = seen["looks"][-1]
            look, threads = Look(**found), by_function(Look(**found))
            calls = {
                name: name_of(stack.syscall, look.machine)
                for name, stack in threads.items()
                if isinstance(stack.syscall, int)
            }
        assert process.poll() is None
    assert (look.error, look.pid, look.greenlets) == (None, process.pid, ())
    assert threads["receive"].sockets == threads["poll"].sockets == (f"127.0.0.1:{port}",)
    assert threads["<module>"].main
    assert threads["wait"].number == 2
    (called,) = threads["wait"].calls
    assert (called.name, called.type) == ("__main__.gate", "_thread.lock")
    assert look.scan is not None
    assert (look.scan.names, look.scan.locks) == ((), ())


def test_nobody_is_interrupted_and_a_signal_still_dumps(importable: Path, tmp_path: Path) -> None:
    with running(importable, tmp_path) as (process, _):
        agent = program("stacks")
        for _ in range(3):
            assert agent.stacks(config(importable))["looks"]
        process.send_signal(signal.SIGUSR1)
        assert process.stdin
        assert process.poll() is None


def test_a_look_leaves_no_file_open(importable: Path, tmp_path: Path) -> None:
    """The call that a thread waits in may have a file's descriptor as its first argument."""
    with running(importable, tmp_path) as (process, _):
        files = Path(f"/proc/{process.pid}/fd")
        agent, before = program("stacks"), len(list(files.iterdir()))
        look = Look(**agent.stacks(config(importable))["looks"][0])
        (main,) = [stack for stack in look.threads if stack.main]
        assert isinstance(main.syscall, int)
        assert name_of(main.syscall, look.machine) == "read"  # of its standard input, a pipe
        assert len(list(files.iterdir())) == before


def test_a_process_that_is_gone_is_not_asked(importable: Path, tmp_path: Path) -> None:
    with running(importable, tmp_path) as (process, _):
        pass
    assert process.poll() is not None
    assert program("stacks").ask(config(importable), contract.THREADS_ONLY) == []


def test_a_process_that_answers_no_look_is_told(importable: Path, tmp_path: Path) -> None:
    with running(importable, tmp_path) as (process, _):
        process.send_signal(signal.SIGSTOP)
        found = program("stacks").stacks(config(importable) | {"seconds": 0.5})
        assert (found["looks"], found["silent"]) == ([], [process.pid])
        process.send_signal(signal.SIGCONT)
        found = program("stacks").stacks(config(importable) | {"seconds": 0.5})
        assert found["silent"] == []


def test_a_default_timeout_is_left_alone(importable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would make the application's own socket not blocking."""
    assert importable.exists()
    stacks = importlib.import_module("monkey_matrix_server.stacks")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        host, port = server.getsockname()
        assert stacks._peer(client.fileno()) == f"{host}:{port}"
        monkeypatch.setattr(stacks._socket, "getdefaulttimeout", lambda: 1.0)
        assert stacks._peer(client.fileno()) is None
        assert os.get_blocking(client.fileno())


def test_what_is_no_connection_has_no_other_end(importable: Path) -> None:
    assert importable.exists()
    stacks = importlib.import_module("monkey_matrix_server.stacks")
    assert stacks._peer(1 << 40) is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert stacks._peer(server.fileno()) is None
    with Path(os.devnull).open() as file:
        assert stacks._peer(file.fileno()) is None


def test_what_a_shared_line_calls_is_told_each_time(importable: Path, tmp_path: Path) -> None:
    assert importable.exists()
    stacks = importlib.import_module("monkey_matrix_server.stacks")
    file = tmp_path / "library.py"
    file.write_text("import sys\ndef execute(cursor):\n    return sys._getframe(), cursor.read\n")
    known: dict[str, Any] = {}
    exec(compile(file.read_text(), file, "exec"), known)

    def called(cursor: object) -> list[tuple[str, str]]:
        frame, _ = known["execute"](cursor)
        return [(one["name"], one["module"]) for one in stacks._calls(frame)][1:]

    assert called(io.BytesIO()) == [("cursor.read", "_io")]
    with socket.socket() as other:
        assert called(SimpleNamespace(read=other.recv)) == [("cursor.read", "builtins")]
    assert called(SimpleNamespace(read=importlib.import_module)) == [("cursor.read", "importlib")]


def test_whose_a_method_is_of_an_extensions_class_that_does_not_say(importable: Path) -> None:
    assert importable.exists()
    stacks = importlib.import_module("monkey_matrix_server.stacks")

    class Client(ModuleType):  # in compiled code, of no module, and no builtin
        __module__ = "library.client"

    class Headers(dict[str, str]):
        __module__ = "library.headers"

    descriptor = "builtins.method_descriptor"
    assert stacks._described(Client("x"), ["__dir__"]) == (descriptor, "library.client")
    assert stacks._described(Headers(), ["get"]) == (descriptor, "builtins")


def test_a_half_written_line_is_left_for_later(tmp_path: Path) -> None:
    (tmp_path / "shared-stacks-1").write_text("{'taken_ns': 5}\n{'taken_ns': 9}\n{'taken")
    found = program("stacks").taken({"stacks": f"{tmp_path}/shared-stacks-"}, 6)
    assert found == [{"taken_ns": 9}]
