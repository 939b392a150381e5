"""Everything about one cell: the evidence, the commands that make it by hand, the environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.measurement.evidence import COMPANION_LOG, SERVER_LOG, STACKS
from runner.measurement.records import (
    Canary,
    LaunchRecord,
    Machine,
    Placement,
    RateFigures,
    Resources,
    Served,
    rate_of,
)
from runner.outcome import outcome_text
from runner.report.by_hand import by_hand
from runner.report.diagnosis_text import diagnosis_lines
from runner.report.notes import CLOSED_LOOP, OPEN_LOOP, workload_text
from runner.report.row import Row, is_held_back
from runner.report.run import Run
from runner.report.tables import FIGURE_COLUMNS, NOTHING
from runner.store.diagnoses import RECORD as DIAGNOSIS
from runner.store.diagnoses import diagnosis_path
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from runner.text import counted, known, printable, suggestion

#: A launch's files that are for reading, in the order to read them. Others are named only.
READABLE: Final = (
    "ab.txt",
    "looks.txt",
    STACKS,
    SERVER_LOG,
    COMPANION_LOG,
    "sockets.txt",
    "removal-error.txt",
)


def show(directory: RunDirectory, run: Run, cell_id: str, *, hashes: bool = False) -> str:
    """Everything about one cell of the run in a directory: first the evidence, last the lock.

    With `hashes` the lock is printed as it is stored. Raises `UsageError` for a cell that the run
    does not have.
    """
    cell = run.cells.get(cell_id)
    if cell is None:
        hint = suggestion(cell_id, run.cells)
        raise UsageError(f"run {run.record.run_id} has no cell {cell_id!r}{hint}")
    launches = run.launches.get(cell_id, [])
    sections = [
        _section(cell_id, _summary(cell, run.by_cell[cell_id])),
        *(_launch(directory, launch) for launch in launches),
        _section("Rejected attempts", _rejected(directory, run, cell_id)),
        _diagnosis(directory, run, cell_id),
        _section("Reproduce by hand", by_hand(run.record, cell, launches)),
        _section("Environment", _environment(run.record, cell, hashes=hashes)),
    ]
    return "\n".join(section for section in sections if section)


def _summary(cell: CellRecord, row: Row) -> Iterator[str]:
    yield f"outcome: {outcome_text(row.outcome)}"
    if row.reason and row.outcome:
        yield f"reason: {row.reason}"
    if row.why:
        yield f"why: {row.why}"
    shown = [c for c in FIGURE_COLUMNS if c.key != "configuration_rps" or is_held_back(row)]
    figures = [f"{c.heading} {c.text(row)}" for c in shown if row.value(c.key) is not None]
    if figures:
        yield f"figures: {', '.join(figures)}"
    python, patch, server = known(cell.python), known(cell.patch), known(cell.server)
    yield f"Python {python}, patch {patch}, server {server}"
    yield from (f"{name} {version}" for name, version in cell.packages.items())
    yield f"workload: {workload_text(cell)}"
    yield f"load: {cell.load}"


def _diagnosis(directory: RunDirectory, run: Run, cell_id: str) -> str:
    """What blocked the event loop, where that was looked for."""
    found = run.diagnoses.get(cell_id)
    if found is None:
        return ""
    path = directory.path / diagnosis_path(cell_id)
    files = sorted(file.name for file in path.iterdir() if file.name != DIAGNOSIS)
    named = [f"in {path}: {', '.join(files)}"] if files else []
    return _section("Blocks of the event loop", [*diagnosis_lines(found), *named])


def _environment(run: RunRecord, cell: CellRecord, *, hashes: bool) -> Iterator[str]:
    """What the server ran in: its images, and the distributions that it was locked to."""
    if cell.image:
        yield f"image: {cell.image}"
    environment = run.environments.get(cell.environment or "")
    if environment is None:
        return
    yield f"base: {environment.base.reference} ({environment.base.origin})"
    yield "lock:" if hashes else "lock (`--lock` adds the hashes):"
    lines = environment.lock.rstrip().splitlines()
    yield from lines if hashes else (line.removesuffix(" \\") for line in lines if "==" in line)


def _launch(directory: RunDirectory, launch: LaunchRecord) -> str:
    path = directory.launch_directory(launch.cell, launch.launch)
    files = {file.name for file in path.iterdir()}
    services = sorted(name for name in files if name.endswith(".log") and name not in READABLE)
    readable = [*READABLE, *services]
    return "\n".join(
        (
            _section(f"Launch {launch.launch}: {launch.outcome}", _facts(launch)),
            *(_section(name, [_text(path / name)]) for name in readable if name in files),
            _section(f"Also in {path}", sorted(files.difference(readable))),
        )
    )


def _facts(launch: LaunchRecord) -> Iterator[str]:
    yield f"started at {known(launch.started_at)}{f' on {launch.block}' if launch.block else ''}"
    if launch.rate is None:
        yield f"sent: ab -c {launch.concurrency} -n {launch.requests}"
    else:
        yield from _sent(launch.rate)
    if launch.reason:
        yield f"reason: {launch.reason}"
    if launch.why:
        yield f"why: {launch.why}"
    if launch.disturbed:
        yield f"disturbed: {launch.disturbed}"
    yield from _recorded(launch)
    if launch.concurrency_factor is not None:
        yield f"concurrency factor {launch.concurrency_factor:.2f}"
    if launch.ab is not None:
        yield f"server software: {known(launch.ab.server_software)}"
        yield _rate(launch)
        yield OPEN_LOOP if launch.rate else CLOSED_LOOP
    yield from _measured(launch)


def _measured(launch: LaunchRecord) -> Iterator[str]:
    """What the server and the machine did over the load, and what was loaded beside it."""
    if launch.resources is not None:
        yield from _used(launch.resources, "the load generator" if launch.rate else "ab")
    if launch.machine is not None:
        yield from _machine(launch.machine)
    if launch.placement is not None:
        yield from _beside(launch, launch.placement)


def _recorded(launch: LaunchRecord) -> Iterator[str]:
    """What was recorded in the server: concurrency, answers, tracebacks."""
    if launch.served is not None:
        yield from _served(launch.served)
    if launch.answers is not None:
        found = launch.answers
        yield (
            f"answers: {found.right} right, {found.wrong_status} of a wrong status, "
            f"{found.wrong_length} of a wrong length, {found.missing} empty or broken off"
        )
    if launch.tracebacks:
        yield f"tracebacks in the server's log: {launch.tracebacks}"


def _served(seen: Served) -> Iterator[str]:
    """How concurrently the requests were served, in how many processes."""
    at_a_time = NOTHING if seen.progressing is None else f"{seen.progressing:.2f}"
    offered = "" if seen.offered is None else f" of {seen.offered:.2f} offered"
    yield (
        f"at a time {at_a_time}{offered}, in flight {seen.in_flight:.2f}, "
        f"in {counted(seen.processes, 'process')}"
    )
    lone = NOTHING if seen.lone_service_ms is None else f"{seen.lone_service_ms:.1f} ms"
    yield f"in the application: a lone request {lone}, mean {seen.mean_service_ms:.1f} ms"


def _sent(load: RateFigures) -> Iterator[str]:
    """What was sent at a fixed rate, how late, and what went wrong."""
    yield f"sent: {load.sent} of {load.requests} requests, {load.rate:g} a second"
    yield (
        f"late by: median {_ms(load.lag_p50_ms)}, p99 {_ms(load.lag_p99_ms)}, "
        f"at most {_ms(load.lag_max_ms)}"
    )
    if load.errors:
        yield f"errors: {', '.join(f'{number} {kind}' for kind, number in load.errors.items())}"


def _used(used: Resources, by: str) -> Iterator[str]:
    """What the server used over a load, and what the machine and the network did to it.

    `by` is what sent the load.
    """
    user_ms, system_ms = used.cpu_user_ms, used.cpu_system_ms
    yield (
        f"CPU {used.cpu_ms_per_request:.2f} ms/request "
        f"({user_ms:.0f} ms user, {system_ms:.0f} ms system)"
    )
    yield f"peak RSS {used.peak_rss_mib:.1f} MiB, {used.peak_threads} threads at most"
    yield (
        f"context switches: {known(used.voluntary_switches)} voluntary, "
        f"{known(used.involuntary_switches)} involuntary"
    )
    yield (
        f"waits for a CPU: {_ms(used.run_queue_delay_ms)}, "
        f"of them by {by} {_ms(used.loadgen_run_queue_delay_ms)}"
    )
    yield f"{by}'s share of a CPU: {_share(used.loadgen_cpu_share)}"
    yield f"throttled: {_ms(used.throttled_ms)}"
    overflows, drops = known(used.listen_overflows), known(used.listen_drops)
    yield f"listen queue: {overflows} overflows, {drops} drops"
    yield f"SYN retransmits: {known(used.syn_retransmits)}"


def _machine(machine: Machine) -> Iterator[str]:
    """What the machine did over the load, and whose CPU time it was."""
    yield (
        f"machine: {_share(machine.busy_share)} of the CPUs' time busy: "
        f"pods {_share(machine.pods_cpu_share)}, engine {_share(machine.engine_cpu_share)}, "
        f"runner {_share(machine.runner_cpu_share)}, others {_share(machine.others_cpu_share)}"
    )
    yield (
        f"taken by the hypervisor: {_share(machine.steal_share)}; "
        f"some task waited for a CPU: {_share(machine.psi_some_share)} of the time"
    )


def _beside(launch: LaunchRecord, place: Placement) -> Iterator[str]:
    """When the launch was loaded, beside how many, and how fast the machine was around that."""
    yield (
        f"loaded in wave {place.wave}, group {place.group}, one of {place.group_size}, "
        f"{place.start_offset_s:.2f} s after its begin; number {place.position} of its round"
    )
    before, after = launch.canary_before, launch.canary_after
    yield f"canary: {_canary(before)} before the wave's loads, {_canary(after)} after them"


def _canary(canary: Canary | None) -> str:
    words = canary and f"{canary.wall_ms:.1f} ms ({canary.cpu_ms:.1f} ms of CPU)"
    return known(words)


def _share(value: float | None) -> str:
    return known(None if value is None else f"{value:.1%}")


def _ms(value: float | None) -> str:
    return known(None if value is None else f"{value:.1f} ms")


def _rejected(directory: RunDirectory, run: Run, cell_id: str) -> Iterator[str]:
    """The attempts that were repeated: why, their rate, and where their files are."""
    stored = run.rejected.get(cell_id, ())
    for attempt in stored:
        yield (
            f"launch {attempt.launch}, attempt {attempt.attempt}: {attempt.disturbed}; "
            f"{_rate(attempt)}; in {directory.disturbed_directory(attempt)}"
        )
    row = run.by_cell[cell_id]
    if missing := (row.attempts or row.launches) - row.launches - len(stored):
        yield f"{counted(missing, 'attempt')} of which nothing was kept"


def _rate(launch: LaunchRecord) -> str:
    if launch.ab is None:
        return str(launch.outcome)
    return f"{rate_of(launch.ab):.2f} requests/s"


def _text(path: Path) -> str:
    """A container's output, without what would steer a terminal."""
    return printable(path.read_text(encoding="utf-8", errors="replace")).rstrip()


def _section(heading: str, lines: Iterator[str] | Sequence[str]) -> str:
    body = "\n".join(lines)
    return f"== {heading} ==\n{body}\n" if body else ""
