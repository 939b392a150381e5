"""Differences in the setup of two sides that could explain a difference in their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from statistics import median

from runner.report.ledger import Ledger
from runner.report.notes import workload_text
from runner.report.pairing import Match
from runner.report.row import Row
from runner.report.side import Side
from runner.store.application_record import ApplicationRecord, ways_to_differ
from runner.store.records import (
    CellRecord,
    CompanionRecord,
    RunRecord,
    UnavailableCell,
    conditions,
)
from runner.text import NOT_KNOWN, counted, known


def setup_differences(before: Side, after: Side, pairs: Sequence[Match]) -> Iterator[str]:
    """Differences of machine and method, a line each.

    First of them how fast the machine was, then launches that are on both sides, and cannot differ
    from themselves.
    """
    yield f"the machine: {_speed(before, after)}"
    yield from _boots(before, after)
    yield from _same_launches(before, after)
    yield from _disturbed_attempts(before, after)
    yield from _conditions(before, after)
    yield from _bases(before, after)
    yield from _companions(before, after)
    yield from _applications(before, after)
    yield from _cells(before, after, pairs)


def _differing(before: Iterable[object], after: Iterable[object]) -> str | None:
    """`old → new`, each the runs' values; None where all runs have the same."""
    old, new = ([*dict.fromkeys(map(known, values))] for values in (before, after))
    if len({*old, *new}) < 2:
        return None
    return f"{', '.join(old)} → {', '.join(new)}"


# -- the machine -----------------------------------------------------------------------------------


def _speed(before: Side, after: Side) -> str:
    """By how much it was faster or slower: what a fixed piece of work took, beside the loads."""
    old, new = _canaries(before), _canaries(after)
    if not old or not new:
        which = "any run" if not (old or new) else f"the {'new' if old else 'old'} runs"
        return f"how fast it was is not known: there is no canary of {which}"
    ratio = median(new) / median(old)
    seen = f"the canary took {_spread(old)} before and {_spread(new)} now"
    return f"{seen}: {ratio:.2f} times as long"


def _canaries(side: Side) -> list[float]:
    return [
        canary.wall_ms
        for launch in side.all_launches()
        for canary in (launch.canary_before, launch.canary_after)
        if canary
    ]


def _spread(values: Sequence[float]) -> str:
    """The median over the launches, and from the least to the most."""
    return f"{median(values):.0f} ms ({min(values):.0f}–{max(values):.0f})"


def _boots(before: Side, after: Side) -> Iterator[str]:
    """Whether the machine was started again; boots of different machines always differ."""
    runs = [run.record for side in (before, after) for run in side.runs]
    machines = {run.host.machine for run in runs if run.host}
    if len(machines) > 1 or any(run.host is None or run.blocks for run in runs):
        return
    old, new = ([_boot(run.record) for run in side.runs] for side in (before, after))
    if NOT_KNOWN in {*old, *new}:
        if {*old, *new} != {NOT_KNOWN}:
            yield f"boot: {_differing(old, new)}"
    elif words := _differing(old, new):
        yield f"boot: {words}: the machine was started again in between"


def _boot(run: RunRecord) -> str:
    boot = run.host.boot_id if run.host else None
    return boot[:8] if boot else NOT_KNOWN


def _same_launches(before: Side, after: Side) -> Iterator[str]:
    old, new = (
        {origin for of_cell in side.launches.values() for origin in of_cell}
        for side in (before, after)
    )
    if same := len(old & new):
        yield (
            f"launches that are the same on both sides: {same} of {len(new)}, reused from an "
            "earlier run; `matrix run --fresh` reuses none"
        )


def _disturbed_attempts(before: Side, after: Side) -> Iterator[str]:
    """Those that were rejected, and those that are in the figures although disturbed."""
    counts = []
    for side in (before, after):
        ledgers = [Ledger(run=run) for run in side.runs]
        disturbed = sum(ledger.rejected + ledger.kept_disturbed for ledger in ledgers)
        counts.append((disturbed, sum(ledger.made for ledger in ledgers)))
    if any(disturbed for disturbed, _ in counts):
        old, new = (
            NOT_KNOWN if side.is_imported else "{} of {}".format(*count)
            for side, count in zip((before, after), counts, strict=True)
        )
        yield f"disturbed attempts: {old} → {new}"


# -- conditions of whole runs ----------------------------------------------------------------------


def _conditions(before: Side, after: Side) -> Iterator[str]:
    """What all runs state, and do not have in common; their boots were named."""
    old, new = ([conditions(run.record) for run in side.runs] for side in (before, after))
    for name in old[0]:
        if name != "boot" and all(name in of_run for of_run in (*old, *new)):
            words = _differing((o[name] for o in old), (n[name] for n in new))
            if words:
                yield f"{name}: {words}"


def _bases(before: Side, after: Side) -> Iterator[str]:
    """Pythons of both sides that have different base images."""
    old, new = ([_base_images(run.record) for run in side.runs] for side in (before, after))
    for python in dict.fromkeys(python for of_run in old for python in of_run):
        olds, news = ([r[python] for r in of_side if python in r] for of_side in (old, new))
        if news and (words := _differing(olds, news)):
            yield f"base image of Python {python}: {words}"


def _base_images(run: RunRecord) -> dict[str, str]:
    """Each Python's base image; environments of one Python share it."""
    return {
        e.python: f"{e.base.reference} from {e.base.origin} "
        f"({(e.base.digest or 'no digest').removeprefix('sha256:')[:12]})"
        for e in run.environments.values()
    }


def _companions(before: Side, after: Side) -> Iterator[str]:
    """What cells of both sides talk to, where it is not the same."""
    old, new = ([run.record.companions for run in side.runs] for side in (before, after))
    for name in dict.fromkeys(name for of_run in old for name in of_run):
        olds, news = ([_companion(r[name]) for r in side if name in r] for side in (old, new))
        if news and (words := _differing(olds, news)):
            yield f"companion {name}: {words}"


def _companion(record: CompanionRecord) -> str:
    versions = "".join(f"{name} {version}, " for name, version in record.versions.items())
    return f"{versions}image {record.image_id.removeprefix('sha256:')[:12]}"


def _applications(before: Side, after: Side) -> Iterator[str]:
    """How the user's application was run on the two sides, where it was not the same."""
    olds, news = ([run.record.application for run in side.runs] for side in (before, after))
    found: dict[str, None] = {}
    for old, new in product(olds, news):
        if old and new:
            found |= dict.fromkeys(ways_to_differ(old, new))
        elif old or new:
            words = _differing([_address(old)], [_address(new)])
            found |= {f"served: {words}": None}
    yield from (f"application: {words}" for words in found)


def _address(application: ApplicationRecord | None) -> str:
    return application.app if application else "a workload of this program"


# -- conditions of cells ---------------------------------------------------------------------------


def _cells(before: Side, after: Side, pairs: Sequence[Match]) -> Iterator[str]:
    """Pairs of cells with different setups, those with equal differences on one line."""
    measured = [
        pair
        for pair in pairs
        if not isinstance(pair.old, UnavailableCell) and not isinstance(pair.new, UnavailableCell)
    ]
    differing: dict[str, list[str]] = {}
    for pair in measured:
        for words in _of_a_pair(before, after, pair):
            differing.setdefault(words, []).append(pair.label)
    for words, labels in differing.items():
        every = len(labels) == len(measured) > 1
        which = f"all {counted(len(labels), 'cell')}" if every else ", ".join(labels)
        yield f"{which}: {words}"


def _of_a_pair(before: Side, after: Side, pair: Match) -> Iterator[str]:
    old, new = _in_runs(before, pair.old), _in_runs(after, pair.new)
    load = _differing((_load(cell) for _, cell in old), (_load(cell) for _, cell in new))
    if load:
        yield load
    yield from _placements([cell for _, cell in old], [cell for _, cell in new])
    yield from _versions(old, new)
    if not load:
        yield from _ceilings(before.rows[pair.old.id], after.rows[pair.new.id])


def _in_runs(side: Side, cell: CellRecord) -> list[tuple[RunRecord, CellRecord]]:
    """The cell in each of the side's runs that could measure it."""
    return [
        (run.record, found)
        for run in side.runs
        if (found := run.cells.get(cell.id)) and not isinstance(found, UnavailableCell)
    ]


def _load(cell: CellRecord) -> str:
    server = cell.server or f"server {NOT_KNOWN}"
    return f"{server}, {workload_text(cell)}, {cell.load}"


def _placements(old: Sequence[CellRecord], new: Sequence[CellRecord]) -> Iterator[str]:
    """Where the patch stands; not known of imported cells, nor of those of earlier releases."""
    olds, news = ([cell.placement for cell in cells if cell.placement] for cells in (old, new))
    if olds and news and (words := _differing(olds, news)):
        yield f"placement of the patch: {words}"


def _versions(
    old: Sequence[tuple[RunRecord, CellRecord]], new: Sequence[tuple[RunRecord, CellRecord]]
) -> Iterator[str]:
    how = _differing((_how_known(run) for run, _ in old), (_how_known(run) for run, _ in new))
    if how:
        yield f"versions of Python and packages: {how}"
    elif len({_lock(run, cell.environment) for run, cell in (*old, *new)}) > 1:
        yield "locked to different packages"


def _how_known(run: RunRecord) -> str:
    return NOT_KNOWN if run.is_imported else "locked"


def _lock(run: RunRecord, environment: str | None) -> str | None:
    record = run.environments.get(environment or "")
    return record.lock_digest if record else None


def _ceilings(before: Sequence[Row], after: Sequence[Row]) -> Iterator[str]:
    """The same load with another ceiling: what `ab` itself adds to the difference of the rates."""
    olds, news = ([row.ceiling_rps for row in rows if row.ceiling_rps] for rows in (before, after))
    if not olds or not news:
        return
    old, new = median(olds), median(news)
    if abs(new / old - 1) >= 0.0005:
        yield (
            f"ceiling: {old:.2f}/s → {new:.2f}/s: {100 * abs(new / old - 1):.1f} % of difference "
            "is the load generator's own"
        )
