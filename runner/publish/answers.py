"""What a run answers, in sentences made from its rows and verdicts, each with its evidence.

Sentences are about patch modes, for they are what a reader came to ask about; modes of which the
same is true share one. Each says how many cells it is about and names the versions, servers and
loads that single them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from runner.outcome import Outcome
from runner.publish.grouping import Group, groups
from runner.publish.prices import prices
from runner.publish.rates import rates
from runner.publish.wording import code, counted, listed, named, shown, span, values_on
from runner.report.baseline import baselines
from runner.report.rows import Row
from runner.report.tables import percent, shown_axes
from runner.store.records import RunRecord
from runner.text import known, one_line

WORKS: Final = "Does it work?"
HELPS: Final = "Does it help?"
#: Outcomes that tell nothing about what the cell would do.
UNTOLD: Final = {Outcome.UNAVAILABLE, Outcome.BUILD_FAILED, Outcome.ENGINE_ERROR, None}
#: A baseline this near to its ceiling leaves a patch nothing to gain.
NEAR_CEILING: Final = 0.95
HANGS: Final = (Outcome.HANG_AT_STARTUP, Outcome.HANG_UNDER_LOAD)
FAILURES: Final = (
    Outcome.CRASHED,
    Outcome.OOM_KILLED,
    Outcome.IMPORT_ERROR,
    Outcome.WRONG_ANSWER,
    Outcome.FAILED_REQUESTS,
)
#: What one mode does, and what several do.
VERBS: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.OK: ("works", "work"),
    Outcome.SERIALISED: ("serves one request at a time", "serve one request at a time"),
    Outcome.HANG_AT_STARTUP: ("hangs at start-up", "hang at start-up"),
    Outcome.HANG_UNDER_LOAD: ("hangs under load", "hang under load"),
    Outcome.CRASHED: ("crashes", "crash"),
    Outcome.OOM_KILLED: ("runs out of memory", "run out of memory"),
    Outcome.IMPORT_ERROR: ("fails at import", "fail at import"),
    Outcome.WRONG_ANSWER: ("answers wrongly", "answer wrongly"),
    Outcome.FAILED_REQUESTS: ("fails requests", "fail requests"),
}
NOT_TOLD: Final[Mapping[Outcome | None, str]] = {
    Outcome.UNAVAILABLE: "no such set of distributions",
    Outcome.BUILD_FAILED: "no image could be built",
    Outcome.ENGINE_ERROR: "the engine failed, which says nothing of the mode,",
    None: "not measured",
}
#: Reasons longer than this are left to the evidence.
LONGEST_REASON: Final = 160
MAIN_THREAD: Final = "main thread in "
LINE_NUMBER: Final = re.compile(r":[^: ]+(?= in )")


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One statement. `cells` are the ids of its evidence, `view` the full table's filters for it.

    Where no filter shows just those cells, the view shows a few more.
    """

    text: str
    cells: tuple[str, ...]
    view: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question that the run can answer, and what it says."""

    question: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A run's rows, those that tell something, and the axes that a sentence may name.

    `versions` are those of the axes that are versions of something.
    """

    rows: Sequence[Row]
    told: Sequence[Row]
    axes: Sequence[str]
    versions: Sequence[str]


def answers(rows: Sequence[Row], run: RunRecord) -> tuple[Answer, ...]:
    """The questions that these rows answer, in the order that a reader asks them."""
    seen = _run(rows, run)
    asked = (
        (WORKS, [*_total(rows), *_ends(seen, [Outcome.OK])]),
        ("Does it hang?", _hangs(seen)),
        ("Does it fail otherwise?", _ends(seen, FAILURES)),
        ("Does it serve one request at a time?", _ends(seen, [Outcome.SERIALISED])),
        (HELPS, _helps(seen, run)),
        ("What does it cost?", _costs(rows, run)),
        ("What is not known?", _untold(seen)),
        ("What casts doubt on this?", _doubts(rows)),
    )
    found = (Answer(question=question, sentences=tuple(said)) for question, said in asked)
    return tuple(answer for answer in found if answer.sentences)


def _run(rows: Sequence[Row], run: RunRecord) -> _Run:
    axes = [axis for axis in shown_axes(rows, run) if axis != "patch"]
    packages = {name for cell in (*run.cells, *run.unavailable) for name in cell.packages}
    return _Run(
        rows=rows,
        told=[row for row in rows if row.outcome not in UNTOLD],
        axes=axes,
        versions=[axis for axis in axes if axis in {"python", *packages}],
    )


def _total(rows: Sequence[Row]) -> Iterator[Sentence]:
    """How many cells came out how, where they did not come out alike."""
    counts = {
        shown_outcome(outcome): sum(row.outcome is outcome for row in rows)
        for outcome in (*Outcome, None)
    }
    seen = [f"{number:,} {code(name)}" for name, number in counts.items() if number]
    if len(seen) > 1:
        yield _about(f"Of {counted(len(rows), 'cell')}: {listed(seen)}.", rows)


def _ends(seen: _Run, outcomes: Sequence[Outcome]) -> Iterator[Sentence]:
    """What modes do, per outcome, with the reason where all their cells share one."""
    for outcome in outcomes:
        for group in groups(seen.told, seen.axes, _outcome, outcome):
            reason = _shared_reason(group.rows)
            yield _ended(seen, group, outcome, f": {code(reason)}" if reason else "")


def _hangs(seen: _Run) -> Iterator[Sentence]:
    """Which modes hang, and in which function. That none does is an answer too."""
    hanging = [row for row in seen.told if row.outcome in HANGS]
    if seen.told and not hanging:
        yield _about(f"No: none of {counted(len(seen.told), 'measured cell')} hangs.", seen.told)
    for outcome, function in dict.fromkeys(map(_hang, hanging)):
        for group in groups(seen.told, seen.axes, _hang, (outcome, function)):
            frames = dict.fromkeys(frame for row in group.rows if (frame := frame_of(row)))
            where = listed([code(frame) for frame in frames], "or")
            waits = f"; its main thread is in {where}" if where else ""
            yield _ended(seen, group, next(o for o in HANGS if o is outcome), waits)


def _outcome(row: Row) -> Outcome | None:
    return row.outcome


def _hang(row: Row) -> tuple[Outcome | None, str | None]:
    """How a row hangs: the same place has other line numbers in other versions."""
    frame = frame_of(row)
    return row.outcome, LINE_NUMBER.sub("", frame) if frame else None


def frame_of(row: Row) -> str | None:
    """The frame that a hanging server's main thread was in, as the row's reason names it."""
    _, said, frame = one_line(row.reason or "").rpartition(MAIN_THREAD)
    return frame if said else None


def shown_outcome(outcome: Outcome | None) -> str:
    """An outcome as a word."""
    return str(outcome or "not measured")


def _ended(seen: _Run, group: Group, outcome: Outcome, more: str) -> Sentence:
    verb = VERBS[outcome][group.is_plural]
    text = f"{group.subject} {verb} {group.condition}{_versions(seen, group)}{more}."
    return _of(group, text, {"outcome": (str(outcome),)})


def _versions(seen: _Run, group: Group) -> str:
    """The versions that a sentence is about, as far as its condition does not name them."""
    found = []
    for axis in seen.versions:
        values = [shown(v) for v in values_on(group.rows, axis) if v is not None]
        if values and axis not in group.condition.axes:
            found.append(f"{named(axis)} {listed(values)}")
    return f" ({'; '.join(found)})" if found else ""


def _shared_reason(rows: Sequence[Row]) -> str:
    reasons = {one_line(row.reason or "") for row in rows}
    reason = reasons.pop() if len(reasons) == 1 else ""
    return reason if len(reason) <= LONGEST_REASON else ""


def _helps(seen: _Run, run: RunRecord) -> Iterator[Sentence]:
    bases = list({base.cell: base for base in baselines(seen.rows, run).values()}.values())
    own = {base.cell for base in bases}
    judged = [row for row in seen.rows if row.verdict and row.cell not in own]
    name = baseline_name(run)
    for text, group in rates(judged, seen.axes, name):
        verdicts = tuple(dict.fromkeys(str(row.verdict) for row in group.rows))
        yield _of(group, text, {"verdict": verdicts})
    if judged:
        yield from _no_room(bases, name)


def baseline_name(run: RunRecord) -> str:
    """What the baseline is called in a sentence: its values on the axes that make it one."""
    return listed([code(value) for value in run.baseline.values()])


def _no_room(bases: Sequence[Row], name: str) -> Iterator[Sentence]:
    """That the load leaves nothing to gain, where it does so for every baseline."""
    shares = [row.efficiency for row in bases if row.efficiency is not None]
    if shares and min(shares) >= NEAR_CEILING:
        reached = span(shares, percent)
        text = (
            f"Nothing could be gained: {name} already reaches {reached} % of this load's ceiling."
        )
        yield _about(
            text, bases, {"patch": tuple(dict.fromkeys(known(row.patch) for row in bases))}
        )


def _costs(rows: Sequence[Row], run: RunRecord) -> Iterator[Sentence]:
    for price in prices(rows, run):
        text = f"Against {baseline_name(run)}, {code(price.patch)} takes {listed(price.words)}."
        yield _about(text, price.rows, {"patch": (price.patch,)})


def _untold(seen: _Run) -> Iterator[Sentence]:
    for outcome, words in NOT_TOLD.items():
        for group in groups(seen.rows, seen.axes, _outcome, outcome):
            text = f"{group.subject}: {words} {group.condition}."
            yield _of(group, text, {"outcome": (shown_outcome(outcome),)})


def _doubts(rows: Sequence[Row]) -> Iterator[Sentence]:
    if disturbed := [row for row in rows if row.disturbed]:
        cells = counted(len(disturbed), "cell")
        yield _about(f"Launches of {cells} were disturbed.", disturbed, {"disturbed": ("yes",)})
    if overflown := [row for row in rows if row.listen_overflows]:
        text = (
            f"In {counted(len(overflown), 'cell')} connections found the server's listen queue "
            "full: their latencies hold retries of a second and more."
        )
        yield _about(text, overflown)


def _of(group: Group, text: str, view: Mapping[str, tuple[str, ...]]) -> Sentence:
    return _about(text, group.rows, {**group.view, **view})


def _about(
    text: str, rows: Sequence[Row], view: Mapping[str, tuple[str, ...]] | None = None
) -> Sentence:
    return Sentence(text=text, cells=tuple(row.cell for row in rows), view=view or {})
