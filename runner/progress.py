"""Show how far a run is: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from runner.measurement.records import LaunchRecord, rate_of
from runner.streams import nobody_reads
from runner.text import counted, duration


def launch_line(record: LaunchRecord) -> str:
    """One line on a launch that ended."""
    text = f"{record.cell} #{record.launch}: {record.outcome}"
    if record.outcome.has_figures and record.ab:
        text += f", {rate_of(record.ab):.2f} requests/s"
    if record.disturbed:
        text += f", disturbed: {record.disturbed}"
    return f"{text} ({record.reason})" if record.reason else text


class Messages(Console):
    """Where messages go. Their reader may leave early (`matrix run 2>&1 | head -1`)."""

    def on_broken_pipe(self) -> None:
        """Go on without a reader; rich would end the program."""
        self.quiet = True
        nobody_reads(sys.stderr)


class Reporter(Protocol):
    """What a run reports while it goes on."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """Something happened that a reader of the log wants to know."""
        ...

    def begin(self, launches: int, seconds: float) -> None:
        """The measuring begins: so many launches, predicted to take so many seconds."""
        ...

    def more(self, launches: int) -> None:
        """So many launches come on top, of cells that failed."""
        ...

    def loading(self, cells: list[str]) -> None:
        """These cells are being measured: as many side by side as fit, the others after them."""
        ...

    def ended(self, record: LaunchRecord, *, final: bool) -> None:
        """A launch ended; one that is not final will be repeated."""
        ...


class PlainReporter:
    """One line an event, on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = 0
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def say(self, text: str) -> None:
        try:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        except OSError:  # a full disk, say; no run ends for a message
            nobody_reads(sys.stderr)

    def begin(self, launches: int, seconds: float) -> None:
        self._total = launches
        self.say(f"measuring {counted(launches, 'launch')}, about {duration(seconds)}")

    def more(self, launches: int) -> None:
        self._total += launches

    def loading(self, cells: list[str]) -> None:
        what = cells[0] if len(cells) == 1 else f"{len(cells)} cells, as many side by side as fit"
        self.say(f"[{self._done + 1}/{self._total}] {what}")

    def ended(self, record: LaunchRecord, *, final: bool) -> None:
        self._done += final
        again = "" if final else "; it will be repeated"
        self.say(f"  {launch_line(record)}{again}")


class LaunchesColumn(ProgressColumn):
    """How many launches were made, once it is known of how many."""

    def render(self, task: Task) -> Text:
        """`3/26 launches`."""
        known = task.total is not None
        return Text(f"{task.completed:.0f}/{task.total:.0f} launches" if known else "")


class LiveReporter(PlainReporter):
    """The same lines above a bar that stays at the bottom of a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            LaunchesColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("preparing", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, launches: int, seconds: float) -> None:
        super().begin(launches, seconds)
        self._bar.update(self._task, total=launches, completed=0)

    def more(self, launches: int) -> None:
        super().more(launches)
        self._bar.update(self._task, total=self._total)

    def loading(self, cells: list[str]) -> None:
        what = cells[0] if len(cells) == 1 else f"{len(cells)} cells"
        self._bar.update(self._task, description=what)

    def ended(self, record: LaunchRecord, *, final: bool) -> None:
        super().ended(record, final=final)
        self._bar.advance(self._task, int(final))


def reporter(console: Console) -> Reporter:
    """The display that fits where the messages go."""
    return LiveReporter(console) if console.is_terminal else PlainReporter(console)
