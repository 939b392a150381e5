"""Differences in the setup of two runs that could explain a difference in their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.report.ledger import Ledger
from runner.report.notes import workload_text
from runner.report.rows import Row
from runner.report.run import Run
from runner.store.records import (
    CellRecord,
    CompanionRecord,
    RunRecord,
    UnavailableCell,
    conditions,
)
from runner.text import NOT_KNOWN, known


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A cell of the old run and the one of the new run that it is compared with."""

    old: CellRecord
    new: CellRecord

    @property
    def label(self) -> str:
        """Their id, or both where they differ."""
        return self.new.id if self.old.id == self.new.id else f"{self.old.id} → {self.new.id}"


def setup_differences(before: Run, after: Run, pairs: Sequence[Pair]) -> Iterator[str]:
    """Differences of machine and method, a line each.

    First of them: launches that are in both runs, and cannot differ from themselves.
    """
    yield from _same_launches(before, after)
    yield from _disturbed_attempts(before, after)
    old, new = conditions(before.record), conditions(after.record)
    for name in old:
        if name in new and old[name] != new[name]:
            yield f"{name}: {known(old[name])} → {known(new[name])}"
    yield from _bases(before.record, after.record)
    yield from _companions(before.record, after.record)
    yield from _cells(before, after, pairs)


def _same_launches(before: Run, after: Run) -> Iterator[str]:
    old, new = _origins(before), _origins(after)
    if same := len(old & new):
        yield (
            f"launches that are the same in both runs: {same} of {len(new)}, reused from an "
            "earlier run; `matrix run --fresh` reuses none"
        )


def _origins(run: Run) -> set[tuple[str, str, int]]:
    """The run that each launch was made in, its cell and its number."""
    return {
        (launch.reused_from or run.record.run_id, launch.cell, launch.launch)
        for of_cell in run.launches.values()
        for launch in of_cell
    }


def _disturbed_attempts(before: Run, after: Run) -> Iterator[str]:
    """Those that were rejected, and those that are in the figures although disturbed."""
    counts = []
    for run in (before, after):
        ledger = Ledger(run=run)
        counts.append((ledger.rejected + ledger.kept_disturbed, ledger.made))
    if any(disturbed for disturbed, _ in counts):
        old, new = (
            NOT_KNOWN if run.record.is_imported else "{} of {}".format(*count)
            for run, count in zip((before, after), counts, strict=True)
        )
        yield f"disturbed attempts: {old} → {new}"


def _bases(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """Pythons of both runs that have different base images."""
    before, after = _base_images(old), _base_images(new)
    for python in before:
        if python in after and before[python] != after[python]:
            yield f"base image of Python {python}: {before[python]} → {after[python]}"


def _base_images(run: RunRecord) -> dict[str, str]:
    """Each Python's base image; environments of one Python share it."""
    return {
        e.python: f"{e.base.reference} from {e.base.origin} "
        f"({(e.base.digest or 'no digest').removeprefix('sha256:')[:12]})"
        for e in run.environments.values()
    }


def _companions(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """What cells of both runs talk to, where it is not the same."""
    for name in old.companions:
        if name in new.companions and old.companions[name] != new.companions[name]:
            before, after = (_companion(run.companions[name]) for run in (old, new))
            yield f"companion {name}: {before} → {after}"


def _companion(record: CompanionRecord) -> str:
    versions = "".join(f"{name} {version}, " for name, version in record.versions.items())
    return f"{versions}image {record.image_id.removeprefix('sha256:')[:12]}"


def _cells(before: Run, after: Run, pairs: Sequence[Pair]) -> Iterator[str]:
    """Pairs of cells with different setups, those with equal differences on one line."""
    measured = [
        pair
        for pair in pairs
        if not isinstance(pair.old, UnavailableCell) and not isinstance(pair.new, UnavailableCell)
    ]
    differing: dict[str, list[str]] = {}
    for pair in measured:
        for words in (
            *_loads(pair),
            *_orders(pair),
            *_versions(before.record, after.record, pair),
            *_ceilings(before.by_cell[pair.old.id], after.by_cell[pair.new.id], pair),
        ):
            differing.setdefault(words, []).append(pair.label)
    for words, labels in differing.items():
        every = len(labels) == len(measured) > 1
        yield f"{f'all {len(labels)} cells' if every else ', '.join(labels)}: {words}"


def _loads(pair: Pair) -> Iterator[str]:
    old, new = _load(pair.old), _load(pair.new)
    if old != new:
        yield f"{old} → {new}"


def _orders(pair: Pair) -> Iterator[str]:
    """When the patch is applied; not known of imported cells, nor of those of earlier releases."""
    old, new = pair.old.order, pair.new.order
    if old and new and old != new:
        yield f"order of patching: {old} → {new}"


def _load(cell: CellRecord) -> str:
    server = cell.server or f"server {NOT_KNOWN}"
    return f"{server}, {workload_text(cell)}, {cell.load}"


def _versions(old: RunRecord, new: RunRecord, pair: Pair) -> Iterator[str]:
    if old.is_imported != new.is_imported:
        words = [NOT_KNOWN if run.is_imported else "locked" for run in (old, new)]
        yield f"versions of Python and packages: {words[0]} → {words[1]}"
    elif _lock(old, pair.old.environment) != _lock(new, pair.new.environment):
        yield "locked to different packages"


def _lock(run: RunRecord, environment: str | None) -> str | None:
    record = run.environments.get(environment or "")
    return record.lock_digest if record else None


def _ceilings(before: Row, after: Row, pair: Pair) -> Iterator[str]:
    """The same load with another ceiling: what `ab` itself adds to the difference of the rates."""
    old, new = before.ceiling_rps, after.ceiling_rps
    if not old or not new or _load(pair.old) != _load(pair.new) or abs(new / old - 1) < 0.0005:
        return
    yield (
        f"ceiling: {old:.2f}/s → {new:.2f}/s: {100 * abs(new / old - 1):.1f} % of difference "
        "is the load generator's own"
    )
