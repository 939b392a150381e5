from __future__ import annotations

import faulthandler
import subprocess
import sys
import tempfile

from runner.engine.memory import MemoryEngine
from runner.errors import EngineError
from runner.measurement import evidence
from runner.measurement.launch import Launch
from runner.progress import duration, launch_line
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

DUMP = """\
Thread 0x00007f456f7fe6c0 (most recent call first):
  File "/server/diagnostics.py", line 34 in _dump_greenlets_on_signal

Current thread 0x00007f458d6d5780 (most recent call first):
  File "/usr/lib/python3.13/selectors.py", line 398 in select
  File "/usr/lib/python3.13/socketserver.py", line 235 in serve_forever
=== greenlets ===
  File "/site/gevent/hub.py", line 647 in run
=== end ===
"""


def test_the_innermost_frame_is_the_main_threads() -> None:
    assert evidence.innermost_frame(DUMP) == "selectors.py:398 in select"
    assert evidence.innermost_frame("nothing of the kind") is None


def test_a_real_dump_is_understood() -> None:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        frame = evidence.innermost_frame(file.read())
    assert frame
    assert " in " in frame


def test_a_log_that_cannot_be_read_says_so() -> None:
    class Silent:
        def server_log(self) -> str:
            raise EngineError("gone")

    assert "could not be read: gone" in evidence.server_log(Silent())  # type: ignore[arg-type]


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 59, 61, 3599, 4800)] == [
        "0 s",
        "59 s",
        "1 min 01 s",
        "59 min 59 s",
        "1 h 20 min",
    ]


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
