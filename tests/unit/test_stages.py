"""What is shown of a set-up: a line per stage, and a table in the end."""

from __future__ import annotations

import pytest

from runner.stages import STARTED_VARIABLE, Stages, started_by_make


class Clock:
    """A clock that goes on by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_long_set_up_ends_in_a_table() -> None:
    said: list[str] = []
    clock = Clock()
    stages = Stages(said.append, clock=clock, started=980.0)
    with stages.stage("engine"):
        clock.now += 5
        with stages.stage("locks"):
            clock.now += 2
    with stages.stage("a moment"):
        clock.now += 0.1
    stages.finish()
    assert said[:2] == ["locks: 2 s", "engine: 7 s"]
    assert said[2].splitlines()[2:] == [
        "before: environment, packages                 0         20",
        "engine                                       20          7",
        "locks                                        25          2",
        "set-up in all                                 0         27",
    ]
    assert len(said) == 3


def test_a_short_set_up_says_nothing() -> None:
    said: list[str] = []
    clock = Clock()
    stages = Stages(said.append, clock=clock)
    with stages.stage("engine"):
        clock.now += 0.2
    stages.finish()
    assert said == []


@pytest.mark.parametrize(("text", "seconds"), [("12.5", 12.5), ("soon", None), (None, None)])
def test_make_tells_when_it_began(
    monkeypatch: pytest.MonkeyPatch, text: str | None, seconds: float | None
) -> None:
    monkeypatch.delenv(STARTED_VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(STARTED_VARIABLE, text)
    assert started_by_make() == seconds
