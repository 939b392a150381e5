from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from runner.contract import END_OF_DUMP
from runner.engine.protocol import ContainerState, ExecResult
from runner.errors import EngineError
from runner.measurement import evidence
from runner.measurement.evidence import in_words
from runner.measurement.launch import Launch
from runner.progress import launch_line
from tests.support.memory_engine import MemoryEngine
from tests.support.program import install
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

BY_SIGNAL = """\
Thread 0x00007f456f7fe6c0 (most recent call first):
  File "/server/diagnostics.py", line 34 in _dump_greenlets_on_signal

Current thread 0x00007f458d6d5780 (most recent call first):
  File "/usr/lib/python3.13/selectors.py", line 398 in select
  File "/usr/lib/python3.13/socketserver.py", line 235 in serve_forever
"""
GREENLETS = """\
=== greenlets ===
  File "/site/gevent/hub.py", line 647 in run
=== end ===
"""
GROUPED = """\
=== threads, equal stacks once ===
99 threads (most recent call first):
  File "/site/grpc/_channel.py", line 7 in wait
  File "/server/main.py", line 3 in answer
1 threads, the main one among them (most recent call first):
  File "/usr/lib/python3.13/selectors.py", line 398 in select
"""


def test_where_threads_are_blocked() -> None:
    assert (
        evidence.blocked_frame(BY_SIGNAL + GREENLETS) == "main thread in selectors.py:398 in select"
    )
    many = BY_SIGNAL + GROUPED + GREENLETS
    assert evidence.blocked_frame(many) == "99 threads in _channel.py:7 in wait"
    # The main thread waits for connections: the one at work on a request is what is blocked.
    one_each = BY_SIGNAL + GROUPED.replace("99", "1") + GREENLETS
    assert evidence.blocked_frame(one_each) == "a thread in _channel.py:7 in wait"
    starting = one_each.replace("398 in select", "398 in connect")
    assert evidence.blocked_frame(starting) == "main thread in selectors.py:398 in connect"
    assert evidence.blocked_frame("nothing of the kind") is None


DUMPED = """
import sys, threading, time, os, signal
sys.path[:0] = [{program!r}]
from monkey_matrix_server import diagnostics
diagnostics.install()
begun = []
def stall(): begun.append(1); time.sleep(60)
for _ in range(150): threading.Thread(target=stall, daemon=True).start()
while len(begun) < 150: time.sleep(0.01)
os.kill(os.getpid(), signal.SIGUSR1)
time.sleep(60)
"""


def test_all_of_many_threads_are_in_a_real_dump(tmp_path: Path) -> None:
    """More of them than faulthandler writes."""
    program = DUMPED.format(program=str(install(tmp_path)))
    command = [sys.executable, "-c", program]
    dump = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            dump += line
            if line.strip() == END_OF_DUMP:
                break
        process.kill()
    assert "stall" in (evidence.blocked_frame(dump) or "")
    assert "150 threads" in (evidence.blocked_frame(dump) or "")


def test_a_log_that_cannot_be_read_says_so() -> None:
    class Silent:
        def server_log(self) -> str:
            raise EngineError("gone")

    assert "could not be read: gone" in evidence.server_log(Silent())  # type: ignore[arg-type]


def test_launch_lines() -> None:
    launch = Launch(
        MemoryEngine(SimulatedPods(wait_ms=lambda _: 1)), a_job(a_cell()), VirtualClock()
    )
    launch.start()
    launch.load()
    line = launch_line(launch.collect().record)
    assert line.startswith("py3.11-gevent1.0-gevent #1: ok, 50.00 requests/s, disturbed: ab waited")


def test_the_program_knows_its_own_name() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "runner", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("plan", "run", "table", "show", "doctor", "clean"):
        assert command in result.stdout


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1E63 00000000:0000 0A 00000000:00000005 00:00000000 00000000  7001        0 1 1 0 100
   1: 0100007F:1E63 0100007F:A0B2 01 00000000:00000052 00:00000000 00000000  7001        0 2 1 0 100
   2: 0100007F:A0B0 0100007F:1E63 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
"""


def test_sockets_in_words() -> None:
    assert in_words(TABLE).splitlines() == [
        "state        local                 remote                  unread  unsent  user",
        "ESTABLISHED  127.0.0.1:7779        127.0.0.1:41138             82       0  7001",
        "LISTEN       127.0.0.1:7779        0.0.0.0:0                    5       0  7001",
        "and 1 in TIME_WAIT",
    ]


def test_a_state_nobody_knows_is_shown_as_it_is() -> None:
    assert "FE" in in_words(TABLE.replace(" 0A ", " FE "))


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 0100007F:18EB 01 00000000:0000000C 00:00000000 00000000  7001        0 1
   1: 0100007F:9C41 0100007F:18EB 01 00000000:00000000 00:00000000 00000000  7001        0 2
   2: 0100007F:18EB 0100007F:9C40 01 00000000:0000000C 00:00000000 00000000  7002        0 3
   3: 0100007F:9C42 0100007F:18EB 08 00000000:0000000C 00:00000000 00000000  7001        0 4
"""
APPLICATION = """\
Current thread 0x00007f458d6d5780 (most recent call first):
  File "/site/redis/connection.py", line 4 in read
  File "/application/app.py", line 14 in answer
  File "/server/monkey_matrix_server/recording.py", line 67 in __call__
"""


class FakePod:
    """A server whose master takes signals to itself."""

    server = "server"
    log = ""

    def __init__(self) -> None:
        self.engine = self
        self.sent: list[object] = []

    def ask(self, _request: str, timeout: float) -> bytes:
        assert timeout
        return json.dumps({"tcp": TCP}).encode()

    def exec(self, _container: str, command: tuple[str, ...], **_: object) -> ExecResult:
        self.sent.append(command)
        if "kill" in " ".join(command):
            self.log += APPLICATION + "=== end ===\n"
        return ExecResult(exit_code=0, stdout=b"    uwsgi.lock()  # print()\n", stderr=b"")

    def server_log(self) -> str:
        return self.log

    def server_state(self) -> ContainerState:
        return ContainerState(running=True, exit_code=0, oom_killed=False)

    def signal_server(self, signal: str) -> None:
        self.log += f"statistics at {signal}\n"


def test_each_process_is_signalled_where_the_first_one_says_nothing_of_stacks() -> None:
    pod: Any = FakePod()
    dump = evidence.stacks(pod, VirtualClock()) or ""
    assert (len(pod.sent), APPLICATION in dump) == (1, True)
    frames, calls = evidence.interrupted(pod, dump)
    assert [(one.file, one.line) for one in frames[:2]] == [
        ("/site/redis/connection.py", 4), ("/application/app.py", 14)
    ]  # fmt: skip
    assert calls == ("uwsgi.lock",)
    assert pod.sent[1] == ("sed", "-n", "14p", "/application/app.py")
    evidence.stacks(pod, VirtualClock())
    assert len(pod.sent) == 3


def test_replies_that_nobody_took_are_those_of_the_servers_open_connections() -> None:
    pod: Any = FakePod()
    assert evidence.unread(pod) == {("127.0.0.1:40000", "127.0.0.1:6379")}
