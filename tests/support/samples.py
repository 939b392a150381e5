"""Records of a small run, for the tests of what reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping

from runner.commands.cells import LockedCells
from runner.commands.record import _cell
from runner.engine.protocol import EngineInfo
from runner.matrix.cell import Cell, Experiment, Limits
from runner.matrix.servers import Server
from runner.matrix.values import workload
from runner.measurement.records import AbFigures, LaunchRecord, RateFigures, Resources
from runner.outcome import Outcome
from runner.store.records import (
    BaseRecord,
    CellRecord,
    EnvironmentRecord,
    Host,
    MethodRecord,
    RunRecord,
    UnavailableCell,
)

AXES = ("python", "gevent", "grpcio", "patch")
LOCK = "flask==3.1.2 \\\n    --hash=sha256:00ff\n"


def cell(
    python: str,
    patch: str,
    *,
    gevent: str | None = None,
    grpcio: str | None = None,
    flask: str = "3.1.2",
    concurrency: int = 100,
    further: Mapping[str, str] | None = None,
    suffix: str = "",
) -> CellRecord:
    """A cell that carries the packages given; `further` are axes beyond the usual four."""
    packages = {"gevent": gevent, "grpcio": grpcio}
    carried = {name: version for name, version in packages.items() if version}
    names = (f"py{python}", *(f"{name}{version}" for name, version in carried.items()), patch)
    axes: dict[str, str | None] = {"python": python, "patch": patch, **packages}
    return CellRecord(
        id="-".join(names) + suffix,
        python=python,
        patch=patch,
        server=(further or {}).get("server", "werkzeug"),
        workload="sleep",
        workload_seconds=2.0,
        concurrency=concurrency,
        requests=5000,
        packages={"flask": flask, **carried},
        axes={**axes, **(further or {})},
        environment=f"py{python}",
        image="sha256:cc",
        image_key="cc",
    )


def cell_with_workload(name: str) -> CellRecord:
    """An unpatched cell of a workload at its defaults, as `matrix run` stores it."""
    spec = Cell(
        python="3.11",
        patch="none",
        server=Server(name="werkzeug"),
        workload=workload(name, {}),
        concurrency=100,
        requests=5000,
        requirements=(),
        varied=("workload",),
    )
    experiment = Experiment(name="sample", axes=AXES, cells=(spec,), limits=Limits())
    locked = LockedCells(cells=(spec,), locks={}, unavailable={})
    return CellRecord(**_cell(spec, experiment, locked))


def unavailable(
    base: CellRecord, reason: str, outcome: Outcome = Outcome.UNAVAILABLE
) -> UnavailableCell:
    return UnavailableCell(**base.model_dump(), reason=reason, outcome=outcome)


def run_record(
    *cells: CellRecord,
    axes: tuple[str, ...] = AXES,
    baseline: dict[str, str] | None = None,
    missing: tuple[UnavailableCell, ...] = (),
    launches: int = 1,
) -> RunRecord:
    return RunRecord(
        run_id="20261101T120000Z",
        experiment="sleep",
        started_at="2026-11-01T12:00:00+00:00",
        command=("matrix", "run"),
        host=Host(
            hostname="bench",
            os="Debian GNU/Linux 13",
            kernel="6.12.0",
            cpus=2,
            cpu_model="Example CPU",
            memory_bytes=8 * 2**30,
        ),
        engine=EngineInfo(
            endpoint="unix:///var/run/docker.sock",
            version="20.10.24",
            api_version="1.41",
            operating_system="Debian GNU/Linux 13",
            kernel="6.12.0",
            architecture="x86_64",
            cpus=2,
            memory_bytes=8 * 2**30,
            cgroup_version="2",
            storage_driver="overlay2",
            security=("seccomp",),
        ),
        method=MethodRecord(version=1, ab_version="2.3", ab_first_request_alone=True),
        axes=axes,
        baseline={"patch": "none"} if baseline is None else baseline,
        limits=Limits(),
        launches=launches,
        jobs=20,
        seed=7,
        cells=cells,
        environments={
            "py3.11": EnvironmentRecord(
                python="3.11",
                lock=LOCK,
                lock_digest="sha256:aa",
                base=BaseRecord(origin="debian", reference="matrix-base:3.11"),
                image_id="sha256:bb",
            )
        },
        unavailable=missing,
    )


def traffic() -> RunRecord:
    """Two patch modes, each in a closed loop and at a fixed rate."""
    closed = [
        cell("3.11", "none", further={"rate": "closed"}, suffix="-closed"),
        cell("3.11", "gevent", gevent="25.9.1", further={"rate": "closed"}, suffix="-closed"),
    ]
    fixed = {"concurrency": None, "requests": None, "rate": 45.0, "load_s": 60.0}
    at_a_rate = (
        one.model_copy(
            update={
                "id": one.id.replace("closed", "r45"),
                "axes": {**one.axes, "rate": "45"},
                **fixed,
            }
        )
        for one in closed
    )
    return run_record(*closed, *at_a_rate, axes=(*AXES, "rate"))


def in_per_cent() -> RunRecord:
    """The same, at 80 % of the rate that the unpatched cell reaches in a closed loop."""
    run = traffic()
    shares = {
        "rate": None,
        "rate_share": 0.8,
        "rate_of": run.cells[0].id,
    }
    cells = (
        one.model_copy(
            update={
                **shares,
                "id": one.id.replace("r45", "r80pct"),
                "axes": {**one.axes, "rate": "80%"},
            }
        )
        if one.rate
        else one
        for one in run.cells
    )
    return run.model_copy(update={"cells": tuple(cells)})


def launch_at(cell: CellRecord, per_second: float, number: int = 1) -> LaunchRecord:
    """A launch of a cell with a rate in per cent, at so many requests per second."""
    made = launch(cell.model_copy(update={"rate": per_second}), number, rate=per_second)
    return made.model_copy(update={"cell": cell.id})


def launches_of(run: RunRecord) -> dict[str, list[LaunchRecord]]:
    """A launch of each cell."""
    return {cell.id: [launch(cell)] for cell in run.cells}


def launch(
    cell: CellRecord,
    number: int = 1,
    *,
    rate: float = 48.0,
    outcome: Outcome = Outcome.OK,
    reason: str | None = None,
    disturbed: str | None = None,
    requests: int = 5000,
) -> LaunchRecord:
    """A launch at a rate in requests/s, without figures where the outcome has none."""
    record = LaunchRecord(
        cell=cell.id,
        launch=number,
        outcome=outcome,
        reason=reason,
        started_at="2026-11-01T12:01:00+00:00",
        requests=requests,
        concurrency=cell.concurrency,
        configuration_rps=5000 / 102,
        disturbed=disturbed,
    )
    if cell.rate is not None:
        sent = round(cell.rate * (cell.load_s or 0.0))
        lags = {"lag_p50_ms": 0.1, "lag_p99_ms": 0.4, "lag_max_ms": 1.5}
        figures = RateFigures(rate=cell.rate, requests=sent, sent=sent, **lags)
        record = record.model_copy(update={"requests": sent, "rate": figures})
    if not outcome.has_figures:
        return record
    return record.model_copy(update={"ab": ab_figures(rate, requests), "resources": RESOURCES})


def ab_figures(rate: float, requests: int = 5000) -> AbFigures:
    return AbFigures(
        time_taken_s=requests / rate,
        complete=requests,
        failed=0,
        non_2xx=0,
        requests_per_second=rate,
        mean_ms=2031.4,
        p50_ms=2003.2,
        p90_ms=2010.0,
        p99_ms=2052.6,
        max_ms=2100.0,
    )


RESOURCES = Resources(
    cpu_user_ms=4000.0,
    cpu_system_ms=1000.0,
    cpu_ms_per_request=1.0,
    peak_rss_mib=61.4,
    peak_threads=101,
    loadgen_run_queue_delay_ms=12.0,
)


WAITED = "ab waited 0.31 ms per request for a CPU (1.2% of the time)"


def attempt(
    cell: CellRecord,
    number: int,
    attempt: int,
    *,
    rate: float = 48.0,
    cpu_ms: float = 1.0,
    disturbed: str | None = WAITED,
) -> LaunchRecord:
    """An attempt at a launch, disturbed unless told otherwise."""
    made = launch(cell, number, rate=rate, disturbed=disturbed)
    resources = RESOURCES.model_copy(update={"cpu_ms_per_request": cpu_ms})
    return made.model_copy(update={"attempt": attempt, "resources": resources})
