"""The notes below a table: how it was measured, and why some cells have no figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from runner.engine.protocol import EngineInfo
from runner.outcome import NOT_MEASURED, Outcome
from runner.report.application_text import (
    LONE_CEILING,
    configuration_of,
    effect_of,
    installed_of,
    patched_baselines,
)
from runner.report.baseline import NO_SHARED_ROUND, OTHER_LOAD, TOO_SHORT
from runner.report.ceilings import ceilings_of
from runner.report.diagnosis_text import note_of
from runner.report.figures import FIGURES
from runner.report.ledger import Ledger, sentences
from runner.report.row import Row
from runner.report.run import Run
from runner.store.records import CellRecord, Host, RunRecord
from runner.text import NOT_KNOWN, counted, one_line, span

CLOSED_LOOP: Final = (
    "Percentiles are those of a closed loop of clients: while the server stalls they send nothing, "
    "so a stall counts once (coordinated omission)."
)
OPEN_LOOP: Final = (
    "Latencies at a fixed rate count from the moment when a request was due; requests are sent at "
    "random times, whether or not the server keeps up."
)
WITHIN_A_HOST: Final = "ratios to the baseline are taken within a round, and so within a host."
NO_LIMITS: Final = (
    "Limits of memory and processes had no effect, and no cell could end as oom-killed: "
    "the engine is rootless, on cgroup version 1."
)
IMPORTED: Final = "Imported from ab reports made elsewhere; host and versions not known."

#: What a why line counts: a share, some of so many, how often, how long. Versions are not.
COUNTED: Final = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?= (?:%|of \d|times|s ))|(?<=\d of )\d+")
#: More cells of one cause are named after it, with their number before.
FEW_CELLS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Note:
    """A heading and items of one line each."""

    heading: str
    items: tuple[str, ...]


def notes(run: Run) -> tuple[Note, ...]:
    """All that a reader of the run's rows should know, without empty notes."""
    rows = run.rows
    found = (
        Note(heading="Measured", items=_measured(run)),
        Note(heading="The baseline is more than its label", items=(*patched_baselines(run),)),
        Note(heading="In effect", items=_grouped(rows, partial(effect_of, run))),
        Note(heading="Reasons", items=_reasons(rows, _has_reason, with_outcome=True)),
        Note(heading="Why", items=_causes(rows)),
        Note(
            heading="Blocks of the event loop",
            items=_grouped(rows, lambda row: note_of(run, row.cell)),
        ),
        Note(heading="Disturbed", items=_grouped(rows, lambda row: row.disturbed)),
        Note(heading="No ceiling", items=_without_ceiling(run)),
        Note(heading="Attempts", items=tuple(sentences(Ledger(run=run)))),
        Note(heading="Without an interval", items=_without_interval(rows)),
        Note(heading="Installed", items=_grouped(rows, partial(installed_of, run))),
        Note(
            heading="gunicorn's configuration", items=_grouped(rows, partial(configuration_of, run))
        ),
        Note(heading="Measured before", items=_grouped(rows, lambda row: row.reused_from)),
        Note(heading="Unavailable", items=_reasons(rows, _is(Outcome.UNAVAILABLE))),
        Note(heading="Build failed", items=_reasons(rows, _is(Outcome.BUILD_FAILED))),
        Note(heading="Not measured", items=_not_measured(rows)),
    )
    return tuple(note for note in found if note.items)


def _without_interval(rows: Sequence[Row]) -> tuple[str, ...]:
    """Why figures are not compared, where that is not that there are few rounds yet."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        reasons: dict[str, list[str]] = {}
        for figure in FIGURES:
            reason = row.contrast(figure.name).reason
            if reason in {NO_SHARED_ROUND, OTHER_LOAD, TOO_SHORT}:
                reasons.setdefault(reason, []).append(figure.label)
        for reason, labels in reasons.items():
            found.setdefault((", ".join(labels), reason), []).append(row.cell)
    return tuple(f"{', '.join(cells)}: {what}: {why}" for (what, why), cells in found.items())


def _measured(run: Run) -> tuple[str, ...]:
    record = run.record
    cells = (*record.cells, *record.unavailable)
    workloads = _alternatives(workload_text(c, without=record.axes) for c in cells)
    loads = _alternatives(cell.load for cell in cells)
    items = (
        f"{_called(record)}: {workloads}; {loads}; each cell launched {_times(run)}.",
        *([f"Stopped {record.stopped}."] if record.stopped else []),
        *_where(record),
        *record.method.notes,
        *_unknown_waits(run),
        *([LONE_CEILING] if _has_lone_ceiling(run) else []),
        *([CLOSED_LOOP] if any(cell.load_s is None for cell in cells) or not cells else []),
        *([OPEN_LOOP] if any(cell.load_s for cell in cells) else []),
    )
    return tuple(one_line(item) for item in items)


def _has_lone_ceiling(run: Run) -> bool:
    return any(
        launch.ceiling_lone_ms and launch.outcome.has_figures and launch.rate is None
        for launches in run.launches.values()
        for launch in launches
    )


def _times(run: Run) -> str:
    """How often each cell was launched, and which of them more often."""
    if run.record.blocks:
        made = sorted({row.launches for row in run.rows if row.launches})
        least = made[0] if len(made) > 1 else None
        return f"{span(least, made[-1])} times, medians shown" if made else "not yet"
    times = "once" if run.rounds <= 1 else f"{run.rounds} times, medians shown"
    if all(row.launches <= max(1, run.rounds) for row in run.rows):
        return times
    if run.record.least_launches is None:
        return f"{times}, those of which a launch failed more often"
    return f"at least {times}"


def _unknown_waits(run: Run) -> Iterator[str]:
    """What the rule on disturbed launches could not see."""
    all_launches = [one for of_cell in run.launches.values() for one in of_cell]
    loads = [one for one in all_launches if one.resources and one.rate is None]
    unknown = [x for x in loads if x.resources and x.resources.loadgen_run_queue_delay_ms is None]
    if unknown:
        yield (
            f"Whether ab waited for a CPU is not known of {len(unknown)} of {len(loads)} launches: "
            "the kernel does not count it."
        )


def _called(run: RunRecord) -> str:
    shard = f", shard {run.shard}" if run.shard else ""
    return f"{run.experiment}{shard}, run {run.run_id}"


def _where(run: RunRecord) -> Iterator[str]:
    """The machine; of a merged run all of them, and what follows from there being several."""
    if run.blocks:
        machines = {b.label: _machine(b.host, b.engine) for b in run.blocks}
        made = "Measured" if run.is_on_hosts else f"Merged from {len(run.blocks)} runs"
        yield f"{made} on {counted(len(machines), 'host')}; {WITHIN_A_HOST}"
        yield from (f"{label}: {machine}" for label, machine in machines.items())
    elif run.host is None or run.engine is None:
        yield IMPORTED
    else:
        yield _machine(run.host, run.engine)


def _machine(host: Host, engine: EngineInfo) -> str:
    text = f"{machine_text(host)}; engine {engine.label}."
    return f"{text} {NO_LIMITS}" if engine.overlooks_limits else text


def machine_text(host: Host) -> str:
    """A machine in a few words: `2 × Intel Xeon, 7.8 GiB, Debian GNU/Linux 12, kernel 6.12`."""
    memory = f"{host.memory_bytes / 2**30:.1f} GiB"
    model, kernel = host.cpu_model or "CPU", f"{host.os}, kernel {host.kernel}"
    virtual = ", virtual machine" if host.hypervisor else ""
    boot = f", boot {host.boot_id[:8]}" if host.boot_id else ""
    return f"{host.cpus} × {model}, {memory}, {kernel}{virtual}{boot}"


def _alternatives(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts)) or "no cells"


def _has_reason(row: Row) -> bool:
    return bool(row.outcome and row.outcome.is_launched and row.reason)


def _is(outcome: Outcome) -> Callable[[Row], bool]:
    return lambda row: row.outcome is outcome


def _without_ceiling(run: Run) -> tuple[str, ...]:
    """The cells whose load was answered faster than it can be, if their workload is right."""
    found: dict[str, str | None] = {}
    for row in run.measured():
        launches = run.launches.get(row.cell, ())
        made = [launch for launch in launches if launch.outcome.counts_as(row.outcome)]
        ceilings = ceilings_of(run.record.method, run.cells[row.cell], made)
        found[row.cell] = ceilings.contradiction
    return _grouped(run.rows, lambda row: found.get(row.cell))


def _reasons(
    rows: Sequence[Row], wanted: Callable[[Row], bool], *, with_outcome: bool = False
) -> tuple[str, ...]:
    def reason(row: Row) -> str:
        return f"{row.outcome}: {row.reason}" if with_outcome else str(row.reason)

    return _grouped([row for row in rows if wanted(row)], reason)


def _grouped(rows: Sequence[Row], text: Callable[[Row], str | None]) -> tuple[str, ...]:
    """One item per different text, with the cells that share it."""
    cells: dict[str, list[str]] = {}
    for row in rows:
        if words := text(row):
            cells.setdefault(one_line(words), []).append(row.cell)
    return tuple(f"{', '.join(ids)}: {words}" for words, ids in cells.items())


def _causes(rows: Sequence[Row]) -> tuple[str, ...]:
    """One item per cause: lines that differ in what was counted alone are one, with its range."""
    lines: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if row.why:
            line = one_line(row.why)
            lines.setdefault(COUNTED.sub("", line), []).append((row.cell, line))
    return tuple(_cause(same) for same in lines.values())


def _cause(same: Sequence[tuple[str, str]]) -> str:
    cells, (first, *others) = zip(*same, strict=True)
    counted = [COUNTED.findall(line) for line in (first, *others)]
    ranges = iter([_range(numbers) for numbers in zip(*counted, strict=True)])
    line, ids = COUNTED.sub(lambda _: next(ranges), first), ", ".join(cells)
    return f"{ids}: {line}" if len(cells) <= FEW_CELLS else f"{len(cells)} cells: {line}: {ids}"


def _range(numbers: Sequence[str]) -> str:
    low, *_, high = sorted([numbers[0], *numbers], key=float)
    return low if low == high else f"{low}–{high}"


def _not_measured(rows: Sequence[Row]) -> tuple[str, ...]:
    """The cells without a launch; why, where that follows from another cell."""
    missing = [row for row in rows if row.outcome is None]
    unexplained = [row.cell for row in missing if row.reason == NOT_MEASURED]
    explained = _grouped([r for r in missing if r.reason != NOT_MEASURED], lambda row: row.reason)
    return ((", ".join(unexplained),) if unexplained else ()) + explained


#: Parameters that have a unit, and how they are shown.
_WITH_UNIT: Final = {"seconds": "{} s", "spread": "± {} s", "spin": "spin {} ms"}


def workload_text(cell: CellRecord, *, without: Collection[str] = ()) -> str:
    """What a request of the cell does, with its parameters: `sleep 2 s`, `grpc 2 s call stream`.

    `without` names parameters that the reader sees elsewhere.
    """
    parameters = cell.workload_parameters
    if not parameters and cell.workload_seconds is not None:  # a run of an earlier release
        parameters = {"seconds": f"{cell.workload_seconds:g}"}
    parts = [
        _WITH_UNIT.get(name, f"{name} {{}}").format(value)
        for name, value in parameters.items()
        if name not in without
    ]
    return " ".join((cell.workload or f"workload {NOT_KNOWN}", *parts))
