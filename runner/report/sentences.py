"""What a run says, in a few sentences: made of outcomes and verdicts, so nothing more is claimed.

Names and loads stand between backticks, as in Markdown; nothing else in a sentence has any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from runner.outcome import Outcome
from runner.report.axis_values import Value, axis_text, named
from runner.report.figures import FIGURES, Figure
from runner.report.in_effect import Source
from runner.report.modes import Mode, modes
from runner.report.notes import workload_text
from runner.report.row import Row
from runner.report.run import Run
from runner.report.statistics import ENOUGH_FOR_INTERVAL, Verdict
from runner.report.summary import (
    cells_text,
    contrast_of_mode,
    disturbed_text,
    is_compared,
    ratio_text,
    sensitivity,
)
from runner.text import counted, listed, percent, without_backticks

#: More patch modes and loads than this are counted, not told one by one.
MOST_TOLD: Final = 8
#: Axes that a load's own words tell.
_OF_LOAD: Final = ("concurrency", "rate", "workload")
#: What a mode does in those of its launches that are not `ok`.
DOES: Final[Mapping[Outcome, str]] = {
    Outcome.LIMITED: "is limited",
    Outcome.SERIALISED: "serialises",
    Outcome.HANG_AT_STARTUP: "hangs at start-up",
    Outcome.HANG_AT_FIRST_REQUEST: "hangs at the first request",
    Outcome.HANG_UNDER_LOAD: "hangs under load",
    Outcome.CRASHED: "crashes",
    Outcome.OOM_KILLED: "is killed at its memory limit",
    Outcome.IMPORT_ERROR: "fails to import or to patch",
    Outcome.BEFORE_FAILED: "fails before its server starts",
    Outcome.WRONG_ANSWER: "answers wrongly",
    Outcome.FAILED_REQUESTS: "fails requests",
    Outcome.ENGINE_ERROR: "meets an error of the container engine",
}


def sentences(run: Run, found: Sequence[Mode] | None = None) -> tuple[str, ...]:
    """Each patch mode and load in a sentence, or their numbers, and what the run could have shown.

    `found` are the run's modes where they are known already.
    """
    found = modes(run) if found is None else found
    beyond = (*_beyond_labels(found),)
    if not is_compared(found):
        return (*beyond, "Nothing in this run is compared with a baseline.")
    compared = [mode for mode in found if mode.bases and not mode.is_baseline]
    told = _one_by_one(run, found) if len(compared) <= MOST_TOLD else _counted(run, compared)
    return (*beyond, *told, _limits_of(compared))


def _beyond_labels(found: Sequence[Mode]) -> Iterator[str]:
    """What an application patched by itself, the baseline's cells first."""
    for mode in sorted(found, key=lambda mode: not mode.is_baseline):
        rows = [row for row in mode.rows if row.in_effect_by == Source.APPLICATION]
        if rows:
            texts = listed(
                [without_backticks(t) for t in dict.fromkeys(r.in_effect or "" for r in rows)], "or"
            )
            where = f"{len(rows)} of {counted(len(mode.rows), 'cell')}"
            axes = [axis for axis in mode.values if axis not in _OF_LOAD]
            name = _name(mode.values, axes) or "The application"
            so = "; it is no baseline without that" if mode.is_baseline else ""
            yield f"{name} had {texts} in effect in {where}, which the patch mode did not do{so}."


def _one_by_one(run: Run, found: Sequence[Mode]) -> Iterator[str]:
    """A sentence per mode that there is something to say of; of a baseline, how it ended."""
    has_intervals = _has_intervals(found)
    for mode in found:
        parts = [*_endings(mode), *(_claims(run, mode) if has_intervals else ())]
        if parts and mode.bases:
            yield f"{_subject(run, mode)}: {'; '.join(parts)}. {_basis(run, mode)}."


def _endings(mode: Mode) -> Iterator[str]:
    """`hangs at start-up in 30 of 30 launches`."""
    total = sum(mode.outcomes.values())
    for outcome, number in mode.outcomes.items():
        if outcome in DOES:
            yield f"{DOES[outcome]} in {number} of {counted(total, 'launch')}"


# -- who, against whom, under what -----------------------------------------------------------------


def _subject(run: Run, mode: Mode) -> str:
    """`gevent` against `none` under `ab -c 100 -n 5000` (sleep 2 s)."""
    cells = [run.cells[row.cell] for row in mode.rows]
    told = {*_OF_LOAD, *(name for cell in cells for name in cell.workload_parameters)}
    name = _name(mode.values, [axis for axis in mode.values if axis not in told])
    base = "" if mode.is_baseline else f" against {_base(run, mode)}"
    load = " or ".join(dict.fromkeys(map(_load, (cell.load for cell in cells))))
    work = " or ".join(dict.fromkeys(without_backticks(workload_text(cell)) for cell in cells))
    return f"{name}{base} under {load} ({work})"


def _base(run: Run, mode: Mode) -> str:
    """The baseline by what tells it from the mode, else as the matrix file names it."""
    names = dict.fromkeys(_name(*_difference(mode, base)) for base in mode.bases)
    found = " or ".join(name for name in names if name)
    return found or _name(run.record.baseline, [*run.record.baseline])


def _difference(mode: Mode, base: Row) -> tuple[dict[str, Value], list[str]]:
    values = {axis: base.value(axis) for axis in mode.values}
    return values, [axis for axis, value in values.items() if value != mode.values[axis]]


def _name(values: Mapping[str, Value], axes: Sequence[str]) -> str:
    """`gevent`, then the values on the other axes with their names: `gevent`, copy b."""
    patch = values.get("patch") if "patch" in axes else None
    others = (without_backticks(named(values, [axis])) for axis in axes if axis != "patch")
    parts = ([] if patch is None else [_code(axis_text(patch))]) + [text for text in others if text]
    return ", ".join(parts)


def _load(text: str) -> str:
    return _code(text) if text.startswith("ab ") else without_backticks(text)


def _code(text: str) -> str:
    return f"`{without_backticks(text)}`"


# -- what is claimed -------------------------------------------------------------------------------


def _claims(run: Run, mode: Mode) -> Iterator[str]:
    """The differences with their intervals, then what is the same, and what is not known."""
    contrasts = {figure: contrast_of_mode(mode, figure) for figure in FIGURES}
    found = {figure: c for figure, c in contrasts.items() if c and c.verdict}
    for figure, contrast in found.items():
        if contrast.verdict in {Verdict.HIGHER, Verdict.LOWER}:
            label = f"{figure.label} {contrast.verdict}, {ratio_text(contrast)}"
            yield label + _disagreement(run, mode, figure)
    if same := [figure for figure, c in found.items() if c.verdict is Verdict.SAME]:
        labels = listed([figure.label + _disagreement(run, mode, figure) for figure in same])
        deltas = [percent(run.deltas[figure.name]) for figure in same]
        yield f"{labels} the same within {listed(deltas if len({*deltas}) > 1 else deltas[:1])}"
    if unknown := [f.label for f, c in found.items() if c.verdict is Verdict.UNDECIDED]:
        yield f"undecided: {listed(unknown)}"


def _disagreement(run: Run, mode: Mode, figure: Figure) -> str:
    text = cells_text(mode.disagreement(figure, run.deltas[figure.name]))
    return f" ({text})" if text else ""


def _basis(run: Run, mode: Mode) -> str:
    """`5 cells, 7 rounds`; what of that has no figures, or was disturbed."""
    disturbed = disturbed_text(run, [mode])
    return f"{_size(mode)}; {disturbed}" if disturbed else _size(mode)


def _size(mode: Mode) -> str:
    """`5 cells, 7 rounds`; `4 of 5 cells compared, 7 rounds` where some have no figures."""
    compared = {cell for cells in mode.compared.values() for cell in cells}
    cells = counted(len(mode.rows), "cell")
    if compared and len(compared) < len(mode.rows):
        cells = f"{len(compared)} of {cells} compared"
    rounds = sorted({c.rounds for c in mode.contrasts.values() if c.level})
    if not rounds:
        return cells
    least = f"{rounds[0]} to " if len(rounds) > 1 else ""
    return f"{cells}, {least}{counted(rounds[-1], 'round')}"


# -- many modes, and the run as a whole ------------------------------------------------------------


def _counted(run: Run, compared: Sequence[Mode]) -> Iterator[str]:
    """How many launches ended how, and how many modes have which verdict, figure by figure."""
    outcomes = sum((Counter(mode.outcomes) for mode in compared), Counter[Outcome]())
    endings = listed([f"{outcomes[o]} {_code(o)}" for o in Outcome if outcomes[o]])
    launches = counted(outcomes.total(), "launch")
    yield f"{len(compared)} patch modes and loads; of their {launches} ended {endings}."
    if not _has_intervals(compared):
        return
    for figure in FIGURES:
        verdicts = Counter(
            contrast.verdict for mode in compared if (contrast := contrast_of_mode(mode, figure))
        )
        words = {Verdict.SAME: f"the same within {percent(run.deltas[figure.name])}"}
        parts = [f"{words.get(v, v)} in {verdicts[v]}" for v in Verdict if verdicts[v]]
        if parts:
            yield f"{figure.label}: {listed(parts)}."


def _has_intervals(found: Sequence[Mode]) -> bool:
    return any(c.level for mode in found for c in mode.contrasts.values())


def _limits_of(compared: Sequence[Mode]) -> str:
    """The difference that the run could have shown, or why it could show none."""
    if text := sensitivity(compared):
        return text
    contrasts = [c for mode in compared for c in mode.contrasts.values()]
    rounds = max((contrast.rounds for contrast in contrasts), default=0)
    if rounds == 1:
        return "One launch of a cell shows values and claims nothing."
    if 1 < rounds < ENOUGH_FOR_INTERVAL:
        return f"{rounds} launches of a cell show values and claim nothing."
    reasons = "; ".join(dict.fromkeys(c.reason for c in contrasts if c.reason))
    return f"No difference of a figure is claimed: {reasons or 'there are no figures of both'}."
