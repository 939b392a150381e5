"""What was not alike in two runs, so that a difference of their figures may come from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from runner.report.pairing import Pair
from runner.report.row import Row
from runner.report.speedup import Launches
from runner.report.text import NOT_KNOWN, known, workload_text
from runner.store.records import CellRecord, CompanionRecord, RunRecord, UnavailableCell


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two runs: its record, its launches by cell, and its rows by cell."""

    run: RunRecord
    launches: Launches
    rows: Mapping[str, Row]


def doubts(before: Side, after: Side, pairs: Sequence[Pair]) -> Iterator[str]:
    """Differences of machine and method, a line each.

    First of them: launches that are the same on both sides, which cannot differ from themselves.
    """
    yield from _same_launches(before, after)
    yield from _disturbed_launches(before, after)
    old, new = _conditions(before.run), _conditions(after.run)
    for name in old:
        if name in new and old[name] != new[name]:
            yield f"{name}: {known(old[name])} → {known(new[name])}"
    yield from _base_doubts(before.run, after.run)
    yield from _companion_doubts(before.run, after.run)
    yield from _cell_doubts(before, after, pairs)


def _same_launches(before: Side, after: Side) -> Iterator[str]:
    old, new = _origins(before), _origins(after)
    if same := len(old & new):
        yield (
            f"the same launches on both sides: {same} of {len(new)}, taken over from an earlier "
            "run; `matrix run --fresh` measures anew"
        )


def _disturbed_launches(before: Side, after: Side) -> Iterator[str]:
    """They count like the others, on whichever side they are."""
    counts = []
    for side in (before, after):
        launches = [launch for of_cell in side.launches.values() for launch in of_cell]
        counts.append((sum(bool(launch.disturbed) for launch in launches), len(launches)))
    if any(disturbed for disturbed, _ in counts):
        yield "disturbed launches: {} of {} → {} of {}".format(*counts[0], *counts[1])


def _origins(side: Side) -> set[tuple[str, str, int]]:
    """The run that each launch was made in, its cell and its number."""
    return {
        (launch.reused_from or side.run.run_id, launch.cell, launch.launch)
        for of_cell in side.launches.values()
        for launch in of_cell
    }


def _conditions(run: RunRecord) -> dict[str, object]:
    """What holds for all cells of a run, by the name that a reader knows it by.

    Details of what is not known are left out: its own line says so.
    """
    method = run.method
    return {
        "method version": "none (imported from ab reports)" if run.is_imported else method.version,
        "experiment": run.experiment,
        "baseline": ", ".join(f"{axis} {value}" for axis, value in run.baseline.items())
        or "no cell",
        **_machine(run),
        "ab": method.ab_version,
        "ab sends its first request alone": method.ab_first_request_alone,
        **_settings(run),
    }


def _machine(run: RunRecord) -> dict[str, object]:
    host, engine = run.host, run.engine
    if len(run.hosts) > 1:
        return {"host": ", ".join(run.hosts)}
    if host is None or engine is None:
        return {"host": None, "engine": None}
    return {
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
    }


def _settings(run: RunRecord) -> dict[str, object]:
    """What only a run of this program has."""
    if run.is_imported or run.limits is None:
        return {}
    return {
        "cells side by side": "auto" if run.jobs == 0 else run.jobs,
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


def _companion_doubts(old: RunRecord, new: RunRecord) -> Iterator[str]:
    """What cells of both runs talk to, where it is not the same."""
    for name in old.companions:
        if name in new.companions and old.companions[name] != new.companions[name]:
            before, after = (_companion(run.companions[name]) for run in (old, new))
            yield f"companion {name}: {before} → {after}"


def _companion(record: CompanionRecord) -> str:
    versions = "".join(f"{name} {version}, " for name, version in record.versions.items())
    return f"{versions}image {record.image_id.removeprefix('sha256:')[:12]}"


def _cell_doubts(before: Side, after: Side, pairs: Sequence[Pair]) -> Iterator[str]:
    """Cells held against each other that were not given the same thing, those alike in one line."""
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
            *_versions(before.run, after.run, pair),
            *_ceilings(before.rows[pair.old.id], after.rows[pair.new.id], pair),
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
    """When the patch is applied; of an imported cell and one of an earlier release nobody knows."""
    old, new = pair.old.order, pair.new.order
    if old and new and old != new:
        yield f"order of patching: {old} → {new}"


def _load(cell: CellRecord) -> str:
    server = cell.server or f"server {NOT_KNOWN}"
    return f"{server}, {workload_text(cell)}, ab -c {cell.concurrency} -n {cell.requests}"


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
