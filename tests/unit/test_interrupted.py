"""What the system may do to the program: no memory, no threads, Ctrl-C before it can answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner import cli
from runner.commands import runs
from tests.support.command_line import assert_error, command_line


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("x.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_no_memory_is_said_in_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(runs, "table_text", fail)
    said = command_line(monkeypatch, capsys)("table")
    assert_error(said, "no memory left", str(error), "what was measured is stored", "resume")


def test_a_fault_of_the_program_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RuntimeError("a fault")

    monkeypatch.setattr(runs, "table_text", fail)
    monkeypatch.setattr(sys, "argv", ["matrix", "table"])
    with pytest.raises(RuntimeError, match="a fault"):
        cli.main()


#: Waits where the program imports its commands, until it is interrupted.
SLOW_IMPORT = "print('importing', flush=True); input()"
START = "import runpy; runpy.run_module('runner', run_name='__main__')"


def start(directory: Path, *, ignoring: bool = False) -> subprocess.Popen[str]:
    (directory / "typer.py").write_text(SLOW_IMPORT)
    how = signal.SIG_IGN if ignoring else signal.SIG_DFL
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        env=os.environ | {"PYTHONPATH": f"{directory}:{Path.cwd()}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, how),  # noqa: PLW1509
    )
    assert process.stdout
    assert process.stdout.readline() == "importing\n"
    return process


def test_ctrl_c_while_it_imports(tmp_path: Path) -> None:
    process = start(tmp_path)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert err == ""


def test_ctrl_c_that_the_shell_ignores_stays_ignored(tmp_path: Path) -> None:
    process = start(tmp_path, ignoring=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate("\n", timeout=30)
    assert process.returncode == 1  # the module in the place of the library has nothing in it
    assert "KeyboardInterrupt" not in err


def test_no_memory_to_begin_with(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise MemoryError")
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no memory left")
    assert len(done.stderr.splitlines()) == 1


#: Threads get no memory, or no thing's end does: in the main thread as in one that another starts.
WITHOUT = """\
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from runner.threads import end_where_none_can_start

end_where_none_can_start()

def fail(*_):
    raise MemoryError

class Ends:
    __del__ = fail

Ends()
print("goes on", flush=True)

def start():
    threading.Thread._bootstrap_inner = fail
    threading.Thread(target=print).start()

{call}
"""


@pytest.mark.parametrize("call", ["start()", "ThreadPoolExecutor().submit(start).result()"])
def test_a_thread_without_memory_for_its_start_ends_the_program(call: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(call=call)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stdout == "goes on\n"
    assert done.stderr.splitlines()[-1].startswith("error: no memory left for a thread")


def test_the_program_ends_where_no_thread_can_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    command_line(monkeypatch, capsys)("--version")
    assert sys.unraisablehook is not sys.__unraisablehook__


#: A thread whose first frame gets no memory, in a stack that another one has left. It is told the
#: system's way: no function in Python can be called there.
FULL = """\
import os, resource, threading, time
from pathlib import Path
from runner.threads import end_where_none_can_start

end_where_none_can_start()
before = len(os.listdir("/proc/self/task"))
threading.Thread(target=int).start()
while len(os.listdir("/proc/self/task")) > before:
    time.sleep(0.01)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used, used))
try:
    threading.Thread(target=print).start()
except (MemoryError, RuntimeError):  # from Python 3.13 on it is told here
    os._exit(2)
"""


def test_a_thread_without_memory_for_its_first_frame_ends_the_program() -> None:
    command = [sys.executable, "-c", FULL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr


#: Gets the signal when the command has ended, and what it printed is being written.
ENDING = """\
import os, sys
from runner import cli
from runner.cli import main

def close() -> None:
    os.kill(os.getpid(), {number})

cli.close_streams = close
sys.argv = ["matrix", "--version"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_very_end_ends_it_as_any_program(number: signal.Signals) -> None:
    command = [sys.executable, "-c", ENDING.format(number=int(number))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (-number, "")
