"""One row per cell: the figures of its launches as their median. The rows of `table.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from runner.measurement.outcome import Outcome
from runner.measurement.records import LaunchRecord
from runner.options import THRESHOLD
from runner.report.axes import axes_of, further_axes, natural_key
from runner.report.figures import figures_of
from runner.report.row import KEYS, Row
from runner.report.speedup import with_speedup
from runner.store.records import CellRecord, RunRecord, UnavailableCell

#: From the mildest to the worst. An engine error says nothing of the cell, so all else outranks it.
SEVERITY: Final = (
    Outcome.ENGINE_ERROR,
    Outcome.OK,
    Outcome.SERIALISED,
    Outcome.FAILED_REQUESTS,
    Outcome.WRONG_ANSWER,
    Outcome.HANG_UNDER_LOAD,
    Outcome.OOM_KILLED,
    Outcome.CRASHED,
    Outcome.HANG_AT_STARTUP,
    Outcome.IMPORT_ERROR,
    Outcome.UNAVAILABLE,
    Outcome.BUILD_FAILED,
)


def collate(
    run: RunRecord,
    launches: Mapping[str, Sequence[LaunchRecord]],
    *,
    threshold: float = THRESHOLD,
) -> list[Row]:
    """One row per cell of the run, measured or not, in the natural order of the axes.

    `threshold` is the share by which medians must differ before a difference is called one.
    """
    rows = [_measured(run, cell, launches.get(cell.id, ())) for cell in run.cells]
    rows += [_unavailable(run, cell) for cell in run.unavailable]
    axes = axes_of(run)
    rows.sort(key=lambda row: [natural_key(axis, row.value(axis)) for axis in axes])
    return with_speedup(rows, run, launches, threshold)


def keys_of(run: RunRecord) -> tuple[str, ...]:
    """The keys of each of the run's rows, in their order."""
    return (*KEYS, *further_axes(run))


def _measured(run: RunRecord, cell: CellRecord, launches: Sequence[LaunchRecord]) -> Row:
    if not launches:
        return _identity(run, cell, None, "not measured")
    outcome, reason = _verdict(launches)
    row = replace(
        _identity(run, cell, outcome, reason),
        launches=len(launches),
        disturbed=_share(launches, [launch.disturbed for launch in launches]),
        reused_from=_reused(launches),
    )
    return replace(row, **figures_of([one for one in launches if one.outcome is outcome]))


def _unavailable(run: RunRecord, cell: UnavailableCell) -> Row:
    return _identity(run, cell, cell.outcome, cell.reason)


def _identity(run: RunRecord, cell: CellRecord, outcome: Outcome | None, reason: str | None) -> Row:
    return Row(
        cell=cell.id,
        python=cell.python,
        gevent=cell.packages.get("gevent"),
        grpcio=cell.packages.get("grpcio"),
        patch=cell.patch,
        server=cell.server,
        workload=cell.workload,
        concurrency=cell.concurrency,
        requests=cell.requests,
        outcome=outcome,
        reason=reason,
        further={axis: cell.packages.get(axis, cell.axes.get(axis)) for axis in further_axes(run)},
    )


def _verdict(launches: Sequence[LaunchRecord]) -> tuple[Outcome, str | None]:
    """The worst outcome; where launches disagree the reason counts them."""
    counts = Counter(launch.outcome for launch in launches)
    worst = max(counts, key=SEVERITY.index)
    if len(counts) == 1:
        return worst, _distinct(launch.reason for launch in launches)
    parts: list[str] = []
    for outcome, number in counts.most_common():
        who = str(number) if parts else f"{number} of {len(launches)} launches"
        why = _distinct(launch.reason for launch in launches if launch.outcome is outcome)
        parts.append(f"{who}: {outcome} ({why})" if why else f"{who}: {outcome}")
    return worst, "; ".join(parts)


def _distinct(texts: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(text for text in texts if text)) or None


def _share(launches: Sequence[LaunchRecord], texts: Sequence[str | None]) -> str | None:
    """The distinct texts, with the number of launches they hold for where there are several."""
    text = _distinct(texts)
    if text is None or len(launches) == 1:
        return text
    return f"{sum(map(bool, texts))} of {len(launches)} launches: {text}"


def _reused(launches: Sequence[LaunchRecord]) -> str | None:
    """The runs and days that launches are from, where that is not this run."""
    return _distinct(
        f"run {launch.reused_from} ({(launch.started_at or '')[:10]})"
        if launch.reused_from
        else None
        for launch in launches
    )
