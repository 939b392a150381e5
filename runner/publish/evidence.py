"""What the page's script needs: the columns, and each cell's evidence, shown on demand.

Texts are kept apart and named by number: cells of one environment share most of theirs.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from runner.measurement.records import AbFigures, LaunchRecord, Resources, rate_of
from runner.publish import facts
from runner.publish.publication import Part, Publication
from runner.publish.tables import Heading, Line
from runner.publish.verdicts import judged
from runner.report.by_hand import by_hand
from runner.report.figures import FIGURES
from runner.report.percentiles import has_p99
from runner.report.row import Row, was_cut
from runner.report.tables import NOTHING, milliseconds, two_decimals, whole
from runner.store.records import CellRecord
from runner.text import known, one_line

#: Characters of launches' files that the page holds, for each of its cells.
ROOM_OF_A_CELL: Final = 1_500
#: The text of one of a launch's figures, None where it has none.
Show = Callable[[LaunchRecord], str | None]
#: The number of each different text, or fact with its name.
Numbers = dict[str | facts.Fact, int]


def data(
    published: Publication, headings: Sequence[Heading], lines: Sequence[Line]
) -> dict[str, Any]:
    """All that the script needs, as JSON can hold it."""
    numbers: Numbers = {}
    held = _held(published.parts)
    return {
        "columns": [asdict(heading) for heading in headings],
        "cells": [_cell(line, numbers, held) for line in lines],
        "figures": [name for name, _ in OF_A_LAUNCH],
        "compared": [figure.label for figure in FIGURES],
        "texts": list(numbers),
    }


def _held(parts: Sequence[Part]) -> set[tuple[str, str]]:
    """The launches and files whose text the page holds: what failures left, first launches first.

    Until the page's room is used; it links to all files.
    """
    files = [
        (number, part.path(launch), name, text)
        for part in parts
        for of_cell in part.run.launches.values()
        for number, launch in enumerate(of_cell)
        for name, text in part.files[part.path(launch)].items()
        if not launch.outcome.has_figures
    ]
    held, room = set(), ROOM_OF_A_CELL * sum(len(part.run.rows) for part in parts)
    for _, path, name, text in sorted(files, key=lambda file: file[0]):
        if len(text) <= room:
            room -= len(text)
            held.add((path, name))
    return held


def _cell(line: Line, numbers: Numbers, held: set[tuple[str, str]]) -> dict[str, Any]:
    part = line.part
    record, cell = part.run.record, part.run.cells[line.row.cell]

    def number(text: str | facts.Fact) -> int:
        return numbers.setdefault(text, len(numbers))

    base = part.run.baselines.get(line.row.cell)
    return {
        "key": part.key(line.row),
        "prefix": part.prefix,
        "baseline": part.key(base) if base and base.cell != line.row.cell else None,
        "contrasts": [one and [number(word) for word in one] for one in _contrasts(part, line.row)],
        "facts": [
            number(fact)
            for fact in (
                *facts.in_effect(line.row),
                *facts.diagnosed(part.run, cell.id),
                *facts.of_cell(record, cell),
            )
        ],
        "commands": [number(text) for text in _commands(part, cell)],
        "launches": [_launch(part, _without_doubt(line.row, one), held) for one in line.launches],
        "rejected": [
            [part.rejected_path(one), f"{one.launch}, attempt {one.attempt}: {one.disturbed}"]
            for one in part.run.rejected.get(cell.id, ())
        ],
    }


def _contrasts(part: Part, row: Row) -> Iterator[tuple[str, ...] | None]:
    """Of each figure that is compared: the ratio, its level, the verdict, and that one's class."""
    for figure in FIGURES:
        contrast = row.contrast(figure.name)
        if contrast.verdict is None:
            yield None
            continue
        words = judged(figure, contrast, part.run.deltas[figure.name])
        level = NOTHING if contrast.level is None else f"{100 * contrast.level:.4g} %"
        why = f": {contrast.reason}" if contrast.reason else ""
        yield words.ratio or NOTHING, level, f"{words.sign} {words.verdict}{why}", words.style


def _commands(part: Part, cell: CellRecord) -> Iterator[str]:
    """How the cell is measured again, and how it is made by hand where its image is."""
    experiment = part.run.record.experiment
    yield "# with this project and its matrix file"
    yield shlex.join(["matrix", "run", experiment, "--select", f"cell={cell.id}", "--fresh"])
    if commands := by_hand(part.run.record, cell, part.run.launches.get(cell.id, ())):
        yield "# by hand, on the machine that has the images"
        yield from commands


def _without_doubt(row: Row, launch: LaunchRecord) -> LaunchRecord:
    """The launch without latencies that are not those of the load: see `runner.report.rows`."""
    if launch.ab is None:
        return launch
    unknown = [] if has_p99(launch) else ["p99_ms"]
    if was_cut(row, launch):
        unknown = ["p50_ms", "p90_ms", "p99_ms", "max_ms"]
    figures = launch.ab.model_copy(update=dict.fromkeys(unknown))
    return launch.model_copy(update={"ab": figures})


def _launch(part: Part, launch: LaunchRecord, held: set[tuple[str, str]]) -> dict[str, Any]:
    """A launch in few characters, for there may be thousands. What is unknown is left out."""
    path = part.path(launch)
    disturbed = launch.disturbed and f"disturbed: {launch.disturbed}"
    found = {
        "number": launch.launch,
        "outcome": str(launch.outcome),
        "why": "; ".join(word for word in (launch.reason, disturbed) if word),
        "cause": launch.why,
        "figures": [show(launch) for _, show in OF_A_LAUNCH],
        "files": {
            name: text if (path, name) in held else None for name, text in part.files[path].items()
        },
    }
    return {key: value for key, value in found.items() if value}


def _of_ab(figure: Callable[[AbFigures], str | None]) -> Show:
    """A figure of a load that is one: what a hanging server answered is no performance."""
    return lambda launch: figure(launch.ab) if launch.ab and launch.outcome.has_figures else None


def _of_resources(figure: Callable[[Resources], str]) -> Show:
    return lambda launch: (
        figure(launch.resources) if launch.resources and launch.outcome.has_figures else None
    )


def _ms(value: float | None) -> str | None:
    return None if value is None else milliseconds(value)


def _factor(launch: LaunchRecord) -> str | None:
    factor = launch.concurrency_factor
    return None if factor is None else two_decimals(factor)


#: A launch's own figures: heading, and the text that it has of a launch, if any.
OF_A_LAUNCH: Final[tuple[tuple[str, Show], ...]] = (
    ("requests/s", _of_ab(lambda ab: two_decimals(rate_of(ab)))),
    ("p50 ms", _of_ab(lambda ab: _ms(ab.p50_ms))),
    ("p99 ms", _of_ab(lambda ab: _ms(ab.p99_ms))),
    ("max ms", _of_ab(lambda ab: _ms(ab.max_ms))),
    ("CPU ms/request", _of_resources(lambda used: two_decimals(used.cpu_ms_per_request))),
    ("peak RSS MiB", _of_resources(lambda used: whole(used.peak_rss_mib))),
    ("threads", _of_resources(lambda used: whole(used.peak_threads))),
    ("concurrency factor", _factor),
    ("started", lambda launch: one_line(known(launch.started_at))[:19]),
    ("attempt", lambda launch: str(launch.attempt) if launch.attempt > 1 else None),
    ("made in run", lambda launch: launch.reused_from),
    ("made in another boot", lambda launch: launch.other_boot),
)
