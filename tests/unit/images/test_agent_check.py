"""How the agent finds out how long a lone request takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.build.build import AGENT
from tests.unit.images.test_server_program import module


@pytest.mark.parametrize(
    ("service_s", "repeats", "latencies", "lone_s", "asked"),
    [
        (2.0, 0, [2.01], 2.01, 1),
        # gunicorn's master accepts connections while its worker still starts.
        (1.0, 0, [3.5, 1.01], 1.01, 2),
        (1.0, 0, [9.0, 9.0, 9.0, 9.0], 9.0, 4),
        (0.05, 3, [0.5, 0.06, 0.05, 0.07], 0.05, 4),
    ],
)
def test_a_late_first_answer_is_not_taken_for_the_service_time(
    monkeypatch: pytest.MonkeyPatch,
    *,
    service_s: float,
    repeats: int,
    latencies: list[float],
    lone_s: float,
    asked: int,
) -> None:
    agent: Any = module("agent_in_pod", AGENT)
    answers = iter(latencies)
    seen: list[float] = []

    def get(*_: object) -> float:
        seen.append(next(answers))
        return seen[-1]

    monkeypatch.setattr(agent, "verified_get", get)
    config = {"service_s": service_s, "startup_s": 1, "lone_repeats": repeats, "burst": 1}
    reply = agent.check(config)
    assert (reply["lone_s"], len(seen)) == (lone_s, asked)


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1E63 00000000:0000 0A 00000000:00000000 00:00000000 00000000  7001        0 1
   1: 0100007F:A1B2 0100007F:1E63 01 00000000:00000000 00:00000000 00000000  7000        0 2
   2: 0100007F:1E63 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000  7001        0 3
   3: 0100007F:A1B3 0100007F:1E7A 01 00000052:00000000 01:00000064 00000003  7000        0 4
"""


@pytest.mark.parametrize(
    ("what", "was", "now", "held_back"),
    [
        ("the request arrived", "", "", False),
        ("not let in", "A1B2 0100007F:1E63 01 00000000", "A1B2 0100007F:1E63 02 00000001", True),
        (
            "request dropped",
            "A1B2 0100007F:1E63 01 00000000",
            "A1B2 0100007F:1E63 01 00000052",
            True,
        ),
        ("ab gave up", "A1B2 0100007F:1E63 01 00000000", "A1B2 0100007F:1E63 04 00000053", False),
        ("to another port", "1E7A", "1E7B", False),
    ],
)
def test_a_request_that_has_not_arrived_is_held_back(
    tmp_path: Path, what: str, was: str, now: str, *, held_back: bool
) -> None:
    agent: Any = module("agent_in_pod", AGENT)
    assert was in TABLE
    (tmp_path / "tcp").write_text(TABLE.replace(was, now), encoding="utf-8")
    assert agent.requests_held_back(7779, str(tmp_path / "tcp")) is held_back, what


def test_a_server_that_does_not_accept_holds_requests_back_itself(tmp_path: Path) -> None:
    agent: Any = module("agent_in_pod", AGENT)
    full = TABLE.replace("0A 00000000:00000000", "0A 00000000:00000080")
    (tmp_path / "tcp").write_text(full.replace("1E7A", "1E63"), encoding="utf-8")
    assert agent.requests_held_back(7779, str(tmp_path / "tcp")) is False


class Clock:
    """Time that goes on only while somebody waits for `ab`."""

    def __init__(self, ends_at: float) -> None:
        self.now, self.ends_at = 0.0, ends_at

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.ends_at


NEVER = 1e9


@pytest.mark.parametrize(
    ("what", "ends_at", "last_moved", "held_back_until", "deadline_s", "ending", "after_s"),
    [
        ("all is answered", 40, 40, 0, 100, "ended", 40),
        ("silent before its deadline", NEVER, 10, 0, 100, "stalled", 40),
        ("silent after its deadline", NEVER, 95, 0, 100, "stalled", 105),
        ("answers to the end", NEVER, NEVER, 0, 100, "late", 200),
        ("held back to the end", NEVER, 10, NEVER, 100, "late", 200),
        ("held back, then silent", NEVER, 10, 150, 100, "stalled", 160),
        ("held back, then answered", 170, 10, 165, 100, "ended", 170),
        ("silent at its limit, where no deadline is known", NEVER, 185, 0, 200, "stalled", 200),
    ],
)
def test_a_load_stalls_when_the_server_leaves_requests_unanswered(
    monkeypatch: pytest.MonkeyPatch,
    *,
    what: str,
    ends_at: float,
    last_moved: float,
    held_back_until: float,
    deadline_s: float,
    ending: str,
    after_s: float,
) -> None:
    agent: Any = module("agent_in_pod", AGENT)
    clock = Clock(ends_at)
    monkeypatch.setattr(agent, "time", clock)
    monkeypatch.setattr(agent, "end_of", lambda _: clock)
    monkeypatch.setattr(agent, "progress", lambda: (min(clock.now, last_moved), 0))
    monkeypatch.setattr(agent, "requests_held_back", lambda _: clock.now < held_back_until)
    config = {"silence_s": 30, "stall_s": 10, "limit_s": 200, "port": 7779}
    assert agent.wait_for_ab(1, config | {"deadline_s": deadline_s}) == ending, what
    assert clock.now == pytest.approx(after_s, abs=agent.LOOK_AFTER_S + agent.PROGRESS_INTERVAL_S)
