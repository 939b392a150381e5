"""What the client keeps of a run on several hosts: its record, and the rounds that it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from runner.commands.hosts.wire import Greeting, Made, Prepared
from runner.errors import UsageError
from runner.measurement.records import LAUNCH_SCHEMA, LaunchRecord
from runner.report.run import Run, collate
from runner.store.atomic import write_atomic
from runner.store.merge import Part, label_of, merge
from runner.store.records import RunRecord
from runner.store.reuse import Reusable, adopt, counts
from runner.store.run_directory import RESULT, RunDirectory, read_record
from runner.text import counted

#: A file for each round that is stored whole, below the run's directory.
ROUNDS: Final = "rounds"


class Earlier(NamedTuple):
    """A round that is stored whole in an earlier run: where, and how many launches.

    It was made by that engine, and numbered in a run of so many shards.
    """

    directory: RunDirectory
    launches: int
    shards: int
    engine_key: str


class Kept(NamedTuple):
    """Launches of a round that need not be made again. It is `whole` where they are all of it."""

    launches: tuple[Reusable, ...]
    whole: bool

    @property
    def said(self) -> str:
        """The end of a line about the round: what of it is not made again."""
        if not self.launches:
            return ""
        runs = ", ".join(sorted({launch.made_in for launch in self.launches}))
        return (
            f"; measured before, used again: {counted(len(self.launches), 'launch')} (run {runs})"
        )


NOTHING: Final = Kept((), whole=False)


@dataclass(kw_only=True)
class Book:
    """The run's directory, its record as far as it is known, and rounds of earlier runs.

    `earlier` has these by `Prepared.key` and number. `cells` are the run's, in table order, and
    `shards` is in how many parts they are divided.
    """

    directory: RunDirectory
    experiment: str
    command: Sequence[str]
    cells: Mapping[str, int]
    shards: int
    earlier: Mapping[tuple[str, int], Earlier] = field(default_factory=dict)
    repeats: int = 2
    _parts: dict[str, Part] = field(default_factory=dict)
    _labels: dict[str, str] = field(default_factory=dict)
    _record: RunRecord | None = None
    _rejected: dict[Path, Mapping[str, Sequence[LaunchRecord]]] = field(default_factory=dict)

    @property
    def record(self) -> RunRecord | None:
        """What is known of the run; None before any host was ready."""
        return self._record

    def label(self, greeting: Greeting) -> str:
        """The host's name, with a number where another engine's host has the same."""
        taken = [*self._labels.values()]
        return self._labels.setdefault(greeting.engine_key, label_of(greeting.host.hostname, taken))

    def add(self, greeting: Greeting, prepared: Prepared) -> None:
        """A host is ready for a shard: what it says of itself and its cells is the run's.

        A worker that was started again says nothing new.
        """
        label = self.label(greeting)
        if prepared.key in self._parts:
            return
        self._parts[prepared.key] = Part(source=label, run=prepared.record, host=label)
        parts = [*self._parts.values()]
        merged = merge(parts, command=self.command).run
        blocks = {
            part.host: block.model_copy(
                update={"label": part.host, "run_id": self.directory.run_id}
            )
            for part, block in zip(parts, merged.blocks, strict=True)
        }
        record = merged.model_copy(
            update={
                "run_id": self.directory.run_id,
                "finished_at": None,
                "stopped": None,
                "blocks": tuple(blocks[name] for name in self._labels.values() if name in blocks),
                "cells": tuple(sorted(merged.cells, key=lambda cell: self.cells[cell.id])),
            }
        )
        self._record = self.directory.write_run(record)

    def rewrite(self, **changes: object) -> RunRecord:
        """Store the record with what changed."""
        assert self._record is not None  # noqa: S101 - asked for once there are rounds
        self._record = self.directory.write_run(self._record.model_copy(update=changes))
        return self._record

    def store(
        self,
        greeting: Greeting,
        prepared: Prepared,
        number: int,
        made: Made,
        kept: Kept = NOTHING,
    ) -> list[LaunchRecord]:
        """Store what a host made of a round, and what was kept of it once the rest is there.

        It counts as a round where it is whole.
        """
        label, launches = self.label(greeting), []
        if made.whole:
            launches += self.adopt(greeting, prepared, number, kept)
        for stored in made.launches:
            record = LaunchRecord.model_validate_json(stored.result)
            record = record.model_copy(update={"block": label})
            write = self.directory.write_launch if stored.final else self.directory.write_disturbed
            written = write(record, stored.files)
            if stored.final:
                launches.append(written)
        if made.whole:
            self._mark(greeting, prepared, number, len(launches))
        return launches

    def _mark(self, greeting: Greeting, prepared: Prepared, number: int, launches: int) -> None:
        rounds = self.directory.path / ROUNDS
        rounds.mkdir(exist_ok=True)
        mark = f"{prepared.key} {launches} {self.shards} {greeting.engine_key}\n"
        write_atomic(rounds / str(number), mark)

    def kept(self, greeting: Greeting, prepared: Prepared, number: int) -> Kept:
        """What an earlier run has of a round: launches that count, and whose files are whole.

        Nothing where the host has begun the round since, for a run with `--fresh`.
        """
        place = prepared.key, number
        found = self.earlier.get(place)
        held = [one.fresh for one in greeting.held if (one.key, one.number) == place]
        if found is None or any(fresh > found.directory.run_id for fresh in held):
            return NOTHING
        cells = [cell.id for cell in prepared.record.cells]
        records = [
            one for one in _launches(found.directory, cells, number) if counts(one, self.repeats)
        ]
        label, rejected = self.label(greeting), self._rejected_in(found.directory)
        launches = [
            Reusable(
                cell=record.cell,
                record=record.model_copy(update={"block": label}),
                rejected=[
                    one.model_copy(update={"block": label})
                    for one in rejected.get(record.cell, [])
                    if one.launch == number
                ],
                directory=found.directory,
                run_id=found.directory.run_id,
                other_boot=None,
            )
            for record in records
        ]
        return Kept(tuple(launches), whole=len(launches) == found.launches)

    def adopt(
        self, greeting: Greeting, prepared: Prepared, number: int, kept: Kept
    ) -> list[LaunchRecord]:
        """Store the launches that were kept of a round, and that it is whole if it is."""
        adopted = [adopt(self.directory, one) for one in kept.launches]
        if kept.whole:
            self._mark(greeting, prepared, number, len(adopted))
        return adopted

    def _rejected_in(self, directory: RunDirectory) -> Mapping[str, Sequence[LaunchRecord]]:
        if directory.path not in self._rejected:
            self._rejected[directory.path] = directory.rejected()
        return self._rejected[directory.path]

    def run(self) -> Run | None:
        """The run as it is on the disk: launches are not kept in memory while it lasts."""
        if self._record is None:
            return None
        return collate(self._record, self.directory.launches(), rejected=self.directory.rejected())

    def launches(self) -> list[LaunchRecord]:
        """All that are stored, by cell and number."""
        return [*chain.from_iterable(self.directory.launches().values())]


def _launches(directory: RunDirectory, cells: Iterable[str], number: int) -> Iterator[LaunchRecord]:
    for cell in cells:
        path = directory.launch_directory(cell, number) / RESULT
        with suppress(FileNotFoundError, UsageError):  # what cannot be read is not used
            record = read_record(path, LaunchRecord, LAUNCH_SCHEMA)
            if (record.cell, record.launch) == (cell, number):
                yield record


def earlier_rounds(results: Path, experiment: str) -> dict[tuple[str, int], Earlier]:
    """The rounds that earlier runs of the experiment have stored whole, the newest of each."""
    found: dict[tuple[str, int], Earlier] = {}
    for path in sorted((results / experiment).glob(f"*/{ROUNDS}/*")):
        with suppress(OSError, ValueError):
            text = path.read_text(encoding="utf-8").strip()
            key, launches, shards, engine_key = text.split(" ", 3)
            directory = RunDirectory(results=results, path=path.parents[1])
            found[key, int(path.name)] = Earlier(directory, int(launches), int(shards), engine_key)
    return found
