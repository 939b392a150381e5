"""How a cell can end: the one list of outcomes, and what everything else must know of each.

A new outcome is a line of `Outcome`, a line in docs/reading-the-table.md, and a test.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

NOT_MEASURED: Final = "not measured"


class Kind(StrEnum):
    """What outcomes have in common."""

    FIGURES = "has figures"
    HANG = "hangs"
    FAILURE = "fails"
    #: There is nothing to launch: no such distributions, or no interpreter.
    UNAVAILABLE = "does not exist"
    #: The build or the engine failed. It says nothing about the cell.
    MACHINE = "the machine failed"


class Outcome(StrEnum):
    """How a cell's launch ended, in the order of legends and filters.

    Each is its value, its severity, its kind, and the sign that stands for it beside its colour. Of
    a cell's launches the most severe outcome is the cell's; an engine error says nothing about the
    cell, so every other outcome outranks it.
    """

    severity: int
    kind: Kind
    sign: str

    OK = "ok", 10, Kind.FIGURES, "✓"
    LIMITED = "limited", 15, Kind.FIGURES, "="
    SERIALISED = "serialised", 20, Kind.FIGURES, "≡"
    HANG_AT_STARTUP = "hang-at-startup", 80, Kind.HANG, "‖"
    HANG_AT_FIRST_REQUEST = "hang-at-first-request", 75, Kind.HANG, "‖"
    HANG_UNDER_LOAD = "hang-under-load", 50, Kind.HANG, "‖"
    CRASHED = "crashed", 70, Kind.FAILURE, "✕"
    OOM_KILLED = "oom-killed", 60, Kind.FAILURE, "✕"
    IMPORT_ERROR = "import-error", 90, Kind.FAILURE, "✕"
    BEFORE_FAILED = "before-failed", 95, Kind.FAILURE, "✕"
    WRONG_ANSWER = "wrong-answer", 40, Kind.FAILURE, "≠"
    FAILED_REQUESTS = "failed-requests", 30, Kind.FAILURE, "✕"
    UNAVAILABLE = "unavailable", 100, Kind.UNAVAILABLE, "∅"
    BUILD_FAILED = "build-failed", 110, Kind.MACHINE, "∅"
    ENGINE_ERROR = "engine-error", 0, Kind.MACHINE, "?"

    def __new__(cls, value: str, severity: int, kind: Kind, sign: str) -> Self:
        """Give the member its value and what belongs to it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity, member.kind, member.sign = severity, kind, sign
        return member

    @property
    def has_figures(self) -> bool:
        """Whether performance figures of such a launch mean anything."""
        return self.kind is Kind.FIGURES

    def counts_as(self, other: Outcome | None) -> bool:
        """Whether figures of such a launch are figures of a cell that is the other.

        `ok` and `limited` differ by where a bound is drawn, not by what was measured.
        """
        return self is other or {self, other} == {Outcome.OK, Outcome.LIMITED}

    @property
    def is_failure(self) -> bool:
        """Whether the cell was launched and did not do what it should."""
        return self.kind in {Kind.HANG, Kind.FAILURE}

    @property
    def is_launched(self) -> bool:
        """Whether there was a launch: of other cells the reason is all there is."""
        return self not in {Outcome.UNAVAILABLE, Outcome.BUILD_FAILED}

    @property
    def says_nothing(self) -> bool:
        """Whether nothing is known of how the cell itself behaves."""
        return self.kind in {Kind.UNAVAILABLE, Kind.MACHINE}

    @property
    def can_be_expected(self) -> bool:
        """Whether `expect:` in the matrix file may name it."""
        return self is not Outcome.ENGINE_ERROR


def outcome_text(outcome: Outcome | None) -> str:
    """The outcome as a word; None is that of a cell that was not measured."""
    return str(outcome or NOT_MEASURED)


def worst(outcomes: set[Outcome]) -> Outcome:
    """The most severe of them."""
    return max(outcomes, key=lambda outcome: outcome.severity)
