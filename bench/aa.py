"""A against A: how often two runs of the same cell are said to differ.

Launches of a cell are dealt at random into two runs of `n` launches each, without replacement where
there are 2 n of them and with replacement otherwise; pairs make tables of 26, each judged by the
report's own rule. `n` is the fewest launches that allow a verdict in such a table: with fewer the
rule never says that anything differs. Real launches: those of `--runs DIR…`, else of every run in
`results/` with enough of them, else of a run of `smoke` made for it.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.measured import PROJECT_MATRIX, measured
from bench.options import REPOSITORY, Options, figure
from runner.measurement.records import LaunchRecord
from runner.report.speedup import rate_of
from runner.report.statistics import (
    ENOUGH_FOR_INTERVAL,
    THRESHOLD,
    Comparison,
    Difference,
    differences,
    launches_needed,
)
from runner.store.run_directory import RunDirectory
from runner.workflow.choice import Choice

TABLE, TABLES, SEED = 26, 40, 1
GOAL = 0.01
DIFFERS = {Difference.FASTER, Difference.SLOWER}
Rates = list[list[float]]


def run(options: Options) -> Iterator[str]:
    """The share of false verdicts, with the threshold and by the test alone."""
    rates = stored_rates(options.runs or _runs_of_project())
    if not rates and not options.runs:
        yield "  no run with launches enough: measuring `smoke`"
        rates = measured_rates(options)
    if not rates:
        yield f"  no cell of these runs has {ENOUGH_FOR_INTERVAL} launches with figures"
        return
    yield from judged(rates, launches_needed(TABLE), TABLES)


def judged(rates: Rates, launches: int, tables: int) -> Iterator[str]:
    """Deal the launches, judge the tables, count."""
    generator = random.Random(SEED)  # noqa: S311 - an order, not a secret
    dealt = [
        [deal(generator.choice(rates), launches, generator) for _ in range(TABLE)]
        for _ in range(tables)
    ]
    whole = sum(len(launches_) >= 2 * launches for launches_ in rates)
    yield figure("cells with launches, of them enough to deal them whole", f"{len(rates)}, {whole}")
    yield figure("pairs: launches a side", f"{tables * TABLE}: {launches}")
    for threshold, goal in ((THRESHOLD, "≤ 1 %"), (0.0, "")):
        verdicts = [differences(table, threshold=threshold) for table in dealt]
        false = sum(verdict in DIFFERS for table in verdicts for verdict in table)
        share = false / (tables * TABLE)
        name = f"said to differ, threshold {threshold:.0%}"
        yield figure(name, f"{share:.2%} ({false})", goal, met=share <= GOAL if goal else None)


def deal(rates: Sequence[float], launches: int, generator: random.Random) -> Comparison:
    """Two runs of one cell."""
    if len(rates) >= 2 * launches:
        drawn = generator.sample(rates, 2 * launches)
    else:
        drawn = generator.choices(rates, k=2 * launches)
    return Comparison(values=tuple(drawn[:launches]), reference=tuple(drawn[launches:]))


def _runs_of_project() -> tuple[Path, ...]:
    return tuple(path.parent for path in (REPOSITORY / "results").glob("*/*/run.json"))


def stored_rates(runs: Sequence[Path]) -> Rates:
    """Requests/s of the launches of each cell that has enough of them, run by run."""
    cells = [
        rates_of(launches)
        for path in runs
        for launches in RunDirectory(results=path.parent.parent, path=path).launches().values()
    ]
    return [rates for rates in cells if len(rates) >= ENOUGH_FOR_INTERVAL]


def rates_of(launches: Sequence[LaunchRecord]) -> list[float]:
    """Requests/s of the launches that have figures."""
    return [rate_of(x.ab) for x in launches if x.ab and x.outcome.has_figures]


def measured_rates(options: Options) -> Rates:
    """Launches of `smoke`, enough to deal them whole."""
    choice = Choice(
        file=PROJECT_MATRIX,
        experiment="smoke",
        requests=options.requests,
        launches=options.launches or 2 * launches_needed(TABLE),
    )
    with tempfile.TemporaryDirectory() as name:
        done = measured(choice, Path(name), jobs=None, cells=options.cells)
        return [rates_of(launches) for launches in done.launches.values()]
