"""Launches of an application of the user's, on the in-memory engine: headers, samples, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.contract import BEFORE_FAILED
from runner.engine.protocol import ExecResult
from runner.matrix.application import Header, Request, Response
from runner.matrix.cell import Cell
from runner.matrix.values import workload
from runner.measurement.asked import Asked
from runner.measurement.job import LaunchResult
from runner.measurement.launch import Launch
from runner.measurement.records import Effects, Patched
from runner.outcome import Outcome
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import (
    SimulatedPods,
    VirtualClock,
    a_cell,
    a_job,
    dead,
    packed,
    rate_file,
)

Answer = dict[str, Any]
TOKEN = Header(name="Authorization", command="python token.py")
ASKED = Asked(
    request=Request(method="POST", path="/orders", headers=(TOKEN,)),
    response=Response(contains="ok"),
)


def printing(
    stdout: str = "Bearer of-a-token\n", *, code: int | None = 0, stderr: str = ""
) -> Callable[[str], ExecResult]:
    return lambda _: ExecResult(exit_code=code, stdout=stdout.encode(), stderr=stderr.encode())


class Pods(SimulatedPods):
    """Remembers what each command of the agent was told."""

    def __call__(self, engine: MemoryEngine, spec: Any, command: tuple[str, ...]) -> ExecResult:
        if command[0] == "/bin/sh":
            self.events.append(("shell", f"{spec.name.rpartition('-')[2]}: {command[2]}"))
        return super().__call__(engine, spec, command)

    def _load(self, config: Answer) -> Answer:
        self.told = config
        return super()._load(config)


def launch(
    pods: SimulatedPods,
    engine: MemoryEngine | None = None,
    *,
    asked: Asked = ASKED,
    cell: Cell | None = None,
    before_s: float = 0.0,
) -> LaunchResult:
    job = replace(a_job(cell or a_cell()), asked=asked, before_s=before_s)
    made = Launch(engine or MemoryEngine(pods), job, VirtualClock())
    made.start()
    made.load()
    result = made.collect()
    made.close()
    return result


# -- headers that a command prints -----------------------------------------------------------------


def test_a_command_is_run_in_the_server_once_it_is_ready_and_its_output_is_sent() -> None:
    pods = Pods(shell=printing())
    assert launch(pods).record.outcome is Outcome.OK
    steps = [name for name, _ in pods.events]
    assert steps == ["ready", "shell", "check", "calibrate", "load"]
    assert ("shell", "server: python token.py") in pods.events
    assert pods.told["request"]["headers"] == [["Authorization", "Bearer of-a-token"]]
    assert pods.told["fixed_length"] is False


@pytest.mark.parametrize(
    ("shell", "why"),
    [
        (
            printing("of-a-token", code=2, stderr="…\nno key for of-a-token\n"),
            "ended with status 2: no key for ***",
        ),
        (printing(code=1), "ended with status 1: it printed no error"),
        (printing(code=None), "did not end within 60 s"),
        (printing("\n"), "printed nothing; let it print the value to its standard output"),
        (printing("one\r\ntwo: x\n"), "printed more than one line; let it print the value alone"),
    ],
)
def test_a_command_that_prints_no_value_fails_before_the_load(
    shell: Callable[[str], ExecResult], why: str
) -> None:
    record = launch(SimulatedPods(shell=shell)).record
    assert record.outcome is Outcome.BEFORE_FAILED
    assert record.reason == f"`request.headers`: the command of Authorization {why}"


def test_a_value_that_ab_would_cut_off_is_refused_and_a_fixed_rate_sends_it() -> None:
    record = launch(SimulatedPods(shell=printing("x" * 9000))).record
    assert record.outcome is Outcome.BEFORE_FAILED
    assert record.reason
    assert "most of them in the header Authorization" in record.reason
    assert "xxx" not in record.reason
    fixed = replace(a_cell(), rate="45", load_s=60.0, requests=2700)
    assert launch(SimulatedPods(shell=printing("x" * 9000)), cell=fixed).record.outcome == "ok"


def test_a_server_that_is_gone_is_why_its_command_fails() -> None:
    engine = MemoryEngine(pods := SimulatedPods())

    def die(_: str) -> ExecResult:
        dead(engine, 3, log="boom\n")
        return printing(code=137)("")

    pods.shell = die
    assert launch(pods, engine).record.outcome is Outcome.CRASHED


def test_what_a_command_printed_is_in_no_file_and_no_reason() -> None:
    pods = SimulatedPods(
        shell=printing(),
        check=lambda _: {
            "failed": "wrong-answer",
            "reason": "its body does not contain 'ok'",
            "cpu_share": None,
            "answer": {"status": 200, "quote": "you sent of-a-token"},
        },
    )
    engine = MemoryEngine(pods)

    def logged(answer: Answer) -> Answer:
        for container in engine.containers.values():
            if container.spec.name.endswith("-server"):
                container.log = "of-a-token came\n"
        return answer

    pods.ready = logged
    result = launch(pods, engine)
    assert result.record.reason == "its body does not contain 'ok': it says 'you sent ***'"
    assert result.files["server.log"] == b"*** came\n"


# -- before the server -----------------------------------------------------------------------------

BEFORE = "INFO migrating\nKeyError: 'DATABASE_URL'\nbefore: flask db upgrade ended with status 1\n"


def test_what_runs_before_the_server_and_fails_is_named_with_its_last_line() -> None:
    engine = MemoryEngine(pods := SimulatedPods())

    def die(_: Answer) -> Answer:
        dead(engine, BEFORE_FAILED, log=BEFORE)
        return {"failed": "server-gone", "reason": "gone"}

    pods.ready = die
    record = launch(pods, engine, before_s=60).record
    assert record.outcome is Outcome.BEFORE_FAILED
    assert record.reason == (
        "before: flask db upgrade ended with status 1: KeyError: 'DATABASE_URL'"
    )


def test_what_runs_before_the_server_has_its_time() -> None:
    told: list[Answer] = []

    class Slow(SimulatedPods):
        def _ready(self, config: Answer) -> Answer:
            told.append(config)
            reason = "what runs before the server did not end within 60 s"
            return {"failed": "before-not-done", "reason": reason, "cpu_share": 0.5}

    record = launch(Slow(), before_s=60).record
    assert told[0]["before_s"] == 60
    assert record.outcome is Outcome.BEFORE_FAILED
    assert record.reason == (
        "what runs before the server did not end within 60 s; it used 50 % of a CPU meanwhile"
    )


# -- what is found ---------------------------------------------------------------------------------


def samples(sent: int, right: int, first: Answer | None = None) -> Callable[[Answer], Answer]:
    return lambda a: {**a, "samples": {"sent": sent, "right": right, "first_wrong": first}}


def test_right_samples_are_recorded() -> None:
    record = launch(SimulatedPods(shell=printing(), load=samples(3, 3))).record
    assert record.outcome is Outcome.OK
    assert record.samples
    assert (record.samples.sent, record.samples.right) == (3, 3)


@pytest.mark.parametrize(
    ("first", "outcome", "reason"),
    [
        (
            {
                "failed": "wrong-answer",
                "reason": "its body does not contain 'ok'",
                "answer": {"status": 200, "title": "Log in"},
            },
            Outcome.WRONG_ANSWER,
            "1 of 3 sampled answers were not right: its body does not contain 'ok': POST /orders",
        ),
        (
            {"failed": "broken-answer", "reason": "POST /orders failed: RemoteDisconnected"},
            Outcome.FAILED_REQUESTS,
            "1 of 3 sampled answers were not right: POST /orders failed: RemoteDisconnected",
        ),
    ],
)
def test_a_sample_that_is_not_right_fails_the_load(
    first: Answer, outcome: Outcome, reason: str
) -> None:
    record = launch(SimulatedPods(shell=printing(), load=samples(3, 2, first))).record
    assert record.outcome is outcome
    assert record.reason
    assert record.reason.startswith(reason)
    assert record.samples
    assert record.samples.first_wrong
    assert record.samples.first_wrong in record.reason


def served(*lines: tuple[int, int, int]) -> Callable[[Answer], Answer]:
    """So many requests with a status and a length, a hundred at a time."""
    rows = ["process\tentered_us\tleft_us\tstatus\tlength"]
    for number, status, length in lines:
        for _ in range(number):
            entered = (len(rows) - 1) // 100 * 2_000_000
            rows.append(f"0\t{entered}\t{entered + 2_000_000}\t{status}\t{length}")
    return lambda answer: {**answer, "served_tsv_gz": packed("\n".join(rows))}


class Recorded(SimulatedPods):
    """Pods whose server recorded other answers than right ones; `ab` saw so many other statuses."""

    answers: Callable[[Answer], Answer] = staticmethod(lambda answer: answer)
    non_2xx = 0

    def _load(self, config: Answer) -> Answer:
        answer = self.answers(super()._load(config))
        if self.non_2xx:
            line = f"Non-2xx responses:      {self.non_2xx}\nRequests per"
            answer["ab"]["stdout"] = answer["ab"]["stdout"].replace("Requests per", line)
        return answer


def recorded(answers: Callable[[Answer], Answer], non_2xx: int) -> Recorded:
    pods = Recorded(shell=printing())
    pods.answers, pods.non_2xx = answers, non_2xx
    return pods


def test_a_rate_limit_under_load_is_called_one() -> None:
    record = launch(recorded(served((50, 200, 7), (4949, 429, 5), (1, 500, 9)), 4950)).record
    assert record.outcome is Outcome.WRONG_ANSWER
    assert record.reason == (
        "4,950 of 5,000 answers were not right: 4,950 with a wrong status; most with status 429: "
        "a rate limit: the application refuses so many requests; switch it off for the load "
        "(Flask-Limiter: RATELIMIT_ENABLED = False), or send less by `load.rate`"
    )
    assert record.answers
    assert record.answers.most_wrong_status == 429


def test_a_rate_limit_at_a_fixed_rate_is_called_one_too() -> None:
    text = rate_file(2700, 45, 2.0).replace("200\t11\t", "429\t5\t", 2000)
    pods = SimulatedPods(shell=printing(), load=lambda a: {**a, "requests_tsv_gz": packed(text)})
    record = launch(pods, cell=replace(a_cell(), rate="45", load_s=60.0, requests=2700)).record
    assert record.outcome is Outcome.WRONG_ANSWER
    assert record.reason
    assert "2,000 wrong status; most with status 429: a rate limit" in record.reason


def test_another_status_may_be_right_at_a_fixed_rate() -> None:
    text = rate_file(2700, 45, 2.0).replace("200\t11\t", "302\t5\t")
    pods = SimulatedPods(shell=printing(), load=lambda a: {**a, "requests_tsv_gz": packed(text)})
    asked = replace(ASKED, response=Response(statuses=(302,)))
    cell = replace(a_cell(), rate="45", load_s=60.0, requests=2700)
    answers = launch(pods, asked=asked, cell=cell).record.answers
    assert answers
    assert answers.right == 2700


def test_failures_of_the_application_are_failed_requests() -> None:
    record = launch(recorded(served((4990, 200, 7), (10, 0, 0)), 10)).record
    assert (record.outcome, record.reason) == (
        Outcome.FAILED_REQUESTS,
        "10 of 5,000 answers were not right: 10 with a wrong status",
    )


def test_any_length_is_right_where_the_body_is_not_exact() -> None:
    assert launch(recorded(served((2500, 200, 7), (2500, 200, 9)), 0)).record.outcome == "ok"


def test_another_status_than_2xx_may_be_right() -> None:
    either = replace(ASKED, response=Response(statuses=(200, 302)))
    pods = recorded(served((2500, 302, 7), (2500, 200, 9)), 2500)
    assert launch(pods, asked=either).record.outcome == "ok"
    redirect = replace(ASKED, response=Response(statuses=(302,)))
    pods = recorded(served((5000, 302, 7)), 5000)
    assert launch(pods, asked=redirect).record.outcome == "ok"


@pytest.mark.parametrize(
    ("statuses", "non_2xx", "outcome"),
    [
        ((200,), 0, "ok"),
        ((200,), 1, "failed-requests"),
        ((302,), 5000, "ok"),
        ((302,), 4999, "failed-requests"),
        ((200, 302), 17, "ok"),
    ],
)
def test_without_records_only_what_ab_counts_is_known(
    statuses: tuple[int, ...], non_2xx: int, outcome: str
) -> None:
    pods = recorded(lambda a: {**a, "served_tsv_gz": None}, non_2xx)
    asked = replace(ASKED, response=Response(statuses=statuses))
    assert launch(pods, asked=asked).record.outcome == outcome


def test_empty_answers_are_missed_by_their_bytes_though_ab_counts_none_with_l() -> None:
    """`ab -l` takes a connection that is closed without a byte for an answer."""

    def short(answer: Answer) -> Answer:
        told = served((2500, 200, 7), (2500, 200, 9))(answer)
        report = told["ab"]["stdout"].replace(
            "Requests per", f"HTML transferred:       {2500 * 16 - 20} bytes\nRequests per"
        )
        return {**told, "ab": {**told["ab"], "stdout": report}}

    record = launch(recorded(short, 0)).record
    assert record.reason == "3 of 5,000 answers were not right: 3 empty or broken off"


# -- what is recorded ------------------------------------------------------------------------------


def test_effects_are_recorded() -> None:
    told = {
        "in_effect": {"gevent_version": "25.9.1", "gevent_modules": ["os"], "grpc": True},
        "by_label": {},
        "application": "flask.app.Flask",
    }
    record = launch(SimulatedPods(shell=printing(), check=lambda a: {**a, "effects": told})).record
    assert record.effects == Effects(
        in_effect=Patched(gevent_version="25.9.1", gevent_modules=("os",), grpc=True),
        by_label=Patched(),
        application="flask.app.Flask",
    )


def test_without_a_nominal_time_the_ceiling_is_that_of_the_lone_request_and_says_so() -> None:
    """The time in the application counts: no client waits for less."""
    cell = replace(a_cell(), workload=workload("application", {}))
    pods = SimulatedPods(shell=printing(), check=lambda a: {**a, "service_s": 1.9})
    record = launch(pods, cell=cell).record
    assert record.ceiling_lone_ms == pytest.approx(1900)
    assert record.configuration_rps == pytest.approx(100 / 1.9)
    pods = SimulatedPods(shell=printing(), check=lambda a: {**a, "service_s": None})
    assert launch(pods, cell=cell).record.ceiling_lone_ms == pytest.approx(2000)
    assert launch(SimulatedPods(shell=printing())).record.ceiling_lone_ms is None


def test_a_launch_of_before_reads_as_it_was() -> None:
    record = launch(SimulatedPods(shell=printing())).record
    stored = record.model_dump(mode="json") | {"schema_version": 5}
    for name in ("samples", "effects", "ceiling_lone_ms"):
        del stored[name]
    del stored["answers"]["most_wrong_status"]
    assert type(record)(**stored).answers == record.answers
