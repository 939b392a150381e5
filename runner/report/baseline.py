"""Every cell against its baseline, figure by figure: log ratios within rounds, and their intervals.

Axes that cannot matter are dropped from a cell, so one cell can represent many points of the
matrix: the unpatched one of a Python for every gevent and grpcio of that Python.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from runner.matrix.canonical import CanonicalIndex
from runner.measurement.records import LaunchRecord
from runner.report.figures import FIGURES, Figure
from runner.report.row import Launches, Row, axes_of, is_cut
from runner.report.statistics import (
    ALPHA,
    ALPHA_OF_LOOKS,
    ENOUGH_FOR_INTERVAL,
    Contrast,
    Sample,
    Verdict,
    contrast,
    sample,
    weighted,
)
from runner.store.records import CellRecord, RunRecord

#: The shortest load whose figures are compared: in seconds, and in service times.
SHORTEST_LOAD_S: Final = 10.0
FEWEST_TURNS: Final = 20
TOO_FEW_ROUNDS: Final = (
    f"fewer than {ENOUGH_FOR_INTERVAL} rounds have figures of the cells and their baselines"
)
NO_SHARED_ROUND: Final = "no round has figures of both; the ratio is that of all launches' means"
TOO_SHORT: Final = (
    f"a load of less than {SHORTEST_LOAD_S:g} s, or {FEWEST_TURNS} times a lone request, is mostly "
    "its beginning and its end"
)
SET_BY_THE_LOAD: Final = "the load sets the rate"
OTHER_LOAD: Final = "one of the two loads was cut, and costs of different loads are not compared"


class Round(NamedTuple):
    """A round that a launch was made in: what drifts between rounds, cell and baseline share.

    `machine` is None if the run at hand knows of one machine only, and `run` where the launch
    belongs to a round of the run itself.
    """

    machine: str | None
    run: str | None
    number: int


def round_of(launch: LaunchRecord) -> Round:
    """A launch of another boot belongs to a round of the run that it is from."""
    run = None if launch.is_of_its_round else launch.reused_from
    return Round(launch.block, run, launch.launch)


def by_round(figure: Figure, row: Row, launches: Launches) -> dict[Round, float]:
    """The figure in each of the row's launches that ended as the row says, as a logarithm."""
    found = {}
    for launch in launches.get(row.cell, ()):
        if launch.outcome.has_figures and launch.outcome.counts_as(row.outcome):
            value = figure.of(row, launch)
            if value is not None and value > 0:
                found[round_of(launch)] = math.log(value)
    return found


def lasts_long_enough(row: Row, launches: Launches) -> bool:
    """Whether the row's loads last `SHORTEST_LOAD_S`, and `FEWEST_TURNS` times a lone request."""
    return all(
        launch.ab.time_taken_s
        >= max(SHORTEST_LOAD_S, FEWEST_TURNS * (launch.lone_request_ms or 0.0) / 1000)
        for launch in launches.get(row.cell, ())
        if launch.ab and launch.outcome.counts_as(row.outcome)
    )


# -- which cell is whose baseline ------------------------------------------------------------------


def baselines(rows: Sequence[Row], run: RunRecord) -> dict[str, Row]:
    """The baseline of each row that has one, by the row's cell. A baseline is its own."""
    if not run.baseline:
        return {}
    cells = {cell.id: cell for cell in (*run.cells, *run.unavailable)}
    index = CanonicalIndex(
        (row for row in rows if _matches(row, cells[row.cell], run.baseline)),
        [axis for axis in axes_of(run) if axis not in run.baseline],
    )
    found = ((row.cell, index.find(row.value)) for row in rows)
    return {cell: base for cell, base in found if base}


def _matches(row: Row, cell: CellRecord, baseline: Mapping[str, str]) -> bool:
    """Whether the cell has the values, as shown or as the matrix file writes them."""
    shown = row.values()
    return all(
        value in {str(shown.get(axis)), cell.axes.get(axis)} for axis, value in baseline.items()
    )


# -- their figures, round by round -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A cell and its baseline, with one figure of both in each of their rounds, as logarithms.

    `reason` says why they are not judged, whatever number of rounds there is.
    """

    row: Row
    base: Row
    own: Mapping[Round, float]
    other: Mapping[Round, float]
    reason: str | None = None

    @cached_property
    def ratios(self) -> dict[Round, float]:
        """The logarithm of the cell's figure over its baseline's, in each round of both."""
        return {key: self.own[key] - self.other[key] for key in self.own if key in self.other}

    @property
    def is_baseline(self) -> bool:
        """Whether a cell is compared with itself."""
        return self.row.cell == self.base.cell

    @property
    def is_judged(self) -> bool:
        """Whether its interval is one of the table's."""
        return not self.is_baseline and self.reason is None and self.sample is not None

    @cached_property
    def sample(self) -> Sample | None:
        """The mean logarithm over the rounds; None of too few."""
        return mean_over([self.ratios])

    @property
    def unpaired_ratio(self) -> float:
        """The ratio of the geometric means over all launches."""
        return math.exp(statistics.fmean(self.own.values()) - statistics.fmean(self.other.values()))


def pairs(
    figure: Figure, rows: Sequence[Row], found: Mapping[str, Row], launches: Launches
) -> dict[str, Pair]:
    """Each row with figures beside its baseline, as `baselines` found it, by the row's cell."""
    values = {row.cell: by_round(figure, row, launches) for row in rows}
    short = {
        row.cell for row in rows if figure.needs_long_load and not lasts_long_enough(row, launches)
    }
    paired = {}
    for row in rows:
        base = found.get(row.cell)
        if base is None or not values[row.cell] or not values[base.cell]:
            continue
        own, other = values[row.cell], values[base.cell]
        if figure.depends_on_neighbours:
            own = _beside_as_many(own, other, launches[row.cell], launches[base.cell])
        reason = None
        if figure.is_set_by_a_rate and any(one.rate for one in launches[row.cell]):
            reason = SET_BY_THE_LOAD
        elif short & {row.cell, base.cell}:
            reason = TOO_SHORT
        elif figure.is_a_cost and is_cut(row) != is_cut(base):
            reason = OTHER_LOAD
        if own:
            paired[row.cell] = Pair(row=row, base=base, own=own, other=other, reason=reason)
    return paired


def _beside_as_many(
    own: Mapping[Round, float],
    other: Mapping[Round, float],
    launches: Sequence[LaunchRecord],
    of_baseline: Sequence[LaunchRecord],
) -> dict[Round, float]:
    """The figures without the rounds in which one of the two was repeated more often.

    A second attempt runs beside half as many cells, a third one alone.
    """
    attempts, others = (
        {round_of(one): one.attempt for one in several} for several in (launches, of_baseline)
    )
    return {
        key: value for key, value in own.items() if key not in other or attempts[key] == others[key]
    }


# -- means over rounds -----------------------------------------------------------------------------


def mean_over(strata: Sequence[Mapping[Round, float]]) -> Sample | None:
    """The mean over the strata of a value that each has in its rounds; None of too few rounds.

    Strata that share rounds are averaged in each round that all of them have. Those measured in
    rounds of their own are independent of them. Rounds of one machine, and of one run where
    launches of several were put together, are a block: what the mean says is said of these blocks,
    each counting alike, and how much one differs from another is no part of its error. Blocks of
    fewer than `ENOUGH_FOR_INTERVAL` rounds are left out where another one has enough.
    """
    parts = []
    for together in _by_shared_rounds(strata):
        common = set.intersection(*({*values} for values in together))
        blocks: dict[tuple[str | None, str | None], list[float]] = {}
        for key in common:
            mean = statistics.fmean(values[key] for values in together)
            blocks.setdefault((key.machine, key.run), []).append(mean)
        enough = [means for means in blocks.values() if len(means) >= ENOUGH_FOR_INTERVAL]
        if not enough:
            return None
        weight = len(together) / len(strata) / len(enough)
        parts += [(weight, sample(means)) for means in enough]
    return weighted(parts)


def _by_shared_rounds(
    strata: Sequence[Mapping[Round, float]],
) -> list[list[Mapping[Round, float]]]:
    """The strata in groups: whatever has a round in common, directly or by others, is in one."""
    groups: list[tuple[set[Round], list[Mapping[Round, float]]]] = []
    for ratios in strata:
        meeting = [group for group in groups if group[0] & ratios.keys()]
        groups = [group for group in groups if group not in meeting]
        groups.append(
            (
                set(ratios).union(*(rounds for rounds, _ in meeting)),
                [*(one for _, members in meeting for one in members), ratios],
            )
        )
    return [members for _, members in groups]


# -- what that allows to say of a cell -------------------------------------------------------------


def alpha_of(run: RunRecord, launches: Launches) -> float:
    """The share of wrong intervals to compute a run's with: see `ALPHA_OF_LOOKS`.

    Who measures on after a run with a fixed number of launches has looked, too.
    """
    goes_on = any(one.reused_from for of_cell in launches.values() for one in of_cell)
    return ALPHA if run.least_launches is None and not goes_on else ALPHA_OF_LOOKS


def with_contrasts(
    rows: Sequence[Row],
    found: Mapping[str, Row],
    launches: Launches,
    *,
    deltas: Mapping[str, float],
    alpha: float,
) -> list[Row]:
    """The rows with each figure over that of their baseline; `deltas` are by the figure's name.

    The intervals of one figure hold together over all the rows.
    """
    contrasts: dict[str, dict[str, Any]] = {}
    for figure in FIGURES:
        paired = pairs(figure, rows, found, launches)
        comparisons = sum(pair.is_judged for pair in paired.values())
        for cell, pair in paired.items():
            contrasts.setdefault(cell, {})[f"{figure.name}_contrast"] = _contrast(
                pair, comparisons, deltas[figure.name], alpha
            )
    return [
        replace(row, **of_cell, speedup=of_cell["rate_contrast"].ratio)
        if (of_cell := contrasts.get(row.cell)) and "rate_contrast" in of_cell
        else row
        for row in rows
    ]


def _contrast(pair: Pair, comparisons: int, delta: float, alpha: float) -> Contrast:
    if pair.is_baseline:
        return Contrast(ratio=1.0, rounds=len(pair.ratios))
    if not pair.ratios:
        return Contrast(
            ratio=pair.unpaired_ratio, verdict=Verdict.UNDECIDED, reason=NO_SHARED_ROUND
        )
    if pair.reason is None and pair.sample is not None:
        return contrast(pair.sample, comparisons=comparisons, delta=delta, alpha=alpha)
    few = sample([*pair.ratios.values()])
    return without_interval(few.mean, few.number, pair.reason)


def without_interval(logarithm: float | None, rounds: int, reason: str | None) -> Contrast:
    """A ratio, by its logarithm, of which nothing is claimed; too few rounds is the usual reason.

    There is no verdict on what the load sets.
    """
    return Contrast(
        ratio=None if logarithm is None else math.exp(logarithm),
        rounds=rounds,
        verdict=None if reason == SET_BY_THE_LOAD else Verdict.UNDECIDED,
        reason=reason or TOO_FEW_ROUNDS,
    )
