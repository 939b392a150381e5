"""What the command line changes of an experiment."""

from __future__ import annotations

from dataclasses import replace

from runner.errors import UsageError
from runner.matrix.cell import Experiment
from runner.matrix.loads import too_long
from runner.matrix.scalars import MOST_REPEATS


def apply(
    experiment: Experiment,
    *,
    requests: int | None = None,
    concurrency: int | None = None,
    launches: int | None = None,
    repeats: int | None = None,
) -> Experiment:
    """The experiment with another load or number of launches or repeats; `UsageError` for nonsense.

    A concurrency given here replaces the axis of that name: cells that differed only in it are one.
    """
    for flag, value in (
        ("--requests", requests),
        ("--concurrency", concurrency),
        ("--launches", launches),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{flag} {value}: give a whole number above 0")
    if repeats is not None and not 0 <= repeats <= MOST_REPEATS:
        raise UsageError(f"--repeats {repeats}: give a whole number from 0 to {MOST_REPEATS}")
    if requests is None and concurrency is None and launches is None and repeats is None:
        return experiment
    cells = experiment.cells
    if concurrency is not None:
        cells = tuple(
            replace(
                c, concurrency=concurrency, varied=tuple(v for v in c.varied if v != "concurrency")
            )
            for c in cells
        )
    if requests is not None:
        cells = tuple(replace(cell, requests=requests) for cell in cells)
    changed = replace(
        experiment,
        cells=tuple(dict.fromkeys(cells)),
        launches=launches or experiment.launches,
        repeats=experiment.repeats if repeats is None else repeats,
    )
    _refuse_impossible(changed)
    return changed


def _refuse_impossible(experiment: Experiment) -> None:
    for cell in experiment.cells:
        if cell.concurrency > cell.requests:
            raise UsageError(
                f"concurrency {cell.concurrency} exceeds {cell.requests} requests: "
                "raise --requests, or lower --concurrency"
            )
    if problem := too_long(experiment.cells, experiment.limits):
        raise UsageError(problem)
