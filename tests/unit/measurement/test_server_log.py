"""What is read in the log of a server that failed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from runner.engine.protocol import ContainerState, ExecResult
from runner.matrix.cell import Limits
from runner.measurement.server_log import (
    causes,
    exception_line,
    exceptions,
    ignored,
    last_words,
    traceback_of,
    with_place,
)
from runner.measurement.verdict import of_exit, with_remedy
from runner.outcome import Outcome
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods
from tests.unit.measurement.test_launch import launch

#: As gunicorn 27 prints it.
NO_WORKER_CLASS = """
Error: class uri 'no.such.Worker' invalid or not found:

[Traceback (most recent call last):
  File "<frozen importlib._bootstrap>", line 1142, in _find_and_load_unlocked
ModuleNotFoundError: No module named 'no'
]

"""
KILLED = "[8] [ERROR] Worker (pid:27) was sent SIGKILL! Perhaps out of memory?"
#: An application that has words of its own for a variable that is missing.
OWN_WORDS = """\
import os
try:
    os.environ["SHOP_KEY"]
except KeyError:
    raise RuntimeError("no key")
"""


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={}
    )
    return done.stderr


def ended(code: int, log: str) -> str:
    state = ContainerState(running=False, exit_code=code, oom_killed=False)
    return with_remedy(of_exit(state, log), log, lambda _: ())[1] or ""


def test_a_variable_that_is_missed_is_found_below_the_applications_own_exception() -> None:
    log = printed(OWN_WORDS)
    assert [*causes(log, "RuntimeError: no key")] == ["KeyError: 'SHOP_KEY'"]
    assert ended(81, log).startswith("RuntimeError: no key; the variable SHOP_KEY is not set")


def test_another_traceback_is_no_cause() -> None:
    log = printed("import os; os.environ['SHOP_KEY']") + printed("raise ValueError(7)")
    assert [*causes(log, "ValueError: 7")] == []


def test_a_mistake_in_a_file_has_its_place() -> None:
    log = printed("exec(compile('x = = 3', '/application/gunicorn.conf.py', 'exec'))")
    assert with_place("SyntaxError: invalid syntax", log) == (
        "SyntaxError: invalid syntax (/application/gunicorn.conf.py:1)"
    )
    assert with_place("ValueError: 7", log) == "ValueError: 7"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (NO_WORKER_CLASS, "class uri 'no.such.Worker' invalid or not found"),
        ("begun\nit is over\n]\n", "it is over"),
        ("]\n", "]"),
        ("", ""),
    ],
)
def test_the_last_words(log: str, words: str) -> None:
    assert last_words(log) == words


def test_what_gunicorn_cannot_be_started_with_is_named() -> None:
    assert "gunicorn finds no worker class no.such.Worker" in ended(1, NO_WORKER_CLASS)
    usage = "usage: gunicorn\ngunicorn: error: unrecognized arguments: --no-such-option\n"
    assert "gunicorn does not take `application.args`" in ended(2, usage)


@pytest.mark.parametrize(
    ("counted", "outcome"),
    [
        ("{limit}\noom_kill_disable 0\nunder_oom 0\noom_kill 5\n", Outcome.OOM_KILLED),
        ("{limit}\nlow 0\nhigh 0\nmax 310\noom 5\noom_kill 5\n", Outcome.OOM_KILLED),
        ("{limit}\noom_kill_disable 0\nunder_oom 0\noom_kill 0\n", Outcome.HANG_AT_FIRST_REQUEST),
        # The group of a rootless engine, in which the kernel killed something of another's.
        ("9223372036854771712\noom_kill_disable 0\noom_kill 5\n", Outcome.HANG_AT_FIRST_REQUEST),
        ("max\nlow 0\nhigh 0\noom_kill 5\n", Outcome.HANG_AT_FIRST_REQUEST),
        ("", Outcome.HANG_AT_FIRST_REQUEST),
    ],
)
def test_a_worker_that_the_kernel_kills_again_and_again_is_out_of_memory(
    counted: str, outcome: Outcome
) -> None:
    def starts_again(_: dict[str, Any]) -> dict[str, Any]:
        for container in engine.containers.values():
            container.log = KILLED
        return {"failed": "first-not-answered", "reason": "not answered within 120 s"}

    counted = counted.format(limit=Limits().memory_bytes)
    found = ExecResult(exit_code=0, stdout=counted.encode(), stderr=b"")
    pods = SimulatedPods(shell=lambda _: found, check=starts_again)
    engine = MemoryEngine(pods)
    record = launch(pods, engine).record
    assert record.outcome is outcome
    assert ("`limits.memory`" in (record.reason or "")) is (outcome is Outcome.OOM_KILLED)


FORKED = """\
{above}
Traceback (most recent call last):
  File "/site/gevent/threading.py", line 397, in after_fork_in_child
    assert sys.version_info[:2] < (3, 13)
AssertionError:\x20
Exception in thread Thread-1:
Traceback (most recent call last):
  File "/app.py", line 3, in run
ValueError: no
"""


@pytest.mark.parametrize(
    "above",
    [
        "Exception ignored in: <bound method _ForkHooks.after_fork_in_child of <…>>",
        # Two processes write at once.
        "Exception ignored in: Exception ignored in: <bound …>\n<bound method _ForkHooks.a of <…>>",
    ],
)
def test_what_python_ignores_is_no_failure_and_is_told(above: str) -> None:
    log = FORKED.format(above=above)
    ((exception, place),) = ignored(log)
    assert (exception, place["file"], place["line"], place["function"]) == (
        "AssertionError", "/site/gevent/threading.py", "397", "after_fork_in_child"
    )  # fmt: skip
    assert list(exceptions(log)) == ["ValueError: no"]


def test_what_a_grpc_error_is_about_is_below_its_line() -> None:
    log = (
        "Traceback (most recent call last):\n  File ...\n"
        "grpc._channel._InactiveRpcError: <_InactiveRpcError of RPC that terminated with:\n"
        '\tstatus = StatusCode.UNAVAILABLE\n\tdetails = "sendmsg: no socket (88)"\n>\n'
    )
    assert exception_line(log) == "grpc._channel._InactiveRpcError: sendmsg: no socket (88)"


def test_an_exception_has_the_traceback_that_ends_in_it_last() -> None:
    """Not the one above it in its chain, and not the last of the log."""
    raised = 'Traceback (most recent call last):\n  File "/a.py", line {}, in f\n{}\n'
    chained = "\nDuring handling of the above exception, another exception occurred:\n\n"
    first = raised.format(1, "KeyError: 1") + chained + raised.format(2, "ValueError: x")
    log = first + raised.format(3, "ValueError: x") + raised.format(4, "OSError: y")
    assert traceback_of("ValueError: x", first) == '  File "/a.py", line 2, in f\n'
    assert traceback_of("ValueError: x", log) == '  File "/a.py", line 3, in f\n'
    assert traceback_of("TypeError: z", log) == ""


def test_a_traceback_is_found_by_the_exception_as_it_is_told() -> None:
    log = (
        'Traceback (most recent call last):\n  File "/a.py", line 1, in f\n'
        'grpc._channel._InactiveRpcError: <_InactiveRpcError of RPC:\n\tdetails = "no"\n>\n'
    )
    (told,) = exceptions(log)
    assert told == "grpc._channel._InactiveRpcError: no"
    assert traceback_of(told, log) == '  File "/a.py", line 1, in f\n'
