"""Rounds to simulate with, made of what is left of a run's rounds once its cells' means are gone.

A simulated round is one of the run's, as a whole: what its cells had in common, they have again. As
a run has few rounds, each is moved a little at random, so that no value comes back exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from runner.errors import UsageError
from runner.report.baseline import by_round
from runner.report.figures import FIGURES
from runner.report.modes import modes
from runner.report.run import Run, read_run
from runner.report.statistics import ENOUGH_FOR_INTERVAL
from runner.store.run_directory import open_run

Numbers = npt.NDArray[np.float64]

#: Figures are the first axis of all arrays here, in this order.
NAMES: Final = tuple(figure.name for figure in FIGURES)


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """What a run's log figures differ by from their cell's mean: figures × rounds × cells.

    `bases` has the column of each cell's baseline, `compared` the columns of cells that are none,
    `modes` those of the cells of each mode.
    """

    run: str
    values: Numbers
    bases: Sequence[int]
    compared: Sequence[int]
    modes: Sequence[Sequence[int]]
    deltas: Sequence[float]

    @property
    def rounds(self) -> int:
        """How many rounds the run has."""
        return len(self.values[0])

    @property
    def smoothing(self) -> float:
        """The width of the noise that a round is moved by, as a share of the residuals' spread.

        Silverman's rule for one dimension, (4 / 3n)^(1/5): 0.77 for five rounds, 0.72 for seven.
        Source: B. W. Silverman, Density Estimation, 1986, section 3.4.2.
        """
        return float((4 / (3 * self.rounds)) ** 0.2)

    def of_figure(self, place: int) -> Residuals:
        """Those of one figure."""
        chosen = slice(place, place + 1)
        return replace(self, values=self.values[chosen], deltas=self.deltas[chosen])

    def ratios(self, logarithms: Numbers) -> Numbers:
        """The log ratios of all cells to their baselines."""
        return np.asarray(logarithms - logarithms[..., list(self.bases)])


def read(path: Path) -> Run:
    """A stored run; `UsageError` if it is none."""
    return read_run(open_run(path.parent.parent, str(path)))


def residuals_of(run: Run, name: str) -> Residuals:
    """The residuals of a run in the rounds that have all figures of all its cells."""
    rows = [row for row in run.measured() if row.cell in run.baselines]
    logarithms = [[by_round(figure, row, run.launches) for row in rows] for figure in FIGURES]
    every = [of_cell for of_figure in logarithms for of_cell in of_figure]
    shared = [key for key in every[0] if all(key in one for one in every)] if every else []
    if len(shared) < ENOUGH_FOR_INTERVAL:
        raise UsageError(
            f"run {name} has {len(shared)} rounds with all figures of all cells; "
            f"pass a run with at least {ENOUGH_FOR_INTERVAL}"
        )
    values = np.array([[[one[key] for one in cells] for key in shared] for cells in logarithms])
    places = {row.cell: place for place, row in enumerate(rows)}
    bases = [places[run.baselines[row.cell].cell] for row in rows]
    return Residuals(
        run=name,
        values=centred(values),
        bases=bases,
        compared=[place for place, base in enumerate(bases) if place != base],
        modes=[
            [places[cell] for cell in mode.compared[NAMES[0]]]
            for mode in modes(run)
            if mode.compared.get(NAMES[0])
        ],
        deltas=[run.deltas[name] for name in NAMES],
    )


def centred(values: Numbers) -> Numbers:
    """The values less their mean over the rounds, with the variance that this takes away put back.

    Without the factor √(n / (n - 1)) values drawn from n residuals would spread too little.
    """
    rounds = values.shape[1]
    factor = math.sqrt(rounds / (rounds - 1))
    return np.asarray((values - values.mean(axis=1, keepdims=True)) * factor)


# -- rounds to simulate with -----------------------------------------------------------------------


def drawn(of: Residuals, generator: np.random.Generator, shape: tuple[int, int]) -> Numbers:
    """The run's own rounds, drawn with replacement: figures × runs × rounds × cells."""
    return np.asarray(of.values[:, generator.integers(0, of.rounds, shape)])


def mixed(of: Residuals, generator: np.random.Generator, shape: tuple[int, int]) -> Numbers:
    """Normal rounds with the run's variances and what its cells have in common.

    Each is the sum of all the run's rounds, with random normal weights.
    """
    weights = generator.standard_normal((*shape, of.rounds)) / math.sqrt(of.rounds)
    return np.asarray(np.einsum("srn,fnc->fsrc", weights, of.values))


def smoothed(of: Residuals, generator: np.random.Generator, shape: tuple[int, int]) -> Numbers:
    """The run's own rounds, each moved by a little normal noise, their variance unchanged.

    Source: B. W. Silverman, G. A. Young, Biometrika 74 (1987) 469-479.
    """
    moved = drawn(of, generator, shape) + of.smoothing * mixed(of, generator, shape)
    return np.asarray(moved / math.sqrt(1 + of.smoothing**2))


def as_if_normal(of: Residuals, generator: np.random.Generator) -> Residuals:
    """As many rounds as the run has, but normal: what a simulation from so few shows of those."""
    return replace(of, values=centred(mixed(of, generator, (1, of.rounds))[:, 0]))
