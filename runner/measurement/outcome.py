"""The words for how a launch ended."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a cell's launch ended. Only `OK` and `SERIALISED` carry performance figures."""

    OK = "ok"
    SERIALISED = "serialised"
    HANG_AT_STARTUP = "hang-at-startup"
    HANG_UNDER_LOAD = "hang-under-load"
    CRASHED = "crashed"
    OOM_KILLED = "oom-killed"
    IMPORT_ERROR = "import-error"
    WRONG_ANSWER = "wrong-answer"
    FAILED_REQUESTS = "failed-requests"
    UNAVAILABLE = "unavailable"
    BUILD_FAILED = "build-failed"
    ENGINE_ERROR = "engine-error"

    @property
    def has_figures(self) -> bool:
        """Whether performance figures of such a launch mean anything."""
        return self in {Outcome.OK, Outcome.SERIALISED}
