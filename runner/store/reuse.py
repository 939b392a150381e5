"""Launches of earlier runs that count for this run too.

A launch may be used again where everything that makes it what it is, is equal: the cell with its
lock and image, an application with its source, secrets and services, the load and its limits, `ab`,
the method, the host and the engine. All of it goes into one key per cell; a cell whose key differs
in anything is measured. The cell's name is not part of it: a second value on an axis renames every
cell and changes none. A value on the axis `copy` is part of it: cells that differ in nothing else
are compared, so each needs launches of its own.

Another boot of the same machine can be another machine's worth of difference. So what was made in
this boot counts in this run's rounds, beside what is measured now; what was made in another boot is
used as whole rounds only, in which each cell still has its baseline beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.matrix.cell import rate_at
from runner.measurement.records import (
    FIRST_WITH_BOOT,
    LAUNCH_SCHEMA,
    UNKNOWN_BOOT,
    LaunchRecord,
)
from runner.measurement.resources import worth_repeating
from runner.measurement.rounds import FAILURE_LAUNCHES, full_rates
from runner.outcome import Outcome
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Reusable:
    """A finished launch of an earlier run: its record and the run that it is in.

    `cell` is what the new run calls its cell, `rejected` are the launch's earlier attempts;
    `other_boot` is as in `LaunchRecord`.
    """

    cell: str
    record: LaunchRecord
    rejected: Sequence[LaunchRecord]
    directory: RunDirectory
    run_id: str
    other_boot: str | None

    @property
    def made_in(self) -> str:
        """The run that the launch was made in."""
        return self.record.reused_from or self.run_id

    @property
    def adopted(self) -> LaunchRecord:
        """The launch as one of the new run, with the run it was measured in."""
        return _adopted(self.record, self)


#: Launches of earlier runs by their cell in this run and their number.
Found = Mapping[tuple[str, int], Reusable]


def key(run: RunRecord, cell: CellRecord) -> str:
    """SHA-256 over all that makes the results of a run's cell what they are."""
    environment = run.environments.get(cell.environment or "")
    companion = run.companions.get(cell.companion or "")
    application = run.application
    services = [one.companion for one in application.services.values()] if application else []
    engine = asdict(run.engine) if run.engine else {}
    facts = {
        "cell": cell.model_dump(mode="json", exclude={"axes", "id", "rate_of", "image"}),
        "copy": cell.axes.get("copy"),
        "lock": environment.lock_digest if environment else None,
        "companion": companion.key if companion else None,
        "application": application.model_dump(mode="json") if application else None,
        "services": {
            name: run.companions[name].key for name in services if name and name in run.companions
        },
        "method": run.method.model_dump(mode="json", exclude={"loadgen_image"}),
        "limits": asdict(run.limits) if run.limits else None,
        "jobs": run.jobs,
        "host": run.host.machine.model_dump(mode="json") if run.host else None,
        "engine": {name: value for name, value in engine.items() if name != "endpoint"},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def reusable(run: RunRecord, results: Path) -> dict[tuple[str, int], Reusable]:
    """Earlier launches of the run's experiment, by cell and number, the newest of each.

    An engine error says nothing about its cell, so the launch is repeated; so is a disturbed one
    that was not yet repeated as often as this run would. A launch at a percentage of its baseline's
    rate counts if this run would load it at the same rate, or if it ended before its load.
    """
    keys = {key(run, cell): cell.id for cell in run.cells}
    earlier = [_launches(directory, keys, run) for directory in earlier_runs(run, results)]
    cells, regular = {cell.id for cell in run.cells}, range(1, run.launches + 1)
    found = _of_this_boot(earlier)
    found |= _of_other_boots(earlier, cells, {*regular} - _begun(found))
    found = _still_whole(found, run)
    failed = {cell for (cell, number), one in found.items() if _fails(one.record, number, run)}
    further = range(run.launches + 1, FAILURE_LAUNCHES + 1)
    found |= _of_other_boots(earlier, failed, {*further} - _begun(found))
    return {
        made: launch
        for made, launch in _at_this_runs_rates(found, run).items()
        if made[1] <= run.launches or made[0] in failed
    }


def _of_this_boot(earlier: Iterable[Found]) -> dict[tuple[str, int], Reusable]:
    found: dict[tuple[str, int], Reusable] = {}
    for launches in earlier:
        found = {m: one for m, one in launches.items() if one.other_boot is None} | found
    return found


def _begun(found: Found) -> set[int]:
    """The rounds of which there is a launch."""
    return {number for _, number in found}


def _of_other_boots(
    earlier: Iterable[Found], cells: Collection[str], numbers: Collection[int]
) -> dict[tuple[str, int], Reusable]:
    """The newest round of each number that another boot of the machine has of all the cells."""
    found: dict[tuple[str, int], Reusable] = {}
    for launches in earlier:
        for number in {*numbers} - _begun(found):
            found |= _whole_round(launches, cells, number)
    return found


def _whole_round(launches: Found, cells: Collection[str], number: int) -> Found:
    """That round's launches, of all the cells and all of one boot's run; none if there is none."""
    found = {
        (cell, number): one
        for cell in cells
        if (one := launches.get((cell, number))) and one.other_boot is not None
    }
    blocks = {(one.made_in, one.other_boot) for one in found.values()}
    return found if len(found) == len(cells) and len(blocks) == 1 else {}


def _still_whole(found: Found, run: RunRecord) -> dict[tuple[str, int], Reusable]:
    """Without launches at other rates than this run's, and without the rounds that miss them then.

    A baseline that goes may have been what the rates of others were a percentage of.
    """
    while True:
        kept = _at_this_runs_rates(found, run)
        counts = Counter(number for _, number in kept)
        kept = {
            made: one
            for made, one in kept.items()
            if one.other_boot is None or counts[made[1]] == len(run.cells)
        }
        if len(kept) == len(found):
            return kept
        found = kept


def _at_this_runs_rates(found: Found, run: RunRecord) -> dict[tuple[str, int], Reusable]:
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


def earlier_runs(run: RunRecord, results: Path) -> list[RunDirectory]:
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
            other_boot=_other_boot(record, run, now),
        )
        for cell in wanted
        for record in stored.get(cell, [])
        if record.launch <= max(now.launches, FAILURE_LAUNCHES) and counts(record, now.repeats)
    }


def _ignore(_warning: str) -> None:
    """A result that cannot be read is measured again."""


def _other_boot(record: LaunchRecord, run: RunRecord, now: RunRecord) -> str | None:
    """The boot that a launch stored in `run` was made in, None if that is the one of `now`."""
    made_in = _boot(run)
    if record.reused_from and record.schema_version < FIRST_WITH_BOOT:
        made_in = UNKNOWN_BOOT  # an earlier release took over launches of any boot
    elif record.other_boot:
        made_in = record.other_boot
    return None if made_in == _boot(now) != UNKNOWN_BOOT else made_in


def _boot(run: RunRecord) -> str:
    return (run.host and run.host.boot_id) or UNKNOWN_BOOT


def counts(record: LaunchRecord, repeats: int) -> bool:
    """Whether a run with so many repeats of disturbed launches would keep this one."""
    if record.outcome is Outcome.ENGINE_ERROR:
        return False
    return record.attempt > repeats or not worth_repeating(record)


def adopt(directory: RunDirectory, earlier: Reusable) -> LaunchRecord:
    """Store an earlier launch and its rejected attempts, with the run they were measured in."""
    for attempt in earlier.rejected:
        left = earlier.directory.files_of(attempt, final=False)
        directory.write_disturbed(_adopted(attempt, earlier), left)
    files = earlier.directory.files_of(earlier.record)
    return directory.write_launch(earlier.adopted, files)


def _adopted(record: LaunchRecord, earlier: Reusable) -> LaunchRecord:
    return record.model_copy(
        update={
            "cell": earlier.cell,
            "reused_from": earlier.made_in,
            "other_boot": earlier.other_boot,
            "schema_version": LAUNCH_SCHEMA,  # its round is told by this one's rule
        }
    )
