"""A run while it is made: launches are stored and counted, and it ends once they are enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from runner.application.secret_values import Secrets
from runner.commands.runs import RunResult, stored_result
from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.job import Job, LaunchResult
from runner.measurement.records import LaunchRecord
from runner.progress import Reporter
from runner.report.formats import FOR_PEOPLE
from runner.report.stopping import at_round, is_enough, round_text
from runner.report.summary import summary
from runner.store.records import RunRecord
from runner.store.reuse import Reusable, adopt
from runner.store.run_directory import RunDirectory
from runner.text import counted, duration, span

#: Launches of earlier runs that count for this run too, by their cell's id and their number.
Earlier: TypeAlias = Mapping[tuple[str, int], Reusable]


@dataclass(frozen=True, kw_only=True)
class Underway:
    """A run that is being made: where it is stored, its record, its launches so far.

    `diagnoses` are what was found of what blocks the event loop, by cell.
    """

    directory: RunDirectory
    record: RunRecord
    launches: list[LaunchRecord] = field(default_factory=list)
    diagnoses: dict[str, DiagnosisRecord] = field(default_factory=dict)

    def result(self) -> RunResult:
        """The tables of what was measured so far, stored."""
        return stored_result(self.directory, self.record, self.launches, self.diagnoses)


@dataclass(kw_only=True)
class Watch:
    """What happens as `measure` makes launches: each is stored, and it is said how far the run is.

    Launches of earlier runs become the run's when it comes to their round: none is taken over of
    rounds that it does not need. A launch takes `launch_s` seconds of a round.
    """

    underway: Underway
    reporter: Reporter
    earlier: Earlier
    launch_s: float
    #: The last round whose launches were taken over, or announced.
    told: int = 0
    #: Whether a launch was made here: of rounds that were measured before nothing is said.
    has_begun: bool = False
    #: Whether the run's first table was shown.
    is_shown: bool = False
    #: What launches of this wave have to hide, besides what the whole run has.
    hidden: Secrets = field(default=Secrets(), repr=False)

    def announce(self) -> None:
        """Take over what was measured before; say how many launches there are at least."""
        run = self.underway.record
        self.told = run.least_launches or run.launches
        # Of a cell that failed there may be more of them than of others.
        fixed = run.least_launches is None
        again = [x for (_, n), x in self.earlier.items() if fixed or n <= self.told]
        self._take_over(again)
        regular = sum(launch.record.launch <= self.told for launch in again)
        total = len(run.cells) * self.told
        if again:
            self._say_again(again, f"{regular} of {total}" if fixed else str(regular))
        if missing := total - regular:
            if not fixed:
                self._say_how_many()
            self.reporter.begin(missing, self.launch_s * missing)

    def _take_over(self, again: Iterable[Reusable]) -> None:
        directory = self.underway.directory
        self.underway.launches.extend(adopt(directory, launch) for launch in again)

    def _say_again(self, again: Sequence[Reusable], number: str) -> None:
        runs = ", ".join(sorted({launch.run_id for launch in again}))
        self.reporter.say(
            f"measured before, used again: {number} launches (run {runs}){_blocks(again)}; "
            "`--fresh` ignores them"
        )

    def _say_how_many(self) -> None:
        run = self.underway.record
        most = duration(self.launch_s * len(run.cells) * run.launches)
        self.reporter.say(
            f"{span(run.least_launches, run.launches)} rounds, until no interval of a patch mode"
            f" reaches further than δ from its ratio: at most about {most}"
        )

    def begin(self, jobs: Sequence[Job]) -> None:
        """A wave begins; those beyond what was announced are of cells that failed."""
        self.has_begun = True
        self.hidden = Secrets()
        if jobs[0].number > self.told and jobs[0].attempt == 1:
            self.reporter.more(len(jobs))
            self.reporter.say("launched again, because a launch failed:")
        self.reporter.loading([job.cell.id for job in jobs])

    def end(self, result: LaunchResult, final: bool) -> None:
        """Store a launch that ended."""
        self.hidden |= result.secrets
        directory = self.underway.directory.hiding(self.hidden)
        store = directory.write_launch if final else directory.write_disturbed
        stored = store(result.record, result.files)
        if final:
            self.underway.launches.append(stored)
        self.reporter.ended(stored, final=final)

    def complete(self, record: LaunchRecord, final: bool) -> None:
        """Store a launch again, with what was known only at the end of its wave."""
        directory = self.underway.directory.hiding(self.hidden)
        stored = directory.complete(record, final=final)
        made = (record.cell, record.launch)
        if final:
            launches = self.underway.launches
            launches[:] = [stored if (x.cell, x.launch) == made else x for x in launches]

    def skip(self, waiting: Sequence[str]) -> None:
        """Cells are not launched in this round."""
        self.reporter.more(-len(waiting))
        self.reporter.say(f"not launched, the baseline has no rate yet: {', '.join(waiting)}")

    def is_enough(self, number: int) -> bool:
        """Whether the run ends after this round; if not, say what is known so far."""
        run, launches = self.underway.record, self.underway.launches
        if number == run.launches or is_enough(run, launches, number):
            return True
        again = [x for (_, n), x in self.earlier.items() if n == number + 1]
        missing = len(run.cells) - len(again)
        if self.has_begun:
            self._say(number, missing)
        if number >= self.told:
            self.told = number + 1
            self._take_over(again)
            self.reporter.more(missing)
        return False

    def _say(self, number: int, missing: int) -> None:
        """The first time a table, then a line."""
        run, launches = self.underway.record, self.underway.launches
        after = f"after round {number} of {span(run.least_launches, run.launches)}"
        table = None if self.is_shown else summary(at_round(run, launches, number))
        self.is_shown = True
        if table is not None:
            self.reporter.say(f"\n{FOR_PEOPLE['plain'](table)}")
        follows = f"{counted(missing, 'launch')} in about {duration(self.launch_s * missing)}"
        self.reporter.say(f"{after}: {round_text(run, launches, number)}; next: {follows}")


def _blocks(earlier: Iterable[Reusable]) -> str:
    """Which rounds are of another boot, for people."""
    rounds = sorted({launch.record.launch for launch in earlier if launch.other_boot})
    if not rounds:
        return ""
    return f", those of round {', '.join(map(str, rounds))} as a block: they are of another boot"
