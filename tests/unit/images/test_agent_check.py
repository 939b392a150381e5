"""How the agent finds out how long a lone request takes."""

from __future__ import annotations

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
