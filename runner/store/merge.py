"""Runs of one experiment joined into one: pure, from records to a record.

A merged run's rounds are those of its runs, one run after the other, so launches of one round are
always of one machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeVar

from runner.engine.protocol import EngineInfo
from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.store.application_record import ways_to_differ
from runner.store.records import (
    Block,
    CellRecord,
    Host,
    MethodRecord,
    RunRecord,
    UnavailableCell,
    conditions,
    machine,
)

T = TypeVar("T")
#: A block, and what the launches of its own run call it: None if that run knows of one machine.
NamedBlock = tuple[str | None, Block]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run to be joined with others; `source` is what the user calls it.

    `rejected` are attempts that were disturbed and repeated. `host` is the machine's name where the
    parts are those of one run on several hosts.
    """

    source: str
    run: RunRecord
    launches: Mapping[str, Sequence[LaunchRecord]] = field(default_factory=dict)
    rejected: Mapping[str, Sequence[LaunchRecord]] = field(default_factory=dict)
    host: str | None = None


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A launch of the merged run, and which launch of which part (by its place) it is.

    `final` is False for an attempt that was rejected.
    """

    record: LaunchRecord
    part: int
    was: LaunchRecord
    final: bool


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The record of the merged run, without an id, its launches, and the rejected attempts."""

    run: RunRecord
    launches: tuple[Joined, ...]
    rejected: tuple[Joined, ...]


def merge(parts: Sequence[Part], *, command: Sequence[str]) -> Merged:
    """Join runs; `UsageError` if they are not of one experiment, or one of them comes twice."""
    _reject_different(parts)
    _reject_duplicates(parts)
    blocks = _blocks(parts)
    cells = _cells(parts)
    first = parts[0].run
    finished = [part.run.finished_at for part in parts]
    unavailable = {cell.id: cell for part in parts for cell in part.run.unavailable}
    run = first.model_copy(
        update={
            "run_id": "",
            "started_at": min(part.run.started_at for part in parts),
            "finished_at": None if None in finished else max(filter(None, finished)),
            "command": tuple(command),
            "method": _method(parts),
            "launches": max(part.run.launches for part in parts),
            "least_launches": min(
                filter(None, (p.run.least_launches for p in parts)), default=None
            ),
            "stopped": "; ".join(_stopped(parts)) or None,
            "jobs": _common([part.run.jobs for part in parts]),
            "seed": _common([part.run.seed for part in parts]),
            "cells": tuple(cells.values()),
            "unavailable": tuple(c for c in unavailable.values() if c.id not in cells),
            "environments": _union([part.run.environments for part in parts]),
            "companions": _union([part.run.companions for part in parts]),
            "left_out": _union([part.run.left_out for part in parts]),
            "shard": None,
            "blocks": tuple(block for of_part in blocks for _, block in of_part),
        }
    )
    joined = [*_launches(parts, blocks)]
    return Merged(
        run=run,
        launches=tuple(launch for launch in joined if launch.final),
        rejected=tuple(launch for launch in joined if not launch.final),
    )


def _common(values: Sequence[T]) -> T | None:
    """What all have, None if they differ."""
    return values[0] if all(value == values[0] for value in values) else None


def _union(mappings: Sequence[Mapping[str, T]]) -> dict[str, T]:
    """All keys; of one that several have, the first."""
    return {key: value for mapping in reversed(mappings) for key, value in mapping.items()}


# -- what cannot be joined -------------------------------------------------------------------------


#: Conditions that must be equal in all runs; what else differs becomes a remark.
_MUST_BE_EQUAL: Final = ("experiment", "axes", "baseline", "method version", "application")


def _conditions(run: RunRecord) -> dict[str, object]:
    """What runs are compared by: not the machine, for merged runs may be of several."""
    own = {name: value for name, value in conditions(run).items() if name not in machine(run)}
    places = ", ".join(expected.place for expected in run.expect) or "none"
    application = run.application.app if run.application else "of this program"
    return {
        "axes": ", ".join(run.axes),
        **own,
        "application": application,
        "expectations": places,
    }


def _reject_different(parts: Sequence[Part]) -> None:
    first = parts[0]
    others = _conditions(first.run)
    for part in parts:
        if part.run.is_imported:
            raise UsageError(
                f"{part.source}: imported, so its machines are not known; "
                "`matrix import-ab` takes several reports at once"
            )
        own = _conditions(part.run)
        for name in _MUST_BE_EQUAL:
            if own[name] != others[name]:
                raise UsageError(
                    f"{part.source}: {name} {own[name]}, and {name} {others[name]} in "
                    f"{first.source}; merge runs of one experiment, made by one version"
                )


#: What a launch is given where it is stored again: it says nothing of what was measured.
_GIVEN_LATER: Final = {"schema_version", "launch", "block", "reused_from", "other_boot"}


def _reject_duplicates(parts: Sequence[Part]) -> None:
    """A launch is one observation, also if two runs have it under two numbers."""
    seen: dict[str, int] = {}
    for place, part in enumerate(parts):
        for of_cell in part.launches.values():
            for launch in of_cell:
                made = launch.model_dump_json(exclude=_GIVEN_LATER)
                if (other := seen.setdefault(made, place)) != place:
                    raise UsageError(
                        f"{part.source}: launch {launch.launch} of {launch.cell} is also in "
                        f"{parts[other].source}; leave one of them out, or measure with --fresh"
                    )


# -- machines --------------------------------------------------------------------------------------


def _blocks(parts: Sequence[Part]) -> list[list[NamedBlock]]:
    """The blocks of each part, labelled so that each machine has one label in all of them."""
    labels: dict[tuple[Host, EngineInfo], str] = {}
    found = []
    for part in parts:
        own = []
        for name, block in _own_blocks(part):
            machine = (block.host.machine, block.engine)
            if machine not in labels:
                labels[machine] = label_of(block.host.hostname, [*labels.values()])
            own.append((name, block.model_copy(update={"label": labels[machine]})))
        found.append(own)
    return found


def _own_blocks(part: Part) -> list[NamedBlock]:
    run = part.run
    if run.blocks:
        return [(block.label, block) for block in run.blocks]
    if run.host is None or run.engine is None:
        raise UsageError(f"{part.source}: does not say where it was measured")
    alone = Block(label="", run_id=run.run_id, host=run.host, engine=run.engine)
    return [(None, alone)]


def label_of(hostname: str, taken: Sequence[str]) -> str:
    """The host's name, with a number where another machine has it."""
    same = sum(label == hostname or label.startswith(f"{hostname}#") for label in taken)
    return f"{hostname}#{same + 1}" if same else hostname


def _launches(parts: Sequence[Part], blocks: Sequence[Sequence[NamedBlock]]) -> Iterator[Joined]:
    """All attempts, renumbered: a part's rounds follow those of the parts before it."""
    rounds = 0
    for place, (part, own) in enumerate(zip(parts, blocks, strict=True)):
        labels = {name: block.label for name, block in own}
        made = [(one, True) for one in chain.from_iterable(part.launches.values())]
        made += [(one, False) for one in chain.from_iterable(part.rejected.values())]
        for was, final in made:
            update = {"launch": rounds + was.launch, "block": labels[was.block]}
            record = was.model_copy(update=update)
            yield Joined(record=record, part=place, was=was, final=final)
        rounds += max((was.launch for was, _ in made), default=0)


# -- cells -----------------------------------------------------------------------------------------


def _cells(parts: Sequence[Part]) -> dict[str, CellRecord]:
    """Every cell once. `UsageError` for one that was loaded in different ways."""
    cells: dict[str, tuple[CellRecord, Part]] = {}
    for part in parts:
        for cell in part.run.cells:
            first, other = cells.setdefault(cell.id, (cell, part))
            if _load(first) != _load(cell):
                raise UsageError(
                    f"{part.source}: {cell.id} is {_load(cell)}, and {_load(first)} in "
                    f"{other.source}; merge runs of one load"
                )
    return {name: cell for name, (cell, _) in cells.items()}


def _load(cell: CellRecord) -> str:
    does = " ".join([str(cell.workload), *cell.workload_parameters.values()])
    return f"{does}, {cell.server}, {cell.load}"


# -- what a reader should know ---------------------------------------------------------------------


def _method(parts: Sequence[Part]) -> MethodRecord:
    """The first run's, but for what they do not have in common, with remarks on what differs."""
    methods = [part.run.method for part in parts]
    remarks = [note for method in methods for note in method.notes]
    remarks += [
        *_differences(parts),
        *_of_applications(parts),
        *_locks(parts),
        *_unavailable_elsewhere(parts),
        *_lost(parts),
    ]
    alone = _common([method.ab_first_request_alone for method in methods])
    return methods[0].model_copy(
        update={
            "ab_version": _common([method.ab_version for method in methods]),
            "ab_first_request_alone": alone,
            "notes": tuple(dict.fromkeys(remarks)),
        }
    )


def _differences(parts: Sequence[Part]) -> Iterator[str]:
    all_conditions = [_conditions(part.run) for part in parts]
    for name in all_conditions[0]:
        runs: dict[str, list[str]] = {}
        for part, own in zip(parts, all_conditions, strict=True):
            runs.setdefault(str(own.get(name)), []).append(_name(part))
        if len(runs) > 1:
            values = "; ".join(
                f"{value} ({', '.join(dict.fromkeys(ids))})" for value, ids in runs.items()
            )
            parted = "hosts" if parts[0].host else "runs"
            yield f"Differs between the {parted}: {name}: {values}."


def _of_applications(parts: Sequence[Part]) -> Iterator[str]:
    """What an application was not run with in all runs."""
    first = parts[0].run.application
    for part in parts[1:]:
        own = part.run.application
        if first and own:
            for words in ways_to_differ(first, own):
                yield f"The application differs in {_name(part)}: {words}."


def _locks(parts: Sequence[Part]) -> Iterator[str]:
    """Cells of one name that were locked to different packages."""
    digests: dict[str, set[str]] = {}
    for part in parts:
        for cell in part.run.cells:
            environment = part.run.environments.get(cell.environment or "")
            digests.setdefault(cell.id, set()).add(environment.lock_digest if environment else "")
    differing = [cell for cell, found in digests.items() if len(found) > 1]
    if differing:
        yield f"Locked to different packages in different runs: {', '.join(differing)}."


def _stopped(parts: Sequence[Part]) -> Iterator[str]:
    """Why each of the runs ended that ended by itself."""
    for part in parts:
        if part.run.stopped:
            yield f"{part.run.stopped} ({_name(part)})"


def _unavailable_elsewhere(parts: Sequence[Part]) -> Iterator[str]:
    """Cells that one run measured and another could not."""
    measured = {cell.id for part in parts for cell in part.run.cells}
    for part in parts:
        for cell in (cell for cell in part.run.unavailable if cell.id in measured):
            yield f"{cell.id} was {_why(cell)} in {_name(part)}."


def _why(cell: UnavailableCell) -> str:
    return f"{cell.outcome} ({cell.reason})"


def _lost(parts: Sequence[Part]) -> Iterator[str]:
    """Shards of which there is no run."""
    present = {part.run.shard for part in parts if part.run.shard}
    for number in sorted({int(shard.partition("/")[2]) for shard in present}):
        every = [f"{index}/{number}" for index in range(1, number + 1)]
        if missing := [shard for shard in every if shard not in present]:
            yield f"No run of shard {', '.join(missing)}: it had no cells, or was lost."


def _name(part: Part) -> str:
    if part.host:
        return part.host
    shard = f", shard {part.run.shard}" if part.run.shard else ""
    return f"run {part.run.run_id}{shard}"
