"""The stages of setting up a run: what is being done, how long each took, a table in the end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tabulate import tabulate

#: When `make` was started, in seconds since the epoch: what came before this program is a stage.
STARTED_VARIABLE = "MONKEY_MATRIX_STARTED"
#: A stage shorter than this is not worth a line, and a set-up shorter than that not a table.
SHORT_STAGE_S = 1.0
SHORT_SET_UP_S = 10.0


class Stages:
    """Times stages, some of which may run at the same time; `say` prints a line for people."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
        started: float | None = None,
    ) -> None:
        self.say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: list[tuple[str, float, float]] = []
        now = clock()
        self._started = now if started is None or started > now else started
        if now - self._started >= SHORT_STAGE_S:
            self._rows.append(("before: environment, packages", self._started, now))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside the block, and print how long it took unless it was short."""
        began = self._clock()
        yield
        ended = self._clock()
        with self._lock:
            self._rows.append((name, began, ended))
        if ended - began >= SHORT_STAGE_S:
            self.say(f"{name}: {ended - began:.0f} s")

    def finish(self) -> None:
        """Print the table of stages, unless the set-up was short."""
        total = self._clock() - self._started
        if total < SHORT_SET_UP_S:
            return
        rows = [
            (name, f"{began - self._started:.0f}", f"{ended - began:.0f}")
            for name, began, ended in sorted(self._rows, key=lambda row: (row[1], row[2]))
            if ended - began >= SHORT_STAGE_S
        ]
        rows.append(("set-up in all", "0", f"{total:.0f}"))
        headings = ("stage", "began after, s", "took, s")
        self.say(
            tabulate(rows, headings, disable_numparse=True, colalign=("left", "right", "right"))
        )


def started_by_make() -> float | None:
    """When the user's command was started, None if `make` did not start it."""
    try:
        return float(os.environ[STARTED_VARIABLE])
    except (KeyError, ValueError):
        return None
