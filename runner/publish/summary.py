"""What a publication is about, in a title, a line of facts, and the record of its method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.publish.publication import Publication
from runner.publish.wording import counted, listed, shown, values_on
from runner.report.notes import Note, notes
from runner.report.rows import Row
from runner.report.tables import NOTHING, shown_axes
from runner.store.records import RunRecord
from runner.text import NOT_KNOWN, one_line

Facts = tuple[tuple[str, str], ...]


def title(published: Publication) -> str:
    """What stands above all else: the experiments, or the publication's own name."""
    return listed(list(dict.fromkeys(part.run.experiment for part in published.parts)), "against")


def asked(rows: Sequence[Row], run: RunRecord) -> Facts:
    """What was varied: each axis with its values."""
    found = []
    for axis in shown_axes(rows, run):
        values = [value for value in values_on(rows, axis) if value is not None]
        if values:
            found.append((axis, ", ".join(map(shown, values))))
    return tuple(found)


def facts(run: RunRecord) -> Facts:
    """The run in a few facts: when, how much, on what."""
    loads = dict.fromkeys(f"ab -c {c.concurrency} -n {c.requests}" for c in run.cells)
    said = list(loads)
    cells = counted(len(run.cells), "cell")
    launches = counted(run.launches, "launch")
    return (
        ("run", f"{run.run_id}, started {run.started_at[:16].replace('T', ' ')} UTC"),
        ("measured", f"{cells}, {launches} each"),
        (
            "load",
            said[0]
            if len(said) == 1
            else f"{said[0]} and {len(said) - 1} others"
            if said
            else NOTHING,
        ),
        ("machine", _machine(run)),
    )


def method(run: RunRecord, rows: Sequence[Row]) -> tuple[Facts, tuple[Note, ...]]:
    """How the run was made, and what its reader should know."""
    return tuple(environment(run)), notes(rows, run)


def environment(run: RunRecord) -> Iterator[tuple[str, str]]:
    """All that is recorded of how and where the run was made."""
    yield "command", " ".join(run.command)
    yield "started", run.started_at
    yield "finished", run.finished_at or "not finished"
    yield "machine", _machine(run)
    yield "engine", _engine(run)
    yield "ab", _ab(run)
    yield "load generator's image", run.method.loadgen_image or "unknown"
    yield "method", f"version {run.method.version}"
    yield "baseline", ", ".join(f"{k} {v}" for k, v in run.baseline.items()) or "none"
    yield "limits", _limits(run)
    yield "launches per cell", str(run.launches)
    yield "side by side", "as many as fit" if run.jobs == 0 else str(run.jobs)
    yield "seed", str(run.seed)
    for what, why in run.left_out.items():
        yield f"left out: {one_line(what)}", one_line(why)


def _limits(run: RunRecord) -> str:
    limits = run.limits
    if limits is None:
        return NOT_KNOWN
    return (
        f"start-up {limits.startup_s:g} s, load {limits.load_s:g} s, "
        f"memory {limits.memory_bytes / 2**20:.0f} MiB, {limits.pids:,} processes and threads"
    )


def _machine(run: RunRecord) -> str:
    host = run.host
    if host is None:
        return "unknown"
    memory = f"{host.memory_bytes / 2**30:.1f} GiB"
    return f"{host.cpus} × {host.cpu_model or 'CPU'}, {memory}, {host.os}, kernel {host.kernel}"


def _engine(run: RunRecord) -> str:
    engine = run.engine
    if engine is None:
        return "unknown"
    return (
        f"{engine.version} on {engine.operating_system}, {engine.architecture}, "
        f"cgroup v{engine.cgroup_version}, {engine.storage_driver}"
    )


def _ab(run: RunRecord) -> str:
    version = run.method.ab_version or "unknown version"
    alone = {
        True: "sends its first request alone",
        False: "opens all connections at once",
        None: "how it opens connections was not measured",
    }
    return f"{version}; {alone[run.method.ab_first_request_alone]}"
