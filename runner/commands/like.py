"""A stored run as an experiment: the same cells with the same locks under the same load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.build.lock import Lock, platform_of
from runner.errors import UsageError
from runner.matrix.axes import canonical_name
from runner.matrix.cell import Base, Cell, EnvironmentRequest, Experiment, Limits, Requirement
from runner.matrix.servers import server
from runner.matrix.values import CLOSED, rate, share, workload
from runner.store.records import CellRecord, RunRecord

#: How many clients a load at a fixed rate is said to have: it means nothing there.
NO_CLIENTS = 1


def experiment_like(run: RunRecord) -> Experiment:
    """The experiment whose cells are those that the run launched, at exact versions.

    What the run expected is left out: it belongs to the matrix file. Raises `UsageError` for a run
    that cannot be made again.
    """
    if run.is_imported:
        raise UsageError(
            f"--like: run {run.run_id} was made of ab reports from elsewhere, so its locks are not "
            "known; name a run that `matrix run` made"
        )
    if run.application is not None:
        raise UsageError(
            f"--like: run {run.run_id} measured the application {run.application.app}, whose "
            "source and secrets no run holds; run its matrix file again"
        )
    return Experiment(
        name=run.experiment,
        axes=run.axes,
        cells=tuple(_cell(run, cell) for cell in run.cells),
        limits=run.limits or Limits(),
        baseline=tuple(run.baseline.items()),
        base=Base(kind=_base_kind(run)),
        launches=run.launches,
        least_launches=run.least_launches,
        delta=tuple(run.delta.items()),
        repeats=run.repeats,
        skipped=tuple(run.left_out.items()),
    )


def _base_kind(run: RunRecord) -> str:
    """Debian's interpreters where the run had them; else a registry's, if one answers here."""
    origins = {environment.base.origin for environment in run.environments.values()}
    return "debian" if origins == {"debian"} else "auto"


def _cell(run: RunRecord, record: CellRecord) -> Cell:
    """The cell of a record; `UsageError` if this program has no such cell."""
    try:
        cell = _made(run, record)
    except (KeyError, ValueError) as error:
        why = f"{error} is not known" if isinstance(error, KeyError) else str(error)
        raise _impossible(record, why) from error
    if cell.id != record.id:
        raise _impossible(record, f"it would be called {cell.id}")
    return cell


def _made(run: RunRecord, record: CellRecord) -> Cell:
    at_a_rate = record.load_s is not None
    return Cell(
        python=record.python or "",
        patch=record.patch or "",
        placement=record.placement or record.axes.get("placement"),
        variables=tuple(record.variables.items()),
        server=server(record.server or ""),
        workload=workload(record.workload or "", _parameters(record)),
        concurrency=_clients(run, record),
        requests=record.requests or _due(record),
        rate=_rate(record) if at_a_rate else None,
        load_s=record.load_s,
        requirements=tuple(
            Requirement(name=name, specifier=f"=={version}")
            for name, version in sorted(record.packages.items())
        ),
        copy=record.axes.get("copy"),
        varied=_varied(run),
    )


def _parameters(record: CellRecord) -> Mapping[str, str]:
    if not record.workload_parameters and record.workload_seconds is not None:
        return {"seconds": f"{record.workload_seconds:g}"}  # a run of an earlier release
    return record.workload_parameters


def _rate(record: CellRecord) -> str:
    """The rate as the matrix file has it: a number, or a percentage."""
    written = record.axes.get("rate")
    if written and written != CLOSED:
        return written
    return f"{100 * record.rate_share:g}%" if record.rate_share else rate(f"{record.rate:g}")


def _due(record: CellRecord) -> int:
    """How many requests a load at a rate has; 0 of a rate that only the run itself finds out."""
    if record.rate is None or record.load_s is None or share(_rate(record)) is not None:
        return 0
    return round(record.rate * record.load_s)


def _clients(run: RunRecord, record: CellRecord) -> int:
    """The clients of a closed loop, also of the one that a rate in per cent is a share of."""
    loops = {cell.id: cell for cell in run.cells}
    of = loops.get(record.rate_of or "", record)
    return of.concurrency or NO_CLIENTS


def _varied(run: RunRecord) -> tuple[str, ...]:
    """The axes that a cell's id names: those on which the run's cells differ."""
    cells = (*run.cells, *run.unavailable)
    return tuple(
        canonical_name(axis)
        for axis in run.axes
        if len({cell.axes.get(axis) for cell in cells} - {None}) > 1
    )


def _impossible(record: CellRecord, why: str) -> UsageError:
    return UsageError(
        f"--like: {record.id} cannot be measured by this release: {why}; use the "
        "release that made the run"
    )


# -- locks -----------------------------------------------------------------------------------------


def locks_like(
    run: RunRecord, cells: Iterable[Cell], architecture: str
) -> dict[EnvironmentRequest, Lock]:
    """The run's own locks for these cells; `UsageError` if they are for another architecture."""
    made_on = run.engine.architecture if run.engine else architecture
    platform = platform_of(architecture)
    if platform_of(made_on) != platform:
        raise UsageError(
            f"--like: run {run.run_id} is locked for {made_on}, and this engine runs on "
            f"{architecture}; measure the experiment of the matrix file instead"
        )
    keys = {record.id: record.environment for record in run.cells}
    locks = {}
    for cell in cells:
        environment = run.environments.get(keys[cell.id] or "")
        if environment is None:
            raise UsageError(f"--like: run {run.run_id} has no lock of {cell.id}")
        locks[cell.environment] = Lock(
            request=cell.environment, platform=platform, text=environment.lock
        )
    return locks
