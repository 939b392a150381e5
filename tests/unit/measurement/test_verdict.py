"""What logs and facts are taken to mean."""

from __future__ import annotations

import pytest

from runner.contract import IMPORT_FAILED
from runner.engine.protocol import ContainerState
from runner.measurement import verdict
from runner.measurement.agent import CalibrateReply, Refusal
from runner.measurement.server_log import exception_line, exceptions
from runner.measurement.wrong_answer import WrongAnswer
from runner.outcome import Outcome

TRACEBACK = """\
Traceback (most recent call last):
  File "/server/main.py", line 1, in <module>
    work()
pymilvus.exceptions.MilvusException: <MilvusException: (code=2, message=Fail connecting)>
"""


def test_the_exception_is_the_last_tracebacks_last_line() -> None:
    log = f"begun\n{TRACEBACK}\nDuring handling of the above …\n\n{TRACEBACK}[ERROR] gave up\n"
    assert exception_line(log).startswith("pymilvus.exceptions.MilvusException: ")
    assert exception_line("no traceback\nat all\n") == ""


def test_an_import_error_is_named_by_its_exception_not_by_what_came_after() -> None:
    state = ContainerState(running=False, exit_code=IMPORT_FAILED, oom_killed=False)
    outcome, reason = verdict.of_exit(state, TRACEBACK + "[ERROR] Worker failed to boot\n")
    assert outcome is Outcome.IMPORT_ERROR
    assert reason
    assert reason.startswith("pymilvus.exceptions.MilvusException")


def test_a_wrong_answer_is_explained_by_the_servers_log() -> None:
    answer = WrongAnswer(status=500, quote="<html>")
    refusal = Refusal(failed="wrong-answer", reason="status 500, expected 200", answer=answer)
    assert verdict.of_refusal(refusal, TRACEBACK)[1] == (
        "status 500, expected 200: pymilvus.exceptions.MilvusException: "
        "<MilvusException: (code=2, message=Fail connecting)>"
    )
    assert verdict.of_refusal(refusal, "")[1] == (
        "status 500, expected 200: the application failed (it says '<html>'); the server's log "
        "says why"
    )


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


IGNORED = f"Exception ignored in: <function Local.__del__>\n{TRACEBACK}"


@pytest.mark.parametrize(
    "log",
    [
        IGNORED,
        (
            f"{IGNORED}\nDuring handling of the above exception, another exception occurred:\n\n"
            f"{TRACEBACK}"
        ),
        f"Exception ignored while calling deallocator <function f>:\n{TRACEBACK}",
    ],
)
def test_what_was_cleaned_up_too_late_is_no_failure(log: str) -> None:
    assert list(exceptions(log)) == []
    assert exception_line(f"{TRACEBACK}\n{log}").startswith("pymilvus")


def test_the_most_frequent_exception_is_the_reason() -> None:
    rare = TRACEBACK.replace("pymilvus.exceptions.MilvusException", "ValueError")
    assert exception_line(f"{TRACEBACK}\n{TRACEBACK}\n{rare}").startswith("pymilvus")
    said = verdict.with_exception("2 of 40 answers were not right", TRACEBACK * 2)
    assert said.startswith("2 of 40 answers were not right; the server: pymilvus")
    assert said.endswith("(2 times)")


def test_a_server_that_leaves_part_of_the_second_burst_unanswered_hangs() -> None:
    reply = CalibrateReply(
        factor=5.0,
        burst_answered=5,
        burst_last_cpu_share=0.0,
        cpu_s_per_request=0.001,
        many_sent=20,
        many_answered=3,
        many_factor=None,
    )
    outcome = verdict.of_burst(reply, 5)
    assert outcome
    assert outcome[0] is Outcome.HANG_UNDER_LOAD
    assert outcome[1]
    assert outcome[1].startswith("3 of 20 requests sent at once were answered")
    assert verdict.of_burst(reply.model_copy(update={"many_answered": 20}), 5) is None


def test_a_body_with_a_colon_is_shown_whole() -> None:
    refusal = Refusal(failed="wrong-answer", reason="body 'Error: no', expected 'Hello World'")
    assert verdict.of_refusal(refusal, TRACEBACK)[1] == (
        "body 'Error: no', expected 'Hello World': pymilvus.exceptions.MilvusException: "
        "<MilvusException: (code=2, message=Fail connecting)>"
    )


ENDED = """\
*** Starting
Error: Please configure a random SECRET_KEY with a length of at least 16 characters.

[2026-11-27 09:59:59 +0000] [9] [INFO] Booting worker
Traceback (most recent call last):
  File "/site/wiki.py", line 13, in fatal_error
    sys.exit(1)
SystemExit: 1

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/server/main.py", line 1, in <module>
    work()
loading.EndedError: it called sys.exit(1) while it was imported
[2026-11-27 09:59:59 +0000] [9] [ERROR] Shutting down: Master
"""


def test_of_an_application_that_ends_itself_its_last_words_are_the_reason() -> None:
    state = ContainerState(running=False, exit_code=IMPORT_FAILED, oom_killed=False)
    outcome, reason = verdict.with_remedy(verdict.of_exit(state, ENDED), ENDED, lambda _: ())
    assert outcome is Outcome.IMPORT_ERROR
    assert reason
    assert reason.startswith(
        "loading.EndedError: it called sys.exit(1) while it was imported: Error: Please configure "
        "a random SECRET_KEY with a length of at least 16 characters; the variable SECRET_KEY is"
    )
    silent = ENDED[ENDED.index("[2026") :]
    assert verdict.of_exit(state, silent)[1] == (
        "loading.EndedError: it called sys.exit(1) while it was imported"
    )


@pytest.mark.parametrize("log", [ENDED, f"{TRACEBACK}RuntimeError: SECRET_KEY must be set.\n"])
def test_what_helps_is_found_in_a_reason_that_says_it_already(log: str) -> None:
    log = log.replace(TRACEBACK, "Traceback (most recent call last):\n  File 'a', line 1\n")
    state = ContainerState(running=False, exit_code=IMPORT_FAILED, oom_killed=False)
    _, reason = verdict.with_remedy(verdict.of_exit(state, log), log, lambda _: ())
    assert reason
    found = verdict.remedy_in(reason, log, lambda _: ())
    assert found
    assert (found.key, found.value) == ("environment", "SECRET_KEY")
