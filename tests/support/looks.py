"""What an application answered that was looked at."""

from __future__ import annotations

from runner.commands.trial.look import Look
from runner.measurement.agent import LookedAt
from runner.measurement.wrong_answer import WrongAnswer


def right(path: str, took_ms: float = 1.0, computed_ms: float | None = 1.0) -> LookedAt:
    """A right answer: how long it took in the application, and computed."""
    return LookedAt(
        path=path,
        failed=None,
        reason="",
        answer=WrongAnswer(status=200),
        first_s=1.0,
        lone_s=(took_ms + 0.5) / 1000,
        took_s=None if computed_ms is None else took_ms / 1000,
        computed_s=None if computed_ms is None else computed_ms / 1000,
    )


def wrong(path: str, status: int, location: str | None = None) -> LookedAt:
    """An answer of another status."""
    return LookedAt(
        path=path,
        failed="wrong-answer",
        reason=f"status {status}, expected 200",
        answer=WrongAnswer(status=status, location=location),
        first_s=None,
        lone_s=None,
        took_s=None,
        computed_s=None,
    )


def look(*looked: LookedAt, routes: tuple[str, ...] = (), wanted: str | None = None) -> Look:
    """What was asked, in that order."""
    return Look(wanted=wanted, looked=looked, routes=routes)
