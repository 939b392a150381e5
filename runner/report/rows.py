"""One row per cell: the figures of its launches as their median. The rows of `table.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from runner.measurement.records import LaunchRecord
from runner.options import THRESHOLD
from runner.outcome import NOT_MEASURED, Outcome, worst
from runner.report.axes import axes_of, further_axes, natural_key
from runner.report.figures import figures_of
from runner.report.row import KEYS, Row
from runner.report.speedup import with_speedup
from runner.store.records import CellRecord, RunRecord, UnavailableCell


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
        return _identity(run, cell, None, NOT_MEASURED)
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
    decisive = worst({*counts})
    if len(counts) == 1:
        return decisive, _distinct(launch.reason for launch in launches)
    parts: list[str] = []
    for outcome, number in counts.most_common():
        who = str(number) if parts else f"{number} of {len(launches)} launches"
        why = _distinct(launch.reason for launch in launches if launch.outcome is outcome)
        parts.append(f"{who}: {outcome} ({why})" if why else f"{who}: {outcome}")
    return decisive, "; ".join(parts)


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
