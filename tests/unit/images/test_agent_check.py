"""How the agent finds out how long a lone request takes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from runner.environments.build import AGENT
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
   3: 0100007F:A1B3 0100007F:1E63 02 00000001:00000000 01:00000064 00000003  7000        0 4
   4: 0100007F:A1B4 0100007F:1E7A 01 00000000:00000000 00:00000000 00000000  7001        0 5
"""


def test_who_waits_for_an_answer_and_who_only_to_be_let_in(tmp_path: Path) -> None:
    agent: Any = module("agent_in_pod", AGENT)
    (tmp_path / "tcp").write_text(TABLE, encoding="utf-8")
    assert agent.waiting_for_answers(7779, str(tmp_path / "tcp")) == 1
    # The client's end is established, the server's is not.
    refused = TABLE.replace("0100007F:A1B2 01", "0100007F:A1B2 03")
    (tmp_path / "tcp").write_text(refused, encoding="utf-8")
    assert agent.waiting_for_answers(7779, str(tmp_path / "tcp")) == 0


@pytest.mark.parametrize(("waiting", "ending"), [(1, "stalled"), (0, "late")])
def test_clients_that_wait_to_be_let_in_are_no_hang(
    monkeypatch: pytest.MonkeyPatch, waiting: int, ending: str
) -> None:
    agent: Any = module("agent_in_pod", AGENT)
    monkeypatch.setattr(agent, "connections_made", lambda: 7)
    monkeypatch.setattr(agent, "waiting_for_answers", lambda _: waiting)
    monkeypatch.setattr(agent, "end_of", lambda _: threading.Event())
    monkeypatch.setattr(agent, "PROGRESS_INTERVAL_S", 0.001)
    config = {"deadline_s": 0.01, "limit_s": 0.05, "stall_s": 0.01, "port": 7779}
    assert agent.wait_for_ab(1, config) == ending
