"""What the command line chose: an experiment of a file, narrowed and overridden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from runner.commands.shard import Shard, part
from runner.matrix.cell import Experiment
from runner.matrix.file import load
from runner.matrix.select import overridden, select


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The options that `plan` and `run` share."""

    file: Path
    experiment: str | None = None
    select: tuple[str, ...] = ()
    requests: int | None = None
    concurrency: int | None = None
    launches: int | None = None
    repeats: int | None = None
    shard: Shard | None = None


def expand(choice: Choice) -> Experiment:
    """Read the file, expand the experiment into its cells, keep those selected, and the shard's.

    No cell is left where there are fewer than shards.
    """
    experiment = overridden(
        load(choice.file).experiment(choice.experiment),
        requests=choice.requests,
        concurrency=choice.concurrency,
        launches=choice.launches,
        repeats=choice.repeats,
    )
    selected = replace(experiment, cells=select(experiment.cells, choice.select, experiment.axes))
    return part(selected, choice.shard) if choice.shard else selected


def no_cells(experiment: Experiment, shard: Shard | None) -> str:
    """What is said instead of a table: a job of a CI with nothing to do has not failed."""
    return f"{experiment.name}: shard {shard} has no cells, there is nothing to measure"
