"""What changed between two runs: the rule of a single table, cell by cell, and what casts doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.measurement.outcome import Outcome
from runner.measurement.records import LaunchRecord
from runner.report.row import Row
from runner.report.rows import collate
from runner.report.speedup import Launches, rates_by_round
from runner.report.statistics import THRESHOLD, Comparison, Difference, differences
from runner.store.records import RunRecord

#: Outcomes that say nothing of the cell itself.
NO_WORD = {Outcome.UNAVAILABLE, Outcome.BUILD_FAILED, Outcome.ENGINE_ERROR, None}
#: From the best to the worst; all that are not named are equally bad.
QUALITY = {Outcome.OK: 2, Outcome.SERIALISED: 1}


class Change(StrEnum):
    """What became of a cell."""

    BETTER = "outcome improved"
    WORSE = "outcome got worse"
    OTHER = "outcome changed"
    NEW = "new"
    VANISHED = "vanished"


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """One cell of either run. `ratio` is the new median rate over the old one."""

    cell: str
    old: Outcome | None
    new: Outcome | None
    change: Change | Difference
    ratio: float | None = None
    reason: str | None = None

    @property
    def is_regression(self) -> bool:
        """Whether the cell is worse off than before."""
        return self.change in {Change.WORSE, Difference.SLOWER}


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs side by side. `doubts` are differences of method and machine, named first."""

    old: RunRecord
    new: RunRecord
    doubts: tuple[str, ...]
    cells: tuple[CellComparison, ...]

    @property
    def has_regression(self) -> bool:
        """Whether any cell is worse off than before."""
        return any(cell.is_regression for cell in self.cells)


def compare(
    old: tuple[RunRecord, Mapping[str, Sequence[LaunchRecord]]],
    new: tuple[RunRecord, Mapping[str, Sequence[LaunchRecord]]],
    *,
    threshold: float = THRESHOLD,
) -> RunComparison:
    """Compare two runs; Holm's correction is over all cells that have rates in both.

    `threshold` is the share by which medians must differ to count.
    """
    before = {row.cell: row for row in collate(*old)}
    after = {row.cell: row for row in collate(*new)}
    rated = _rated(before, after, old[1], new[1])
    verdicts = dict(zip(rated, differences([*rated.values()], threshold=threshold), strict=True))
    cells = [
        _cell(cell, before.get(cell), after.get(cell), verdicts.get(cell), rated.get(cell))
        for cell in dict.fromkeys((*after, *before))
    ]
    return RunComparison(
        old=old[0], new=new[0], doubts=tuple(doubts(old[0], new[0])), cells=tuple(cells)
    )


def _rated(
    before: Mapping[str, Row], after: Mapping[str, Row], old: Launches, new: Launches
) -> dict[str, Comparison]:
    """Cells of equal outcome with rates on both sides, new against old."""
    found = {}
    for cell in after.keys() & before.keys():
        values = rates_by_round(after[cell], new)
        reference = rates_by_round(before[cell], old)
        if values and reference and after[cell].outcome is before[cell].outcome:
            found[cell] = Comparison(
                values=tuple(values.values()), reference=tuple(reference.values())
            )
    return found


def _cell(
    cell: str,
    before: Row | None,
    after: Row | None,
    verdict: Difference | None,
    rates: Comparison | None,
) -> CellComparison:
    old, new = before.outcome if before else None, after.outcome if after else None
    change: Change | Difference
    if before is None or after is None:
        change = Change.NEW if before is None else Change.VANISHED
    elif verdict is not None:
        change = verdict
    else:
        change = _outcome_change(old, new)
    return CellComparison(
        cell=cell,
        old=old,
        new=new,
        change=change,
        ratio=rates.ratio if rates else None,
        reason=after.reason if after else None,
    )


def _outcome_change(old: Outcome | None, new: Outcome | None) -> Change | Difference:
    """A hang that appeared is worse, one that went away better; no word on either side is neither.

    Two failures of different kinds are a change, and no progress.
    """
    if old is new:
        return Difference.NONE_SHOWN
    if old in NO_WORD or new in NO_WORD or old is None or new is None:
        return Change.OTHER
    worth_old, worth_new = QUALITY.get(old, 0), QUALITY.get(new, 0)
    if worth_old == worth_new:
        return Change.OTHER
    return Change.BETTER if worth_new > worth_old else Change.WORSE


def doubts(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """Differences of machine and method that a difference of figures may come from."""
    pairs = {
        "method version": (old.method.version, new.method.version),
        "experiment": (old.experiment, new.experiment),
        "host": (old.host.hostname, new.host.hostname),
        "CPUs": (old.host.cpus, new.host.cpus),
        "CPU": (old.host.cpu_model, new.host.cpu_model),
        "operating system": (old.host.os, new.host.os),
        "kernel": (old.host.kernel, new.host.kernel),
        "engine": (old.engine.version, new.engine.version),
        "engine's machine": (old.engine.operating_system, new.engine.operating_system),
        "cgroup version": (old.engine.cgroup_version, new.engine.cgroup_version),
        "ab": (old.method.ab_version, new.method.ab_version),
        "ab sends its first request alone": (
            old.method.ab_first_request_alone,
            new.method.ab_first_request_alone,
        ),
        "cells side by side": (old.jobs or "auto", new.jobs or "auto"),
        "limits": (old.limits, new.limits),
        "base images": (_bases(old), _bases(new)),
    }
    for name, (before, after) in pairs.items():
        if before != after:
            yield f"{name}: {before} → {after}"
    yield from _cell_doubts(old, new)


def _bases(run: RunRecord) -> str:
    images = {e.base.reference: e.base for e in run.environments.values()}
    return ", ".join(
        f"{name} ({(base.digest or '?').removeprefix('sha256:')[:12]})"
        for name, base in sorted(images.items())
    )


def _cell_doubts(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """Cells of the same name that were not given the same thing."""
    before = {cell.id: cell for cell in old.cells}
    for cell in new.cells:
        earlier = before.get(cell.id)
        if earlier is None:
            continue
        loads = [
            f"{c.workload} {c.workload_seconds:g} s, ab -c {c.concurrency} -n {c.requests}"
            for c in (earlier, cell)
        ]
        if loads[0] != loads[1]:
            yield f"load of {cell.id}: {loads[0]} → {loads[1]}"
        if _lock(old, earlier.environment) != _lock(new, cell.environment):
            yield f"packages of {cell.id} differ beyond those named in the matrix file"


def _lock(run: RunRecord, environment: str | None) -> str | None:
    record = run.environments.get(environment or "")
    return record.lock_digest if record else None
