"""Time, as something that tests can hold."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What is asked of time. Durations come from `monotonic`: a clock set back does no harm."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def now(self) -> datetime:
        """The wall clock in UTC, for people only."""
        ...


class SystemClock:
    """The machine's own."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)
