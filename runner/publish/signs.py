"""A sign for each outcome, so that none is told by its colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.outcome import Outcome

#: Outcome to (sign, class of the page's style sheet).
SIGNS: Final[Mapping[Outcome | None, tuple[str, str]]] = {
    Outcome.OK: ("✓", "ok"),
    Outcome.SERIALISED: ("≡", "serial"),
    Outcome.HANG_AT_STARTUP: ("‖", "hang"),
    Outcome.HANG_UNDER_LOAD: ("‖", "hang"),
    Outcome.CRASHED: ("✕", "failed"),
    Outcome.OOM_KILLED: ("✕", "failed"),
    Outcome.IMPORT_ERROR: ("✕", "failed"),
    Outcome.WRONG_ANSWER: ("≠", "failed"),
    Outcome.FAILED_REQUESTS: ("✕", "failed"),
    Outcome.UNAVAILABLE: ("∅", "untold"),
    Outcome.BUILD_FAILED: ("∅", "untold"),
    Outcome.ENGINE_ERROR: ("?", "untold"),
    None: ("?", "untold"),
}


def sign(outcome: Outcome | None) -> str:
    """The outcome's sign."""
    return SIGNS[outcome][0]


def style(outcome: Outcome | None) -> str:
    """The outcome's class in the style sheet."""
    return SIGNS[outcome][1]
