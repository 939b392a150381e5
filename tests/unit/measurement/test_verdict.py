"""What logs and facts are taken to mean."""

from __future__ import annotations

import pytest

from runner.contract import IMPORT_FAILED
from runner.engine.protocol import ContainerState
from runner.measurement import verdict
from runner.measurement.agent import Refusal
from runner.outcome import Outcome

TRACEBACK = """\
Traceback (most recent call last):
  File "/server/main.py", line 1, in <module>
    work()
pymilvus.exceptions.MilvusException: <MilvusException: (code=2, message=Fail connecting)>
"""


def test_the_exception_is_the_last_tracebacks_last_line() -> None:
    log = f"begun\n{TRACEBACK}\nDuring handling of the above …\n\n{TRACEBACK}[ERROR] gave up\n"
    assert verdict.exception_line(log).startswith("pymilvus.exceptions.MilvusException: ")
    assert verdict.exception_line("no traceback\nat all\n") == ""


def test_an_import_error_is_named_by_its_exception_not_by_what_came_after() -> None:
    state = ContainerState(running=False, exit_code=IMPORT_FAILED, oom_killed=False)
    outcome, reason = verdict.of_exit(state, TRACEBACK + "[ERROR] Worker failed to boot\n")
    assert outcome is Outcome.IMPORT_ERROR
    assert reason
    assert reason.startswith("pymilvus.exceptions.MilvusException")


def test_a_wrong_answer_is_explained_by_the_servers_log() -> None:
    refusal = Refusal(failed="wrong-answer", reason="status 500, expected 200: '<html>'")
    assert verdict.of_refusal(refusal, TRACEBACK)[1] == (
        "status 500, expected 200: pymilvus.exceptions.MilvusException: "
        "<MilvusException: (code=2, message=Fail connecting)>"
    )
    assert verdict.of_refusal(refusal, "")[1] == refusal.reason


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.99, "; it used 99 % of a CPU meanwhile"),
        (0.0, "; it used 0 % of a CPU meanwhile"),
        (None, ""),
    ],
)
def test_cpu_while_nothing_is_answered(share: float | None, words: str) -> None:
    assert verdict.cpu_used(share) == words
