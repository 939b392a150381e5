"""What `run.json` holds of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from runner.build.prepare import Prepared
from runner.build.recipe import Image
from runner.commands.cells import LockedCells, Shard
from runner.engine.protocol import EngineInfo
from runner.matrix.axes import SETTINGS
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Experiment
from runner.measurement.agent import AbFacts
from runner.outcome import Outcome
from runner.store.application_record import ApplicationRecord, installed
from runner.store.machine import this_host
from runner.store.records import (
    BaseRecord,
    CellRecord,
    CompanionRecord,
    EnvironmentRecord,
    ExpectationRecord,
    MethodRecord,
    RunRecord,
    UnavailableCell,
    now,
)

#: Raised whenever figures made before are no longer comparable with those made now.
METHOD_VERSION = 8


def run_record(
    run_id: str,
    experiment: Experiment,
    locked: LockedCells,
    prepared: Prepared,
    *,
    engine: EngineInfo,
    ab: AbFacts,
    jobs: int | None,
    seed: int,
    shard: Shard | None,
    application: ApplicationRecord | None = None,
) -> RunRecord:
    """All that decides what the run's figures mean."""
    return RunRecord(
        run_id=run_id,
        experiment=experiment.name,
        started_at=now(),
        command=tuple(sys.argv),
        host=this_host(),
        engine=engine,
        method=_method(prepared.loadgen, ab),
        axes=experiment.axes,
        baseline=dict(experiment.baseline),
        limits=experiment.limits,
        launches=experiment.launches,
        least_launches=experiment.least_launches,
        delta=dict(experiment.delta),
        repeats=experiment.repeats,
        jobs=jobs or 0,
        seed=seed,
        shard=str(shard) if shard else None,
        cells=tuple(
            CellRecord(**_cell(cell, experiment, locked, image))
            for cell, image in prepared.cells.items()
        ),
        environments=_environments(locked, prepared),
        unavailable=tuple(_unavailable(experiment, locked, prepared)),
        companions={
            name: CompanionRecord(
                image_id=image.image_id, key=image.key, versions=dict(image.versions)
            )
            for name, image in prepared.companions.items()
        },
        expect=tuple(
            ExpectationRecord(
                cells=dict(e.cells),
                outcomes=e.outcomes,
                whys=e.whys,
                bounds=e.bounds,
                place=e.place,
            )
            for e in experiment.expect
        ),
        left_out=dict(experiment.skipped),
        application=application,
    )


def _method(loadgen: Image, ab: AbFacts) -> MethodRecord:
    return MethodRecord(
        version=METHOD_VERSION,
        ab_version=ab.version,
        loadgen_image=loadgen.image_id,
        loadgen_key=loadgen.key,
        ab_first_request_alone=ab.opening is AbOpening.FIRST_ALONE,
    )


def _cell(
    cell: Cell, experiment: Experiment, locked: LockedCells, image: Image | None = None
) -> dict[str, Any]:
    lock, full = locked.locks.get(cell.environment), locked.full_loads.get(cell)
    # `copy` is among the `axes` alone: it is nothing that a cell runs with.
    settings = {axis: cell.axis(axis) for axis in SETTINGS if axis != "copy"}
    return {
        "id": cell.id,
        **settings,
        "variables": dict(cell.variables),
        "workload_seconds": cell.workload.service_s,
        "workload_parameters": dict(cell.workload.parameters),
        "companion": cell.workload.kind.companion,
        "concurrency": None if cell.rate else cell.concurrency,
        "requests": None if cell.rate else cell.requests,
        "rate": cell.per_second,
        "rate_share": cell.share,
        "rate_of": full.id if full else None,
        "load_s": cell.load_s,
        "packages": {r.name: r.label for r in cell.requirements},
        "axes": {axis: cell.axis(axis) for axis in experiment.axes},
        "environment": lock.key if lock else None,
        "image": image.image_id if image else None,
        "image_key": image.key if image else None,
    }


def _unavailable(
    experiment: Experiment, locked: LockedCells, prepared: Prepared
) -> Iterator[UnavailableCell]:
    for outcome, cells in (
        (Outcome.UNAVAILABLE, {**locked.unavailable, **prepared.unavailable}),
        (Outcome.BUILD_FAILED, prepared.failed),
    ):
        for cell, why in cells.items():
            yield UnavailableCell(**_cell(cell, experiment, locked), outcome=outcome, reason=why)


def _environments(locked: LockedCells, prepared: Prepared) -> Mapping[str, EnvironmentRecord]:
    records = {}
    for request, image in prepared.environments.items():
        lock, base = locked.locks[request], prepared.bases[request.python]
        records[lock.key] = EnvironmentRecord(
            python=request.python,
            lock=lock.shown,
            lock_digest=lock.digest,
            base=BaseRecord(origin=base.origin, reference=base.reference, digest=base.key),
            image_id=image.image_id,
            **installed(locked.applications.get(request)),
        )
    return records
