"""A run in a few lines: one per patch mode and load, over all environments that it was measured in.

What is asked of a run is asked of a patch mode, not of a cell: does it change the rate, and what
does it cost. The environments (Python and packages) are strata, the rounds blocks: in each round
the logarithms of the cells' ratios to their baselines are averaged over the strata, and the
interval is over the rounds. What a round's cells have in common is thereby counted once.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runner.outcome import Outcome
from runner.report.axis_values import Value
from runner.report.baseline import Pair, alpha_of, mean_over, pairs, without_interval
from runner.report.figures import FIGURES, Figure
from runner.report.row import Row, axes_of
from runner.report.run import Run
from runner.report.statistics import Contrast, Sample, contrast
from runner.report.tables import varies


class Range(NamedTuple):
    """The least and the greatest."""

    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class Mode:
    """The launched cells that differ in their environment alone.

    `values` are those on all axes but the environment's that vary in the run; `bases` are the
    baselines of its cells; `outcomes` is how many launches ended how. `contrasts` are the figures
    against the baseline by their names, each over the cells in `compared`.
    """

    values: Mapping[str, Value]
    rows: Sequence[Row]
    bases: Sequence[Row]
    outcomes: Mapping[Outcome, int]
    is_baseline: bool
    contrasts: Mapping[str, Contrast]
    compared: Mapping[str, Sequence[str]]

    def ratios(self, figure: Figure) -> Range | None:
        """The range of its cells' own ratios, of those that are compared."""
        cells = self.compared.get(figure.name, ())
        found = [
            ratio
            for row in self.rows
            if row.cell in cells and (ratio := row.contrast(figure.name).ratio) is not None
        ]
        return Range(min(found), max(found)) if found else None

    def disagreement(self, figure: Figure, delta: float) -> Range | None:
        """That range, where a cell's ratio is outside the mode's interval by more than `delta`.

        Where there is no interval, it is the mode's ratio alone that a cell may differ from.
        """
        contrast, found = self.contrasts.get(figure.name), self.ratios(figure)
        if contrast is None or contrast.ratio is None or found is None:
            return None
        low, high = contrast.low or contrast.ratio, contrast.high or contrast.ratio
        agree = low / (1 + delta) <= found.min and found.max <= high * (1 + delta)
        return None if agree else found


def modes(run: Run) -> list[Mode]:
    """The run's modes in table order. All intervals of one figure hold together."""
    groups = _groups(run)
    if not groups:
        return []
    contrasts: list[dict[str, Contrast]] = [{} for _ in groups]
    compared: list[dict[str, list[str]]] = [{} for _ in groups]
    for figure in FIGURES:
        paired = pairs(figure, run.rows, run.baselines, run.launches)
        strata = [_alike([paired[r.cell] for r in rows if r.cell in paired]) for rows in groups]
        samples = [_sample(found) for found in strata]
        judged = sum(one is not None for one in samples)
        for place, (found, logarithms) in enumerate(zip(strata, samples, strict=True)):
            if found:
                compared[place][figure.name] = [pair.row.cell for pair in found]
                contrasts[place][figure.name] = (
                    _unjudged(found)
                    if logarithms is None
                    else contrast(
                        logarithms,
                        comparisons=judged,
                        delta=run.deltas[figure.name],
                        alpha=alpha_of(run.record, run.launches),
                    )
                )
    axes = _axes(run)
    return [
        Mode(
            values={axis: rows[0].value(axis) for axis in axes},
            rows=rows,
            bases=_bases(run, rows),
            outcomes=_outcomes(run, rows),
            is_baseline=all(_is_baseline(run, row) for row in rows),
            contrasts=contrasts[place],
            compared=compared[place],
        )
        for place, rows in enumerate(groups)
    ]


def _axes(run: Run) -> list[str]:
    """The patch mode, and all other axes but the environment's that vary."""
    packages = {name for cell in run.cells.values() for name in cell.packages}
    return [
        axis
        for axis in axes_of(run.record)
        if axis == "patch"
        or (axis not in {"python", "gevent", "grpcio", *packages} and varies(run.rows, axis))
    ]


def _groups(run: Run) -> list[list[Row]]:
    """The launched rows by their values on those axes."""
    axes = _axes(run)
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in run.rows:
        if row.outcome is not None and row.outcome.is_launched:
            groups.setdefault(tuple(row.value(axis) for axis in axes), []).append(row)
    return [*groups.values()]


def _bases(run: Run, rows: Sequence[Row]) -> list[Row]:
    """The baselines of the rows, each once."""
    found = (run.baselines.get(row.cell) for row in rows)
    return [*{base.cell: base for base in found if base}.values()]


def _outcomes(run: Run, rows: Sequence[Row]) -> dict[Outcome, int]:
    """How many of the rows' launches ended how, in the order of the list of outcomes."""
    counts = Counter(one.outcome for row in rows for one in run.launches.get(row.cell, ()))
    return {outcome: counts[outcome] for outcome in Outcome if counts[outcome]}


def _is_baseline(run: Run, row: Row) -> bool:
    base = run.baselines.get(row.cell)
    return base is not None and base.cell == row.cell


def _alike(found: Sequence[Pair]) -> list[Pair]:
    """The pairs whose ratios may be averaged; a baseline is compared with nothing.

    Where some serialise and others do not, a mean over both says nothing of either: then those
    count in which neither the cell nor its baseline serialises.
    """
    others = [pair for pair in found if not pair.is_baseline]
    kinds = {(_serialises(pair.base), _serialises(pair.row)) for pair in others}
    if len(kinds) <= 1:
        return others
    return [p for p in others if not (_serialises(p.base) or _serialises(p.row))]


def _serialises(row: Row) -> bool:
    return row.outcome is Outcome.SERIALISED


def _sample(strata: Sequence[Pair]) -> Sample | None:
    """The mean log ratio over the strata; None if there are too few rounds, or another reason."""
    if not strata or any(pair.reason for pair in strata):
        return None
    return mean_over([pair.ratios for pair in strata])


def _unjudged(strata: Sequence[Pair]) -> Contrast:
    """The mean ratio without an interval, and why there is none."""
    known = [statistics.fmean(pair.ratios.values()) for pair in strata if pair.ratios]
    return without_interval(
        statistics.fmean(known) if known else None,
        min((len(pair.ratios) for pair in strata), default=0),
        next((pair.reason for pair in strata if pair.reason), None),
    )
