"""`run --diagnose`: after the measured launches, one of each cell to see what blocks its loop."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.commands.underway import Underway
from runner.engine.ownership import remove_run
from runner.engine.protocol import Engine
from runner.matrix.cell import Cell
from runner.measurement.clock import Clock
from runner.measurement.diagnosis import DiagnosticLaunch
from runner.measurement.diagnosis_record import DiagnosisRecord
from runner.measurement.job import Job, LaunchResult
from runner.measurement.rounds import Method, full_rates, job_of, waves
from runner.measurement.schedule import run_wave
from runner.progress import Reporter
from runner.report.diagnosis_text import blocked_text
from runner.store.diagnoses import reusable_diagnoses, write_diagnosis
from runner.store.records import CellRecord
from runner.text import counted

NOT_LOADED: Final = "gevent is not loaded in the server's processes"
NO_RATE: Final = "its rate is a percentage of its baseline's, which has none"
#: gevent's line of a lock.
GEVENT: Final = re.compile(r"^gevent==", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Diagnoses:
    """Makes the launches of a run that was measured, with its `method`.

    Those that an earlier run made of the same cell are used again, unless it is to be `fresh`.
    """

    engine: Engine
    method: Method
    underway: Underway
    clock: Clock
    reporter: Reporter
    fresh: bool = False

    def make(self, cells: Sequence[Cell]) -> None:
        """Diagnose the cells; what was found is stored as soon as it is known."""
        record, directory = self.underway.record, self.underway.directory
        again = {} if self.fresh else reusable_diagnoses(record, directory.results)
        by_id, wanted = {cell.id: cell for cell in cells}, list[Job]()
        full = full_rates(self.underway.launches)
        for of_record in record.cells:
            cell = by_id[of_record.id]
            if why := self._left_out(of_record):
                self._store(DiagnosisRecord(cell=cell.id, made_in=record.run_id, left_out=why))
            elif cell.id in again:
                self._store(*again[cell.id])
            elif (job := self._job(cell, full.get(of_record.rate_of or ""))) is None:
                self._store(DiagnosisRecord(cell=cell.id, made_in=record.run_id, left_out=NO_RATE))
            else:
                wanted.append(job)
        self._say(again, wanted)
        try:
            for wave in waves(wanted, self.method.jobs):
                self._make(wave)
        finally:
            remove_run(self.engine, record.run_id)

    def _left_out(self, cell: CellRecord) -> str | None:
        """Why a cell has no loop to look at: by what its processes said, else by its lock."""
        launches = [x for x in self.underway.launches if x.cell == cell.id and x.effects]
        if launches:
            loaded = any(x.effects and x.effects.in_effect.gevent_version for x in launches)
        else:
            environment = self.underway.record.environments.get(cell.environment or "")
            loaded = environment is None or GEVENT.search(environment.lock) is not None
        return None if loaded else NOT_LOADED

    def _job(self, cell: Cell, full: float | None) -> Job | None:
        if cell.share is None:
            return job_of(cell, 1, self.method)
        return None if full is None else job_of(cell.at_share_of(full), 1, self.method)

    def _say(self, again: Iterable[str], wanted: Sequence[Job]) -> None:
        if again:
            self.reporter.say(f"diagnosed before, used again: {counted(len([*again]), 'cell')}")
        self.reporter.say(
            f"diagnosing {counted(len(wanted), 'cell')}, with gevent's monitor thread"
        )

    def _make(self, wave: Sequence[Job]) -> None:
        launches = [DiagnosticLaunch(self.engine, job, self.clock) for job in wave]
        by_cell = {launch.job.cell.id: launch for launch in launches}

        def end(result: LaunchResult) -> None:
            found = by_cell[result.record.cell].diagnosis(result)
            self._store(found, result.files)
            self.reporter.say(f"  {found.cell}: {blocked_text(found)}")

        jobs = self.method.jobs
        run_wave(launches, grouped=jobs.grouped, cpus=jobs.cpus, clock=self.clock, on_end=end)

    def _store(self, record: DiagnosisRecord, files: Mapping[str, bytes] | None = None) -> None:
        stored = write_diagnosis(self.underway.directory, record, files or {})
        self.underway.diagnoses[stored.cell] = stored
