"""A run in one table: a line per patch mode and load, each figure with its interval and verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from runner.report.application_text import patched_baselines
from runner.report.axis_values import axis_text
from runner.report.baseline import alpha_of
from runner.report.figures import FIGURES, Figure
from runner.report.modes import Mode, Range, modes
from runner.report.notes import Note
from runner.report.row import Row
from runner.report.run import Run
from runner.report.statistics import ALPHA_OF_LOOKS, CONFIDENCE, Contrast, Verdict
from runner.report.tables import NOTHING, Column, Table, milliseconds, two_decimals, whole
from runner.text import counted, listed, one_line, percent

#: What the line of a baseline shows of each figure, by the figure's name.
ABSOLUTE: Final[Mapping[str, Column]] = {
    "rate": Column(key="requests_per_second", heading="requests/s", show=two_decimals),
    "cpu": Column(key="cpu_ms_per_request", heading="CPU ms/request", show=two_decimals),
    "p99": Column(key="p99_ms", heading="p99 ms", show=milliseconds),
    "rss": Column(key="peak_rss_mib", heading="peak RSS MiB", show=whole),
}
#: An interval narrower than this has one digit more.
NARROW: Final = 0.004
THREADS: Final = Column(key="peak_threads", heading="threads", show=whole)


def summary(run: Run) -> Table | None:
    """The modes of the run, and how to read them; None where nothing is compared."""
    return summary_of(run, modes(run))


def summary_of(run: Run, found: Sequence[Mode]) -> Table | None:
    """The same, of the modes that the run is known to have."""
    if not is_compared(found):
        return None
    axes = tuple(found[0].values)
    figures = shown_figures(found)
    return Table(
        headings=(
            *axes,
            "outcome",
            *(ABSOLUTE[figure.name].heading for figure in figures),
            THREADS.heading,
            "cells",
        ),
        numeric=(*(False for _ in axes), False, *(True for _ in figures), True, True),
        lines=tuple(tuple(map(one_line, _line(run, mode, figures))) for mode in found),
        notes=(Note(heading="Against the baseline", items=(*_reading(run, found, figures),)),),
    )


def is_compared(found: Sequence[Mode]) -> bool:
    """Whether any of the modes has a baseline, be it that it hangs and has no figures."""
    return any(mode.bases for mode in found if not mode.is_baseline)


def shown_figures(found: Sequence[Mode]) -> list[Figure]:
    """The figures that any of the modes has."""
    return [figure for figure in FIGURES if any(_has(mode, figure) for mode in found)]


def _has(mode: Mode, figure: Figure) -> bool:
    column = ABSOLUTE[figure.name]
    return any(row.value(column.key) is not None for row in mode.rows)


def _line(run: Run, mode: Mode, figures: Sequence[Figure]) -> Iterator[str]:
    yield from (NOTHING if v is None else axis_text(v) for v in mode.values.values())
    yield outcomes_text(mode)
    for figure in figures:
        yield figure_text(run, mode, figure)
    yield threads_text(mode)
    yield str(len(mode.rows))


def outcomes_text(mode: Mode) -> str:
    """How many of the launches ended how: `ok 35/35`, `ok 12/15, crashed 3/15`."""
    total = sum(mode.outcomes.values())
    return ", ".join(f"{outcome} {number}/{total}" for outcome, number in mode.outcomes.items())


def figure_text(run: Run, mode: Mode, figure: Figure) -> str:
    """A baseline's figure, or the mode's over that: `× 0.80 [0.74–0.86] lower`."""
    contrast = contrast_of_mode(mode, figure)
    if contrast is None:
        return absolute_text(mode, figure)
    delta = run.deltas[figure.name]
    cells = cells_text(mode.disagreement(figure, delta))
    text = f"{ratio_text(contrast)} {verdict_text(contrast, delta)}".rstrip()
    return f"{text}; {cells}" if cells else text


def contrast_of_mode(mode: Mode, figure: Figure) -> Contrast | None:
    """The figure against the baseline; None of a baseline, and where it is not compared."""
    contrast = mode.contrasts.get(figure.name)
    return None if mode.is_baseline or contrast is None or contrast.ratio is None else contrast


def absolute_text(mode: Mode, figure: Figure) -> str:
    """The figure itself, from the cell with the least to that with the most."""
    return _range(mode.rows, ABSOLUTE[figure.name])


def threads_text(mode: Mode) -> str:
    """The most threads seen in each cell, from the least to the most."""
    return _range(mode.rows, THREADS)


def ratio_text(contrast: Contrast) -> str:
    """The ratio and its interval: `× 0.795 [0.739–0.856]`; empty where there is no ratio."""
    if contrast.ratio is None:
        return ""
    if contrast.low is None or contrast.high is None:
        return f"× {contrast.ratio:.3f}"
    digits = 3 if contrast.high - contrast.low >= NARROW else 4
    interval = f"[{contrast.low:.{digits}f}–{contrast.high:.{digits}f}]"
    return f"× {contrast.ratio:.{digits}f} {interval}"


def cells_text(ratios: Range | None) -> str:
    """The range of the cells' own ratios where they disagree, `cells 0.60–1.24`, else nothing."""
    return f"cells {ratios.min:.2f}–{ratios.max:.2f}" if ratios else ""


def verdict_text(contrast: Contrast, delta: float) -> str:
    """The verdict in words; of a difference that is shown and small, or may be, that too."""
    share = percent(delta)
    direction = "higher" if (contrast.ratio or 0.0) > 1 else "lower"
    if contrast.verdict is Verdict.SAME:
        return f"{direction}, by less than {share}" if contrast.is_shown else f"same within {share}"
    if contrast.verdict is Verdict.UNDECIDED and contrast.is_shown:
        return f"{direction}, undecided whether by {share}"
    return str(contrast.verdict or "")


def _range(rows: Sequence[Row], column: Column) -> str:
    """From the cell with the least to that with the most."""
    values = [value for row in rows if isinstance(value := row.value(column.key), (int, float))]
    if not values or column.show is None:
        return NOTHING
    low, high = column.show(min(values)), column.show(max(values))
    return low if low == high else f"{low}–{high}"


# -- how to read it --------------------------------------------------------------------------------


def _reading(run: Run, found: Sequence[Mode], figures: Sequence[Figure]) -> Iterator[str]:
    compared = [mode for mode in found if not mode.is_baseline]
    yield (
        "The baseline's lines show its figures, from the cell with the least to that with the most."
        " × is the ratio to the baseline: within each round, then the mean over the environments"
        " and the rounds."
    )
    yield from (f"The baseline is more than its label: {text}." for text in patched_baselines(run))
    if any(mode.disagreement(f, run.deltas[f.name]) for mode in compared for f in figures):
        yield (
            "`cells`: the range of the cells' own ratios, where one of them is further outside the "
            "interval than δ; what is true of the mean is not true of each cell."
        )
    if any(c.level for mode in compared for c in mode.contrasts.values()):
        yield _levels(run, compared, figures)
    if could_have_shown := sensitivity(found):
        yield could_have_shown
    if disturbed := disturbed_text(run, found):
        yield f"{disturbed[0].upper()}{disturbed[1:]}, and are in these figures."
    yield from _reasons(compared)


def _levels(run: Run, compared: Sequence[Mode], figures: Sequence[Figure]) -> str:
    deltas = ", ".join(f"{figure.label} {percent(run.deltas[figure.name])}" for figure in figures)
    levels = {c.level for mode in compared for c in mode.contrasts.values() if c.level}
    each = " to ".join(f"{100 * level:.4g} %" for level in sorted({min(levels), max(levels)}))
    looked = ""
    if alpha_of(run.record, run.launches) == ALPHA_OF_LOOKS:
        looked = ", computed with 2 % for 5 %, because the run was looked at as it went on"
    return (
        "[low–high]: all intervals of one figure in this table hold together with "
        f"{percent(CONFIDENCE)}, each at the level {each}{looked}; other figures, and the table "
        f"of cells, are families of their own. `same`: the interval is within δ of 1 ({deltas}); "
        "`higher`, `lower`: it leaves 1 out, and the ratio is beyond δ; everything else is "
        "`undecided`."
    )


def sensitivity(found: Sequence[Mode]) -> str:
    """The difference that four of five such runs would show, of the mode where it is largest."""
    parts = []
    for figure in FIGURES:
        shares = [
            contrast.detectable
            for mode in found
            if (contrast := contrast_of_mode(mode, figure)) and contrast.detectable is not None
        ]
        if shares:
            parts.append(f"{100 * max(shares):.2g} % of {figure.label}")
    return f"Four of five such runs would show a difference of {listed(parts)}." if parts else ""


def disturbed_text(run: Run, found: Sequence[Mode]) -> str:
    """How many launches of the modes and baselines were disturbed and kept; empty for none."""
    cells = {row.cell for mode in found for row in (*mode.rows, *mode.bases)}
    launches = [one for cell in cells for one in run.launches.get(cell, ())]
    number = sum(one.disturbed is not None for one in launches)
    return f"{number} of {counted(len(launches), 'launch')} were disturbed" if number else ""


def _reasons(compared: Sequence[Mode]) -> Iterator[str]:
    """Why there are ratios without an interval."""
    reasons = dict.fromkeys(
        contrast.reason
        for mode in compared
        for contrast in mode.contrasts.values()
        if contrast.reason
    )
    yield from (f"Without an interval: {reason}." for reason in reasons)
