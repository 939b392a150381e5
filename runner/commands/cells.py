"""Which cells a command is about: chosen from a file, a shard of them, with exact versions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from runner.application.application_lock import ApplicationLock
from runner.application.facts import facts_of
from runner.build.lock import Lock, Unavailable, lock_all, platform_of
from runner.build.suites import MOVING, SUITES
from runner.commands.like import experiment_like, locks_like
from runner.errors import UsageError
from runner.matrix.axes import BASE_AXES
from runner.matrix.canonical import CanonicalIndex, Point, full_loads
from runner.matrix.cell import Cell, EnvironmentRequest, Experiment
from runner.matrix.file import load
from runner.matrix.select import may_match, no_match, overridden, parse
from runner.measurement import estimate
from runner.paths import CACHE
from runner.store.records import RunRecord

AnyLock: TypeAlias = Lock | ApplicationLock
#: The Pythons that an application is served with where it admits several.
PYTHONS = tuple(python for python, suite in SUITES.items() if suite not in MOVING)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The options that `plan` and `run` share. With `like` the cells are those of that run."""

    file: Path
    like: RunRecord | None = None
    experiment: str | None = None
    select: tuple[str, ...] = ()
    requests: int | None = None
    concurrency: int | None = None
    launches: int | None = None
    repeats: int | None = None
    shard: Shard | None = None


def expand(choice: Choice, say: Callable[[str], None]) -> Experiment:
    """Read the file, expand the experiment into its cells, keep those selected, and the shard's.

    `say` gets remarks on what in the file has no effect.
    Cells whose versions are not exact yet are kept if they may match, and so is the baseline whose
    rate another cell's rate is a percentage of. A shard can have no cells.
    """
    experiment = overridden(
        _named(choice),
        requests=choice.requests,
        concurrency=choice.concurrency,
        launches=choice.launches,
        repeats=choice.repeats,
    )
    for remark in experiment.remarks:
        say(remark)
    globs = parse(choice.select, experiment.axes)
    selected = tuple(cell for cell in experiment.cells if may_match(cell, globs))
    if not selected:
        raise no_match(experiment.cells, globs)
    chosen = replace(experiment, cells=selected)
    if choice.shard:
        chosen = part(chosen, choice.shard)
    return replace(chosen, cells=_with_full_loads(chosen.cells, experiment.cells, experiment))


def _named(choice: Choice) -> Experiment:
    """The experiment of the run to be made again, else that of the file."""
    if choice.like:
        return experiment_like(choice.like)
    return load(choice.file).experiment(choice.experiment, partial(facts_of, pythons=PYTHONS))


def _with_full_loads(
    chosen: Sequence[Cell], cells: Sequence[Cell], experiment: Experiment
) -> tuple[Cell, ...]:
    """The chosen cells, and those whose rate a chosen one is a percentage of, in their order."""
    found = full_loads(cells, dict(experiment.baseline), experiment.axes)
    kept = {*chosen, *(found.get(cell) for cell in chosen)}
    return tuple(cell for cell in cells if cell in kept)


def no_cells(experiment: Experiment, shard: Shard | None) -> str:
    """What is printed instead of a table: a CI job with nothing to do has not failed."""
    return f"{experiment.name}: shard {shard} has no cells, there is nothing to measure"


# -- a shard: one part of an experiment, so that several machines can share it ---------------------


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The `index`-th of `of` parts, counted from 1."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


def parse_shard(text: str) -> Shard:
    """A shard written `2/4`; `UsageError` for what is none."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text}: write I/N with I from 1 to N, e.g. --shard 2/4")
    return Shard(index=int(match[1]), of=int(match[2]))


def shard_option(text: str | None) -> Shard | None:
    """The shard of `--shard`, None without one."""
    return None if text is None else parse_shard(text)


def part(experiment: Experiment, wanted: Shard) -> Experiment:
    """The experiment with the shard's cells alone, and with the baselines of those.

    A ratio of rates from two machines would compare the machines, so a baseline is measured
    wherever there is something to compare with it; any other cell is in one shard. It follows from
    the cells as the file requests them: what they are locked to may differ by machine.
    """
    groups = _by_baseline(experiment)
    line = [(cell, base) for base, members in groups for cell in members or [base]]
    durations = [estimate.launch_s(cell, experiment.limits) for cell, _ in line]
    kept = {
        cell
        for pair, number in zip(line, _parts(durations, wanted.of), strict=True)
        if number == wanted.index
        for cell in pair
    }
    return replace(experiment, cells=tuple(cell for cell in experiment.cells if cell in kept))


def _by_baseline(experiment: Experiment) -> list[tuple[Cell, list[Cell]]]:
    """Each baseline with the cells that are compared with it; a cell without one is its own."""
    axes = dict.fromkeys((*experiment.axes, *BASE_AXES))
    baseline = dict(experiment.baseline)
    index = CanonicalIndex(
        (
            Point(cell)
            for cell in experiment.cells
            if baseline and all(cell.axis(axis) == value for axis, value in baseline.items())
        ),
        [axis for axis in axes if axis not in baseline],
    )
    groups: dict[Cell, list[Cell]] = {}
    for cell in experiment.cells:
        found = index.find(cell.axis)
        members = groups.setdefault(found.cell if found else cell, [])
        if found and found.cell != cell:
            members.append(cell)
    return [*groups.items()]


def _parts(durations: Sequence[float], parts: int) -> Iterator[int]:
    """The part (from 1) of each piece of a line that is cut into parts of about equal length.

    A piece is in the part in which its middle is. Pieces of one part are next to each other, so
    few groups of them are divided.
    """
    whole, before = sum(durations), 0.0
    for duration in durations:
        middle = before + duration / 2
        yield max(1, math.ceil(parts * middle / whole))
        before += duration


# -- exact versions --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LockedCells:
    """Cells with exact versions, those that are not available, and the environments' locks.

    `locks` is keyed by the environment of the exact cells; `unavailable` maps a cell to the reason.
    `full_loads` maps a cell with a rate in per cent to the cell whose rate that is a share of.
    `applications` has what the locks come from where the cells serve the user's application.
    """

    cells: tuple[Cell, ...]
    locks: Mapping[EnvironmentRequest, Lock]
    unavailable: Mapping[Cell, str]
    full_loads: Mapping[Cell, Cell | None] = field(default_factory=dict)
    applications: Mapping[EnvironmentRequest, ApplicationLock] = field(default_factory=dict)

    @property
    def all_cells(self) -> tuple[Cell, ...]:
        """The cells with exact versions, then those that are not available."""
        return (*self.cells, *self.unavailable)

    def lock_of(self, cell: Cell) -> Lock | None:
        """The lock of one of these cells, None for an unavailable one."""
        return self.locks.get(cell.environment)


#: Locks environments, for a platform.
Locker: TypeAlias = Callable[
    [Iterable[EnvironmentRequest], str], Mapping[EnvironmentRequest, AnyLock | Unavailable]
]


def locker(cache: Path | None = None, *, fresh: bool = False) -> Locker:
    """Locks environments without an application."""
    kept = cache or CACHE

    def lock_them(
        requests: Iterable[EnvironmentRequest], platform: str
    ) -> Mapping[EnvironmentRequest, AnyLock | Unavailable]:
        return lock_all(requests, platform=platform, cache_directory=kept, fresh=fresh)

    return lock_them


def lock_chosen(
    choice: Choice, experiment: Experiment, lock_them: Locker, *, architecture: str
) -> LockedCells:
    """Lock the experiment's cells, and keep those whose exact versions are selected.

    Raises `UsageError` if none is, except for a shard: other shards may have them.
    """
    if choice.like:
        locks = locks_like(choice.like, experiment.cells, architecture)
        loads = full_loads(experiment.cells, dict(experiment.baseline), experiment.axes)
        locked = LockedCells(cells=experiment.cells, locks=locks, unavailable={}, full_loads=loads)
    else:
        locked = lock(experiment, lock_them, architecture=architecture)
    globs = parse(choice.select, experiment.axes)
    matching = [cell for cell in locked.cells if may_match(cell, globs)]
    selected = replace(
        locked,
        cells=_with_full_loads(matching, locked.cells, experiment),
        unavailable={c: why for c, why in locked.unavailable.items() if may_match(c, globs)},
    )
    if not selected.all_cells and not choice.shard:
        raise no_match(locked.all_cells, globs)
    return selected


def lock(experiment: Experiment, lock_them: Locker, *, architecture: str) -> LockedCells:
    """Resolve every environment, and give the cells their exact versions."""
    requests = dict.fromkeys(cell.environment for cell in experiment.cells)
    found = lock_them(requests, platform_of(architecture))
    exact: dict[EnvironmentRequest, EnvironmentRequest] = {}
    locks: dict[EnvironmentRequest, Lock] = {}
    applications: dict[EnvironmentRequest, ApplicationLock] = {}
    for request, result in found.items():
        if isinstance(result, Unavailable):
            continue
        made = result.lock if isinstance(result, ApplicationLock) else result
        exact[request] = request.locked(made.versions)
        locks.setdefault(exact[request], made)  # two may come to the same versions
        if isinstance(result, ApplicationLock):
            applications.setdefault(exact[request], result)
    cells: dict[Cell, None] = {}
    unavailable: dict[Cell, str] = {}
    for cell in experiment.cells:
        result = found[cell.environment]
        if isinstance(result, Unavailable):
            unavailable[cell] = result.reason
        else:
            cells[cell.locked(exact[cell.environment])] = None
    found_loads = full_loads((*cells, *unavailable), dict(experiment.baseline), experiment.axes)
    return LockedCells(
        cells=tuple(cells),
        locks=locks,
        unavailable=unavailable,
        applications=applications,
        full_loads=found_loads,
    )
