"""The page's data: what sorts and filters the table, and each cell's evidence, shown on demand.

Texts are kept apart and named by number: cells of one environment share most of theirs.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from runner.measurement.records import AbFigures, LaunchRecord, Resources
from runner.publish.answers import shown_outcome
from runner.publish.files import PublishedLaunch
from runner.publish.publication import Part, Publication, PublishedCell
from runner.publish.table import FullTable
from runner.report.tables import milliseconds, two_decimals, whole
from runner.store.records import RunRecord
from runner.text import known, one_line

#: Characters of launches' files that the page holds; what goes beyond is in the files beside it.
ROOM: Final = 800_000
#: The text of one of a launch's figures, None where it has none.
Show = Callable[[LaunchRecord], str | None]


class Texts:
    """Each different text once, by its number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The text's number."""
        return self.numbers.setdefault(text, len(self.numbers))

    def all(self) -> list[str]:
        """The texts in the order of their numbers."""
        return list(self.numbers)


def data(published: Publication, table: FullTable) -> dict[str, Any]:
    """All that the page's script needs, as JSON can hold it."""
    texts = Texts()
    held = _held(published)
    return {
        "columns": [
            {"key": h.key, "text": h.text, "numeric": h.numeric, "choices": h.choices}
            for h in table.headings
        ],
        "values": [row.values for row in table.rows],
        "cells": [
            _cell(part, cell, texts, held) for part in published.parts for cell in part.cells
        ],
        "figures": [name for name, _ in FIGURES],
        "texts": texts.all(),
    }


def _held(published: Publication) -> set[str]:
    """Paths of the files whose text the page holds, the most telling first until its room is used.

    First the evidence of failures, then every cell's first report, then the further ones.
    """
    files = [
        (bool(launch.record.outcome.has_figures), number, file)
        for part in published.parts
        for cell in part.cells
        for number, launch in enumerate(cell.launches)
        for file in launch.files
    ]
    held, room = set(), ROOM
    for _, _, file in sorted(files, key=lambda item: item[:2]):
        if len(file.text) <= room:
            room -= len(file.text)
            held.add(file.path)
    return held


def _cell(part: Part, cell: PublishedCell, texts: Texts, held: set[str]) -> dict[str, Any]:
    row = cell.row
    return {
        "id": row.cell,
        "key": key_of(part, cell),
        "anchor": cell.anchor,
        "run": part.source.label,
        "outcome": shown_outcome(row.outcome),
        "reason": row.reason,
        "path": f"{part.prefix}cells/{row.cell}",
        "facts": [[name, texts.number(value)] for name, value in cell_facts(part.run, cell)],
        "commands": [texts.number(line) for line in commands(part.run, cell)],
        "launches": [_launch(launch, held) for launch in cell.launches],
    }


def key_of(part: Part, cell: PublishedCell) -> str:
    """What the page's address calls the cell: its id, after its run's directory if it has one."""
    return f"{part.prefix}{cell.row.cell}"


def cell_facts(run: RunRecord, cell: PublishedCell) -> Iterator[tuple[str, str]]:
    """What the cell is made of."""
    record = cell.record
    yield "Python", known(record.python)
    yield "patch mode", known(record.patch) + (f", {record.order}" if record.order else "")
    yield "packages", packages(record.packages)
    yield "server", known(record.server)
    parameters = "".join(f", {n} {v}" for n, v in record.workload_parameters.items())
    yield "workload", f"{record.workload}{parameters}"
    yield "load", f"ab -c {record.concurrency} -n {record.requests}"
    if record.image:
        yield "image", record.image
    environment = run.environments.get(record.environment or "")
    if environment:
        base = environment.base
        yield "base image", f"{base.reference} ({base.origin}) {base.digest or ''}".rstrip()
        yield "installed", ", ".join(locked(environment.lock))
        yield "lock", environment.lock_digest
    companion = run.companions.get(record.companion or "")
    if companion:
        versions = packages(companion.versions)
        yield "talks to", f"{record.companion} {versions}, image {companion.image_id}"


def packages(versions: Mapping[str, str]) -> str:
    """`flask 3.1.3, gevent 25.9.1`."""
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "none named"


def locked(lock: str) -> list[str]:
    """The distributions of a lock, without their hashes: `flask 3.1.2`."""
    lines = (line.strip().removesuffix("\\").strip() for line in lock.splitlines())
    return [line.replace("==", " ") for line in lines if line and line[0] not in "-#"]


def commands(run: RunRecord, cell: PublishedCell) -> Sequence[str]:
    """How the cell is measured again, and how it is made by hand where its image is."""
    again = ["matrix", "run", run.experiment, "--select", f"cell={cell.row.cell}", "--fresh"]
    lines = ["# with this project and its matrix file", shlex.join(again)]
    if cell.by_hand:
        lines += ["# by hand, on the machine that has the images", *cell.by_hand]
    return lines


def _launch(launch: PublishedLaunch, held: set[str]) -> dict[str, Any]:
    """A launch in few characters, for there may be thousands. What is unknown is left out."""
    record = launch.record
    said = {
        "number": record.launch,
        "outcome": str(record.outcome),
        "reason": record.reason,
        "disturbed": record.disturbed,
        "figures": [show(record) for _, show in FIGURES],
        "files": {f.name: f.text if f.path in held else None for f in launch.files},
    }
    return {key: value for key, value in said.items() if value is not None}


def _of_ab(figure: Callable[[AbFigures], str | None]) -> Show:
    """A figure of a load that is one: what a hanging server answered is no performance."""
    return lambda record: figure(record.ab) if record.ab and record.outcome.has_figures else None


def _of_resources(figure: Callable[[Resources], str]) -> Show:
    return lambda record: (
        figure(record.resources) if record.resources and record.outcome.has_figures else None
    )


def _ms(value: float | None) -> str | None:
    return None if value is None else milliseconds(value)


def _factor(record: LaunchRecord) -> str | None:
    factor = record.concurrency_factor
    return None if factor is None else two_decimals(factor)


#: A launch's own figures: heading, and the text that it has of a record, if any.
FIGURES: Final[tuple[tuple[str, Show], ...]] = (
    ("requests/s", _of_ab(lambda ab: two_decimals(ab.requests_per_second))),
    ("p50 ms", _of_ab(lambda ab: _ms(ab.p50_ms))),
    ("p99 ms", _of_ab(lambda ab: _ms(ab.p99_ms))),
    ("max ms", _of_ab(lambda ab: _ms(ab.max_ms))),
    ("CPU ms/request", _of_resources(lambda used: two_decimals(used.cpu_ms_per_request))),
    ("peak RSS MiB", _of_resources(lambda used: whole(used.peak_rss_mib))),
    ("threads", _of_resources(lambda used: whole(used.peak_threads))),
    ("concurrency factor", _factor),
    ("started", lambda record: one_line(known(record.started_at))),
    ("made in run", lambda record: record.reused_from),
)
