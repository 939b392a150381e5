"""What a run was, on what it was made, and how its figures are to be read, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from runner.report import application_text
from runner.report.axis_values import axis_text, natural_key
from runner.report.diagnosis_text import diagnosis_lines
from runner.report.ledger import Ledger
from runner.report.notes import machine_text
from runner.report.row import Row
from runner.report.run import Run
from runner.report.tables import shown_axes
from runner.store.records import CellRecord, EnvironmentRecord, RunRecord
from runner.text import NOT_KNOWN, counted, known, minute, one_line, span

#: A name and what it is.
Fact = tuple[str, str]

#: How to read the figures of tables and charts.
READING: Final = tuple(
    """\
A cell's figure is the median over its launches, [low–high] an interval of that median: the
 narrowest pair of launches that holds the true median with at least 95 %, else the lowest and the
 highest launch. Its level is exact: 75 % at three launches, 93.75 % at five, 98.4 % at seven.

Against the baseline, a figure is a ratio (×), taken within each round. The ratios' intervals of one
 figure hold together with 95 %, each at the level that is shown with it.

A verdict is `higher` or `lower` where the interval leaves 1 out and the ratio is beyond δ, the
 difference that matters; `same` where the whole interval is within δ; else `undecided`. What is
 undecided may be different: the interval says by how much.

One launch shows values and claims nothing; neither do two.

The ceiling is the most that the load's clients could get from a server that keeps none of them
 waiting. The configuration is how much of it the server's settings allow.

A disturbed attempt shared the machine with something else. It is rejected and made again; where the
 last attempt is disturbed too, its figures are shown, and the cell is marked.

CPU and memory are those of the server's processes alone, not of its companion.
""".replace("\n ", " ").split("\n\n")
)

#: How to read the table of attempts.
ATTEMPTS: Final = (
    "Medians of the attempts that were kept, of those that were rejected as disturbed, and of the "
    "first attempt at each launch, as if none had been rejected."
)


def overview(run: Run) -> Iterator[Fact]:
    """The run in a few facts: what was varied, when, how much, and on what."""
    record = run.record
    for axis in shown_axes(run.rows, record):
        values = {row.value(axis) for row in run.rows} - {None}
        in_order = sorted(values, key=lambda value: natural_key(axis, value))
        if values:
            yield axis, ", ".join(one_line(axis_text(value)) for value in in_order)
    yield "run", f"{record.run_id}, started {minute(record.started_at)}"
    yield (
        "measured",
        f"{counted(len(record.cells), 'cell')}, {counted(run.rounds, 'launch')} each",
    )
    if record.stopped:
        yield "stopped", record.stopped
    yield "load", _loads(record)
    yield "machine", _machine(record)
    yield "engine", _engine(record)
    yield "ab", known(record.method.ab_version)
    yield "attempts", _attempts(run)


def application(run: RunRecord) -> Iterator[Fact]:
    """The user's application, and what was installed for it; nothing for a workload of ours."""
    if run.application is None:
        return
    yield from application_text.facts(run.application)
    found: dict[Fact, list[str]] = {}
    for key, environment in run.environments.items():
        for fact in application_text.installation(environment):
            found.setdefault(fact, []).append(key)
    for (name, text), keys in found.items():
        everywhere = len(keys) == len(run.environments)
        yield name, text if everywhere else f"{text} ({', '.join(keys)})"


def _loads(run: RunRecord) -> str:
    first, *others = dict.fromkeys(cell.load for cell in run.cells) or ["no cells"]
    return f"{first} and {counted(len(others), 'other load')}" if others else first


def _attempts(run: Run) -> str:
    """How many attempts the launches took, and what became of those that were disturbed."""
    if run.record.is_imported:
        return NOT_KNOWN
    ledger = Ledger(run=run)
    words = f"{ledger.made:,} for {counted(ledger.kept, 'launch')}"
    rejected, kept = ledger.rejected, ledger.kept_disturbed
    if not rejected + kept:
        return f"{words}, none of them disturbed"
    return f"{words}; disturbed: {rejected:,} rejected, {kept:,} kept"


def method(run: RunRecord) -> Iterator[Fact]:
    """All that is recorded of how and where the run was made."""
    yield "command", " ".join(run.command)
    yield "started", run.started_at
    yield "finished", run.finished_at or "not finished"
    yield "machine", _machine(run)
    yield "engine", _engine(run)
    yield "ab", f"{known(run.method.ab_version)}; {_opening(run)}"
    yield "load generator's image", known(run.method.loadgen_image)
    yield "method", f"version {known(run.method.version)}"
    yield "baseline", ", ".join(f"{k} {v}" for k, v in run.baseline.items()) or "none"
    yield "limits", _limits(run)
    yield "launches per cell", span(run.least_launches, run.launches)
    if run.stopped:
        yield "stopped", run.stopped
    yield "side by side", "as many as fit" if run.jobs == 0 else known(run.jobs)
    yield "seed", known(run.seed)
    for what, why in run.left_out.items():
        yield f"left out: {one_line(what)}", one_line(why)


def _machine(run: RunRecord) -> str:
    return NOT_KNOWN if run.host is None else machine_text(run.host)


def _engine(run: RunRecord) -> str:
    engine = run.engine
    if engine is None:
        return NOT_KNOWN
    return (
        f"{engine.label} on {engine.operating_system}, {engine.architecture}, "
        f"cgroup v{engine.cgroup_version}, {engine.storage_driver}"
    )


def _opening(run: RunRecord) -> str:
    words = {True: "sends its first request alone", False: "opens all connections at once"}
    alone = run.method.ab_first_request_alone
    return "how it opens connections was not measured" if alone is None else words[alone]


def _limits(run: RunRecord) -> str:
    limits = run.limits
    if limits is None:
        return NOT_KNOWN
    return (
        f"start-up {limits.startup_s:g} s, load {limits.load_s:g} s, "
        f"memory {limits.memory_bytes / 2**20:.0f} MiB, {limits.pids:,} processes and threads"
        f"{' (both without effect)' if run.engine and run.engine.overlooks_limits else ''}"
    )


def of_cell(run: RunRecord, cell: CellRecord) -> Iterator[Fact]:
    """What the cell is made of."""
    yield "Python", known(cell.python)
    yield "patch mode", known(cell.patch) + (f", {cell.placement}" if cell.placement else "")
    if cell.variables:
        yield "environment", ", ".join(f"{name}={value}" for name, value in cell.variables.items())
    yield "packages", _versions(cell.packages)
    yield "server", known(cell.server)
    parameters = "".join(f", {name} {value}" for name, value in cell.workload_parameters.items())
    yield "workload", f"{known(cell.workload)}{parameters}"
    yield "load", cell.load
    if cell.image:
        yield "image", cell.image
    if environment := run.environments.get(cell.environment or ""):
        yield from _of_environment(environment)
    if companion := run.companions.get(cell.companion or ""):
        versions = _versions(companion.versions)
        yield "companion", f"{cell.companion} {versions}, image {companion.image_id}"


def in_effect(row: Row) -> Iterator[Fact]:
    """What was patched, where that is not what the patch mode says."""
    if row.in_effect:
        yield "in effect", f"{row.in_effect}, by the {row.in_effect_by}"


def diagnosed(run: Run, cell: str) -> Iterator[Fact]:
    """What a launch beside the measured ones found to block the event loop."""
    if found := run.diagnoses.get(cell):
        yield "blocks of the event loop", "; ".join(diagnosis_lines(found))


def _of_environment(environment: EnvironmentRecord) -> Iterator[Fact]:
    base = environment.base
    yield "base image", f"{base.reference} ({base.origin}) {base.digest or ''}".rstrip()
    lines = (line.strip().removesuffix("\\").strip() for line in environment.lock.splitlines())
    pinned = [line.replace("==", " ") for line in lines if line and line[0] not in "-#"]
    yield "installed", ", ".join(pinned)
    yield from application_text.installation(environment)
    yield "lock", environment.lock_digest


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "none named"
