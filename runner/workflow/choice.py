"""What the command line chose: an experiment of a file, narrowed and overridden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from runner.spec import override
from runner.spec.cell import Experiment
from runner.spec.matrix_file import load
from runner.spec.select import select


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The options that `plan` and `run` share."""

    file: Path
    experiment: str | None = None
    select: tuple[str, ...] = ()
    requests: int | None = None
    concurrency: int | None = None
    launches: int | None = None


def expand(choice: Choice) -> Experiment:
    """Read the file, expand the experiment into its cells, keep those that are selected."""
    experiment = override.apply(
        load(choice.file).experiment(choice.experiment),
        requests=choice.requests,
        concurrency=choice.concurrency,
        launches=choice.launches,
    )
    return replace(experiment, cells=select(experiment.cells, choice.select, experiment.axes))
