"""What changed between two runs: the rule of a single table, cell by cell, and what casts doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from runner.measurement.outcome import Outcome
from runner.measurement.records import LaunchRecord
from runner.report.row import Row
from runner.report.rows import collate
from runner.report.speedup import Launches, rates_by_round
from runner.report.statistics import THRESHOLD, Comparison, Difference, differences
from runner.store.records import CellRecord, RunRecord

#: Outcomes that say nothing of the cell itself: it was not measured, or not for its own fault. A
#: cell that comes from or goes to one of them has changed, but nobody can say for the worse.
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
        old=old[0],
        new=new[0],
        doubts=tuple(doubts(old[0], new[0], old[1], new[1])),
        cells=tuple(cells),
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


def doubts(
    old: RunRecord, new: RunRecord, old_launches: Launches, new_launches: Launches
) -> Iterator[str]:
    """Differences of machine and method that a difference of figures may come from.

    First of them: launches that are the same on both sides, which cannot differ from themselves.
    """
    yield from _same_launches(old, new, old_launches, new_launches)
    before, after = _conditions(old), _conditions(new)
    for name in before:
        if before[name] != after[name]:
            yield f"{name}: {before[name]} → {after[name]}"
    yield from _base_doubts(old, new)
    yield from _cell_doubts(old, new)


def _same_launches(
    old: RunRecord, new: RunRecord, old_launches: Launches, new_launches: Launches
) -> Iterator[str]:
    before, after = _origins(old, old_launches), _origins(new, new_launches)
    if same := len(before & after):
        yield (
            f"the same launches on both sides: {same} of {len(after)}, taken over from an earlier "
            "run; `matrix run --fresh` measures anew"
        )


def _origins(run: RunRecord, launches: Launches) -> set[tuple[str, str, int]]:
    """The run that each launch was made in, its cell and its number."""
    return {
        (launch.reused_from or run.run_id, launch.cell, launch.launch)
        for of_cell in launches.values()
        for launch in of_cell
    }


def _conditions(run: RunRecord) -> dict[str, object]:
    """What holds for all cells of a run, by the name that a reader knows it by."""
    host, engine, method = run.host, run.engine, run.method
    return {
        "method version": method.version,
        "experiment": run.experiment,
        "host": host.hostname,
        "CPUs": host.cpus,
        "CPU": host.cpu_model,
        "operating system": host.os,
        "kernel": host.kernel,
        "engine": engine.version,
        "engine's machine": engine.operating_system,
        "engine's kernel": engine.kernel,
        "engine's CPUs": engine.cpus,
        "storage driver": engine.storage_driver,
        "cgroup version": engine.cgroup_version,
        "ab": method.ab_version,
        "ab sends its first request alone": method.ab_first_request_alone,
        "cells side by side": run.jobs or "auto",
        **{f"limit {name}": value for name, value in asdict(run.limits).items()},
    }


def _base_doubts(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """Pythons of both runs that stand on different images."""
    before, after = _bases(old), _bases(new)
    for python in before:
        if python in after and before[python] != after[python]:
            yield f"base image of Python {python}: {before[python]} → {after[python]}"


def _bases(run: RunRecord) -> dict[str, str]:
    """Each Python's base image; environments of one Python share it."""
    return {
        e.python: f"{e.base.reference} from {e.base.origin} "
        f"({(e.base.digest or 'no digest').removeprefix('sha256:')[:12]})"
        for e in run.environments.values()
    }


def _cell_doubts(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """Cells of the same name that were not given the same thing, those alike in one line."""
    before = {cell.id: cell for cell in old.cells}
    pairs = [(before[cell.id], cell) for cell in new.cells if cell.id in before]
    differing: dict[str, list[str]] = {}
    for earlier, cell in pairs:
        for words in _given_otherwise(old, earlier, new, cell):
            differing.setdefault(words, []).append(cell.id)
    for words, cells in differing.items():
        whose = f"all {len(pairs)} cells" if len(cells) == len(pairs) > 1 else ", ".join(cells)
        yield f"{whose}: {words}"


def _given_otherwise(
    old: RunRecord, earlier: CellRecord, new: RunRecord, cell: CellRecord
) -> Iterator[str]:
    loads = [
        f"{c.server}, {c.workload} {c.workload_seconds:g} s, ab -c {c.concurrency} -n {c.requests}"
        for c in (earlier, cell)
    ]
    if loads[0] != loads[1]:
        yield f"{loads[0]} → {loads[1]}"
    if _lock(old, earlier.environment) != _lock(new, cell.environment):
        yield "locked to different packages"


def _lock(run: RunRecord, environment: str | None) -> str | None:
    record = run.environments.get(environment or "")
    return record.lock_digest if record else None
