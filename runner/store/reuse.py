"""Launches of earlier runs that count for this run too.

A launch may be used again where everything that makes it what it is, is equal: the cell with its
lock and image, the load and its limits, `ab`, the method, the host and the engine. All of it goes
into one key per cell; a cell whose key differs in anything is measured. The cell's name is not part
of it: a second value on an axis renames every cell and changes none. A value on the axis `copy` is
part of it: cells that differ in nothing else are compared, so each needs launches of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.matrix.cell import rate_at
from runner.measurement.records import LaunchRecord
from runner.measurement.resources import worth_repeating
from runner.measurement.rounds import FAILURE_LAUNCHES, full_rates
from runner.outcome import Outcome
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Reusable:
    """A finished launch of an earlier run: its record and the run that it is in.

    `cell` is what the new run calls its cell, `rejected` are the launch's earlier attempts.
    """

    cell: str
    record: LaunchRecord
    rejected: Sequence[LaunchRecord]
    directory: RunDirectory
    run_id: str

    @property
    def adopted(self) -> LaunchRecord:
        """The launch as one of the new run, with the run it was measured in."""
        return _adopted(self.record, self)


def key(run: RunRecord, cell: CellRecord) -> str:
    """SHA-256 over all that makes the results of a run's cell what they are."""
    environment = run.environments.get(cell.environment or "")
    companion = run.companions.get(cell.companion or "")
    facts = {
        "cell": cell.model_dump(mode="json", exclude={"axes", "id", "rate_of"}),
        "copy": cell.axes.get("copy"),
        "lock": environment.lock_digest if environment else None,
        "companion": companion.image_id if companion else None,
        "method": run.method.model_dump(mode="json"),
        "limits": asdict(run.limits) if run.limits else None,
        "jobs": run.jobs,
        "host": run.host.machine.model_dump(mode="json") if run.host else None,
        "engine": asdict(run.engine) if run.engine else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def reusable(run: RunRecord, results: Path) -> dict[tuple[str, int], Reusable]:
    """Earlier launches of the run's experiment, by cell and number, the newest of each.

    An engine error says nothing about its cell, so the launch is repeated; so is a disturbed one
    that was not yet repeated as often as this run would. A launch at a percentage of its baseline's
    rate counts if this run would load it at the same rate, or if it ended before its load.
    """
    keys = {key(run, cell): cell.id for cell in run.cells}
    found: dict[tuple[str, int], Reusable] = {}
    for directory in _earlier(run, results):
        found = _launches(directory, keys, run) | found
    found = _at_this_runs_rates(found, run)
    failed = {cell for (cell, number), one in found.items() if _fails(one.record, number, run)}
    return {
        made: launch
        for made, launch in found.items()
        if made[1] <= run.launches or made[0] in failed
    }


def _at_this_runs_rates(
    found: Mapping[tuple[str, int], Reusable], run: RunRecord
) -> dict[tuple[str, int], Reusable]:
    """Without launches at a percentage of a rate that is not the one found for their baseline."""
    full = full_rates(one.adopted for one in found.values())
    shares = {cell.id: cell for cell in run.cells if cell.rate_share is not None}
    return {
        made: one
        for made, one in found.items()
        if made[0] not in shares or _is_at(one.record, shares[made[0]], full)
    }


def _is_at(record: LaunchRecord, cell: CellRecord, full: Mapping[str, float]) -> bool:
    """Whether a launch was loaded at the cell's rate, or ended before its load."""
    if record.rate is None:
        return True
    rate = full.get(cell.rate_of or "")
    return rate is not None and record.rate.rate == rate_at(cell.rate_share or 0.0, rate)


def _fails(record: LaunchRecord, number: int, run: RunRecord) -> bool:
    """Whether it is one of the launches that every cell has, and failed: more are made then."""
    return number <= run.launches and record.outcome.is_failure


def _earlier(run: RunRecord, results: Path) -> list[RunDirectory]:
    """The experiment's other runs, the newest first (run ids begin with their time)."""
    paths = sorted((results / run.experiment).glob("*/run.json"), reverse=True)
    return [
        RunDirectory(results=results, path=path.parent)
        for path in paths
        if path.parent.name != run.run_id
    ]


def _launches(
    directory: RunDirectory, keys: Mapping[str, str], now: RunRecord
) -> dict[tuple[str, int], Reusable]:
    try:
        run = directory.read_run()
    except UsageError:  # damaged, or of a newer version
        return {}
    if run.blocks:  # skip merged runs: their launches are also in the original runs
        return {}
    wanted = {cell.id: keys[k] for cell in run.cells if (k := key(run, cell)) in keys}
    if not wanted:
        return {}
    stored = directory.launches(warn=_ignore)
    rejected = directory.rejected(warn=_ignore)
    return {
        (wanted[cell], record.launch): Reusable(
            cell=wanted[cell],
            record=record,
            rejected=[one for one in rejected.get(cell, []) if one.launch == record.launch],
            directory=directory,
            run_id=run.run_id,
        )
        for cell in wanted
        for record in stored.get(cell, [])
        if record.launch <= max(now.launches, FAILURE_LAUNCHES) and _counts(record, now.repeats)
    }


def _ignore(_warning: str) -> None:
    """A result that cannot be read is measured again."""


def _counts(record: LaunchRecord, repeats: int) -> bool:
    """Whether a run with so many repeats of disturbed launches would keep this one."""
    if record.outcome is Outcome.ENGINE_ERROR:
        return False
    return record.attempt > repeats or not worth_repeating(record)


def adopt(directory: RunDirectory, earlier: Reusable) -> LaunchRecord:
    """Store an earlier launch and its rejected attempts, with the run they were measured in."""
    for attempt in earlier.rejected:
        files = earlier.directory.files_of(attempt, final=False)
        directory.write_disturbed(_adopted(attempt, earlier), files)
    record = earlier.adopted
    directory.write_launch(record, earlier.directory.files_of(earlier.record))
    return record


def _adopted(record: LaunchRecord, earlier: Reusable) -> LaunchRecord:
    origin = record.reused_from or earlier.run_id
    return record.model_copy(update={"cell": earlier.cell, "reused_from": origin})
