"""What the runner itself costs: collating, memory over a long run, engine calls per launch.

On the in-memory engine, with every launch stored as in a run. Collating is reading all results of a
run and making its rows; rendering the table and writing it come on top and are shown beside it.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.common import Options, figure
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits
from runner.measurement.job import Job, LaunchResult
from runner.measurement.records import LaunchRecord
from runner.measurement.rounds import Method, measure
from runner.measurement.schedule import Jobs
from runner.report.formats import render
from runner.report.run import read_run
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support import samples
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell

CELLS, LAUNCHES_PER_CELL = 1_000, 5
LONG_RUN, WARM = 500, 100
REPEATS = 3
GOAL_COLLATE_S = 1.0
#: The per-request file of a load of 5,000 requests has about so many bytes.
REQUESTS_FILE = "H4sI" * 8_000
#: Growth that the allocator's own grain explains.
FLAT_MIB = 1.0


def run(options: Options) -> Iterator[str]:
    """All three."""
    yield from collating(options.cells or CELLS, LAUNCHES_PER_CELL)
    yield from long_run(options.launches or LONG_RUN)


def collating(number: int, launches: int) -> Iterator[str]:
    """Seconds to collate a stored run of so many cells."""
    with tempfile.TemporaryDirectory() as name:
        directory = stored_run(Path(name), number, launches)
        taken = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            run = read_run(directory)
            taken.append(time.perf_counter() - began)
        began = time.perf_counter()
        render(run, format="plain")
        rendering = time.perf_counter() - began
    seconds = statistics.median(taken)
    yield figure(
        f"collating {number:,} cells × {launches} launches: median of {REPEATS}",
        f"{seconds:.2f} s",
        "≤ 1 s",
        met=seconds <= GOAL_COLLATE_S,
    )
    yield figure("  the first time", f"{taken[0]:.2f} s")
    yield figure("  the table for people, on top", f"{rendering:.2f} s")


def long_run(launches: int) -> Iterator[str]:
    """Memory and engine calls over a run of so many launches."""
    engine = MemoryEngine(SimulatedPods(load=_with_every_request))
    sizes: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        directory = RunDirectory.create(Path(name), "bench", datetime.now(UTC))

        def end(result: LaunchResult, _final: bool) -> None:
            directory.write_launch(result.record, result.files)
            gc.collect()
            sizes.append(resident_mib())

        cells = [a_cell(number) for number in range(1, 11)]
        method = in_memory_method(cells, launches=launches // len(cells))
        began = time.perf_counter()
        measure(engine, cells, method, clock=VirtualClock(), on_begin=_ignore, on_end=end)
        seconds = time.perf_counter() - began
    warm = min(WARM, len(sizes) // 2)
    growth = sizes[-1] - sizes[warm - 1]
    yield figure(
        f"memory from launch {warm} to launch {len(sizes)}",
        f"{sizes[warm - 1]:.1f} → {sizes[-1]:.1f} MiB",
        "flat (≤ 1 MiB)",
        met=growth <= FLAT_MIB,
    )
    own_ms = 1000 * seconds / len(sizes)
    yield figure("the runner's own time per launch, storing included", f"{own_ms:.1f} ms")
    calls = {name: count / len(sizes) for name, count in sorted(engine.calls.items())}
    yield figure("engine calls per launch", f"{sum(calls.values()):.1f}")
    yield "    (" + ", ".join(f"{name} {count:g}" for name, count in calls.items()) + ")"


def _with_every_request(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "requests_tsv_gz": REQUESTS_FILE}


def _ignore(_jobs: Sequence[Job]) -> None:
    """Nobody watches."""


def resident_mib() -> float:
    """This process's resident memory."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmRSS")


def in_memory_method(cells: Sequence[Cell], launches: int) -> Method:
    """One launch at a time, on images that are only names."""
    return Method(
        run="bench",
        limits=Limits(load_s=86_400),
        opening=AbOpening.FIRST_ALONE,
        loadgen_image="loadgen",
        server_images={cell.id: "server" for cell in cells},
        launches=launches,
        repeats=0,
        seed=1,
        jobs=Jobs(limit=1, cpus=2),
    )


# -- a stored run ----------------------------------------------------------------------------------


def stored_run(results: Path, number: int, launches: int) -> RunDirectory:
    """A run of so many cells, half of them the others' baseline, with launches that differ."""
    patches = ("none", "gevent")
    cells = [stored_cell(1 + index // 2, patches[index % 2]) for index in range(number)]
    directory = RunDirectory.create(results, "bench", datetime.now(UTC))
    directory.write_run(stored_record(directory.run_id, cells, launches))
    for position, cell_ in enumerate(cells):
        for launch in range(1, launches + 1):
            path = directory.launch_directory(cell_.id, launch)
            path.mkdir(parents=True)
            record = stored_launch(cell_, launch, rate=49 + (position * 7 + launch * 3) % 11 / 50)
            (path / "result.json").write_text(record.model_dump_json(indent=2), encoding="utf-8")
    return directory


def stored_cell(concurrency: int, patch: str) -> CellRecord:
    """One of the stored run's cells."""
    axes = {"concurrency": str(concurrency)}
    suffix = f"-c{concurrency}"
    return samples.cell("3.13", patch, concurrency=concurrency, further=axes, suffix=suffix)


def stored_record(run_id: str, cells: Sequence[CellRecord], launches: int) -> RunRecord:
    """What is known of the stored run."""
    run = samples.run_record(*cells, axes=("python", "patch", "concurrency"), launches=launches)
    return run.model_copy(update={"run_id": run_id, "experiment": "bench"})


def stored_launch(cell: CellRecord, number: int, *, rate: float) -> LaunchRecord:
    """An `ok` launch at a rate in requests/s, with every figure there is."""
    times = {"startup_s": 0.4, "lone_request_ms": 2_002.0, "wall_s": 110.0, "overhead_s": 8.0}
    record = samples.launch(cell, number, rate=rate)
    return record.model_copy(update={"concurrency_factor": 5.0, **times})
