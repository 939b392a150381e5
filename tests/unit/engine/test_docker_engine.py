"""What the engine's answers are taken for, without an engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineError


def engine(**answers: Any) -> DockerEngine:
    """An engine whose API answers each call with what is given for it."""
    api = SimpleNamespace(
        **{name: lambda *_, _a=answer, **__: _a for name, answer in answers.items()}
    )
    return DockerEngine(SimpleNamespace(api=api))  # type: ignore[arg-type]


def inspected(status: str, **host_config: int) -> dict[str, Any]:
    state = {"Status": status, "Running": False, "ExitCode": 137, "OOMKilled": False}
    return {"State": state, "HostConfig": host_config}


def test_an_exit_is_the_containers_own() -> None:
    assert engine(inspect_container=inspected("exited")).state("c").exit_code == 137


@pytest.mark.parametrize("status", ["removing", "dead"])
def test_what_somebody_removes_has_not_exited_by_itself(status: str) -> None:
    with pytest.raises(EngineError, match="is being removed"):
        engine(inspect_container=inspected(status)).state("c")


STATISTICS = {
    "cpu_usage": {"total_usage": 5},
    "throttling_data": {"throttled_time": 2_500_000_000},
}


@pytest.mark.parametrize(
    ("host_config", "statistics", "throttled_s"),
    [
        ({}, STATISTICS, 0.0),
        ({"CpuQuota": 0, "NanoCpus": 0}, STATISTICS, 0.0),
        ({"CpuQuota": 5000}, STATISTICS, 2.5),
        ({"NanoCpus": 500}, STATISTICS, 2.5),
        # Docker 20.10, of a container that has joined a network which it did not set up.
        ({"CpuQuota": 5000}, STATISTICS | {"cpu_usage": {"total_usage": 0}}, None),
        ({"CpuQuota": 5000}, {"cpu_usage": {"total_usage": 5}}, None),
    ],
)
def test_throttling(
    host_config: dict[str, int], statistics: dict[str, Any], throttled_s: float | None
) -> None:
    answers = engine(
        inspect_container=inspected("running", **host_config), stats={"cpu_stats": statistics}
    )
    assert answers.throttled_s("c") == throttled_s
