"""What the command line chose: an experiment of a file, narrowed and overridden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.commands.cells import Shard, parse_shard, part
from runner.matrix.cell import Experiment
from runner.matrix.file import load
from runner.matrix.select import may_match, no_match, overridden, parse


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


def chosen(
    file: Path,
    experiment: str | None,
    select: Sequence[str],
    shard: str | None,
    numbers: Mapping[str, int | None],
) -> Choice:
    """The choice that these options make; `numbers` are `--requests` and its like, by name.

    Raises `UsageError` for a shard that is none.
    """
    return Choice(
        file=file,
        experiment=experiment,
        select=tuple(select),
        shard=None if shard is None else parse_shard(shard),
        **numbers,
    )


def expand(choice: Choice) -> Experiment:
    """Read the file, expand the experiment into its cells, keep those selected, and the shard's.

    Cells whose versions are not exact yet are kept if they may match. A shard can have no cells.
    """
    experiment = overridden(
        load(choice.file).experiment(choice.experiment),
        requests=choice.requests,
        concurrency=choice.concurrency,
        launches=choice.launches,
        repeats=choice.repeats,
    )
    globs = parse(choice.select, experiment.axes)
    selected = tuple(cell for cell in experiment.cells if may_match(cell, globs))
    if not selected:
        raise no_match(experiment.cells, globs)
    chosen = replace(experiment, cells=selected)
    return part(chosen, choice.shard) if choice.shard else chosen


def no_cells(experiment: Experiment, shard: Shard | None) -> str:
    """What is printed instead of a table: a CI job with nothing to do has not failed."""
    return f"{experiment.name}: shard {shard} has no cells, there is nothing to measure"
