"""What a run answers, in sentences made from its rows and verdicts, each with its evidence.

Sentences are about patch modes, for they are what a reader came to ask about; modes of which the
same is true share one. Each says how many cells it is about and names the versions, servers and
loads that single them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from runner.measurement.outcome import Outcome
from runner.publish.grouping import Group, groups
from runner.publish.prices import prices
from runner.publish.rates import rates
from runner.publish.wording import code, counted, listed, span
from runner.report.columns import percent, shown_axes
from runner.report.row import Row
from runner.report.speedup import with_baseline
from runner.report.text import one_line
from runner.store.records import RunRecord

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


def answers(rows: Sequence[Row], run: RunRecord) -> tuple[Answer, ...]:
    """The questions that these rows answer, in the order that a reader asks them."""
    told = [row for row in rows if row.outcome not in UNTOLD]
    axes = [axis for axis in shown_axes(rows, run) if axis != "patch"]
    asked = (
        (WORKS, [*_total(rows), *_ends(told, axes, [Outcome.OK])]),
        ("Does it hang?", _hangs(told, axes)),
        ("Does it fail otherwise?", _ends(told, axes, FAILURES)),
        ("Does it serve one request at a time?", _ends(told, axes, [Outcome.SERIALISED])),
        (HELPS, _helps(rows, run, axes)),
        ("What does it cost?", _costs(rows, run)),
        ("What could not be had?", _untold(rows, axes)),
        ("What casts doubt on this?", _doubts(rows)),
    )
    found = (Answer(question=question, sentences=tuple(said)) for question, said in asked)
    return tuple(answer for answer in found if answer.sentences)


def _total(rows: Sequence[Row]) -> Iterator[Sentence]:
    """How many cells came out how, where they did not come out alike."""
    counts = {
        shown_outcome(outcome): sum(row.outcome is outcome for row in rows)
        for outcome in (*Outcome, None)
    }
    seen = [f"{number:,} {code(name)}" for name, number in counts.items() if number]
    if len(seen) > 1:
        yield _about(f"Of {counted(len(rows), 'cell')}: {listed(seen)}.", rows)


def _ends(
    told: Sequence[Row], axes: Sequence[str], outcomes: Sequence[Outcome]
) -> Iterator[Sentence]:
    """What modes do, per outcome, with the reason where all their cells share one."""
    for outcome in outcomes:
        for group in groups(told, axes, _outcome, outcome):
            reason = _shared_reason(group.rows)
            yield _ended(group, outcome, f": {code(reason)}" if reason else "")


def _hangs(told: Sequence[Row], axes: Sequence[str]) -> Iterator[Sentence]:
    """Which modes hang, and in which frame. That none does is an answer too."""
    hanging = [row for row in told if row.outcome in HANGS]
    if told and not hanging:
        yield _about(f"No: none of {counted(len(told), 'measured cell')} hangs.", told)
    kinds = dict.fromkeys(map(_hang, hanging))
    for outcome, frame in kinds:
        waits = f"; its main thread is in {code(frame)}" if frame else ""
        for group in groups(told, axes, _hang, (outcome, frame)):
            yield _ended(group, Outcome(str(outcome)), waits)


def _outcome(row: Row) -> Outcome | None:
    return row.outcome


def _hang(row: Row) -> tuple[Outcome | None, str | None]:
    return row.outcome, frame_of(row)


def frame_of(row: Row) -> str | None:
    """The frame that a hanging server's main thread was in, as the row's reason names it."""
    _, said, frame = one_line(row.reason or "").rpartition(MAIN_THREAD)
    return frame if said else None


def shown_outcome(outcome: Outcome | None) -> str:
    """An outcome as a word."""
    return str(outcome or "not measured")


def _ended(group: Group, outcome: Outcome, more: str) -> Sentence:
    verb = VERBS[outcome][group.is_plural]
    text = f"{group.subject} {verb} {group.condition}{more}."
    return _of(group, text, {"outcome": (str(outcome),)})


def _shared_reason(rows: Sequence[Row]) -> str:
    reasons = {one_line(row.reason or "") for row in rows}
    reason = reasons.pop() if len(reasons) == 1 else ""
    return reason if len(reason) <= LONGEST_REASON else ""


def _helps(rows: Sequence[Row], run: RunRecord, axes: Sequence[str]) -> Iterator[Sentence]:
    pairs = with_baseline(rows, run)
    bases = list({base.cell: base for _, base in pairs}.values())
    own = {base.cell for base in bases}
    judged = [row for row in rows if row.verdict and row.cell not in own]
    name = baseline_name(run)
    for text, group in rates(judged, axes, name):
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
        yield _about(text, bases, {"patch": tuple(dict.fromkeys(row.patch for row in bases))})


def _costs(rows: Sequence[Row], run: RunRecord) -> Iterator[Sentence]:
    for price in prices(rows, run):
        text = f"Against {baseline_name(run)}, {code(price.patch)} takes {listed(price.words)}."
        yield _about(text, price.rows, {"patch": (price.patch,)})


def _untold(rows: Sequence[Row], axes: Sequence[str]) -> Iterator[Sentence]:
    for outcome, words in NOT_TOLD.items():
        for group in groups(rows, axes, _outcome, outcome):
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
