"""A against A: how often a verdict calls two runs of the same cells different.

Two real runs, `--runs RUN_A RUN_B` or two of `smoke` made for it, are compared as `matrix compare`
does: what drifts between runs is in them. As they are one table of a few dozen cells, the launches
of both together are then dealt at random into many more such tables, two sides a cell, without
replacement where there are enough of them. All launches are real; a side has as many as a verdict
in a table of 26 needs, for with fewer the rule never says that anything differs.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.common import PROJECT_MATRIX, Options, figure, measured
from runner.commands.cells import Choice
from runner.errors import UsageError
from runner.measurement.records import rate_of
from runner.options import THRESHOLD
from runner.outcome import Outcome
from runner.report.compare import Change, compare
from runner.report.run import Run, read_run
from runner.report.statistics import (
    ENOUGH_FOR_INTERVAL,
    Comparison,
    Difference,
    differences,
    launches_needed,
)
from runner.store.run_directory import open_run

TABLE, TABLES, SEED = 26, 40, 1
ENOUGH_PAIRS = 200
GOAL = 0.01
DIFFERS = {Difference.FASTER, Difference.SLOWER}

Rates = list[list[float]]


def run(options: Options) -> Iterator[str]:
    """Shares of false verdicts, with the threshold and by the test alone: of the runs, of deals."""
    with ExitStack() as stack:
        if not options.runs:
            yield "  measuring `smoke` twice"
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            first, second = (measured_run(options, temporary / name) for name in "ab")
        elif len(options.runs) == 2:
            first, second = (read(path) for path in options.runs)
        else:
            raise UsageError("aa --runs takes two run directories of the same experiment")
    yield from compared(first, second)
    rates = pooled(first, second)
    if not rates:
        yield f"  no cell has {ENOUGH_FOR_INTERVAL} launches with figures: nothing to deal"
        return
    yield from dealt(rates, launches_needed(TABLE), TABLES)


def read(path: Path) -> Run:
    """A stored run; `UsageError` if it is none."""
    return read_run(open_run(path.parent.parent, str(path)))


def measured_run(options: Options, results: Path) -> Run:
    """A run of `smoke` with as many launches as a verdict needs, nothing of it used again."""
    choice = Choice(
        file=PROJECT_MATRIX,
        experiment="smoke",
        requests=options.requests,
        launches=options.launches or launches_needed(TABLE),
    )
    return read_run(measured(choice, results, jobs=None, cells=options.cells).directory)


# -- two real runs ---------------------------------------------------------------------------------


def compared(first: Run, second: Run) -> Iterator[str]:
    """What `matrix compare` says of the two runs."""
    comparison = compare(first, second)
    yield from (
        f"  set up differently: {difference}" for difference in comparison.setup_differences
    )
    for cell in comparison.cells:
        if isinstance(cell.change, Change):
            yield f"  {cell.cell}: {cell.change} ({cell.old} → {cell.new})"
    cells = [cell.cell for cell in comparison.cells if cell.ratio is not None]
    yield figure("two runs: cell pairs: launches a side", f"{len(cells)}: {sizes(cells, first)}")
    for threshold in (THRESHOLD, 0.0):
        found = compare(first, second, threshold=threshold).cells
        # A cell without figures on both sides is no pair: nothing was compared.
        pairs = [cell.change for cell in found if cell.ratio is not None]
        verdicts = [change for change in pairs if isinstance(change, Difference)]
        yield from false_share("two runs", verdicts, threshold)


def sizes(cells: Sequence[str], side: Run) -> str:
    """How many launches with figures the cells have: `7`, or `5–7` where not all have as many."""
    numbers = [
        len([x for x in side.launches[cell] if x.outcome.has_figures]) for cell in cells
    ] or [0]
    return "–".join(str(number) for number in sorted({min(numbers), max(numbers)}))


def false_share(
    what: str, verdicts: Sequence[Change | Difference], threshold: float
) -> Iterator[str]:
    """How many of the verdicts that are possible call A different from A."""
    able = [verdict for verdict in verdicts if verdict is not Difference.TOO_FEW]
    if len(able) < len(verdicts) and threshold:
        yield f"    (of {len(verdicts)}, {len(verdicts) - len(able)} with too few launches)"
    false = sum(verdict in DIFFERS for verdict in able)
    share = false / max(1, len(able))
    yield figure(
        f"{what}: said to differ, threshold {threshold:.0%}",
        f"{share:.2%} ({false} of {len(able)})",
        "≤ 1 %" if threshold else "",
        met=share <= GOAL if threshold and able else None,
    )


# -- the same launches, dealt ----------------------------------------------------------------------


def pooled(*sides: Run) -> Rates:
    """Requests/s of each cell's launches of all sides, of the cells that have enough.

    A launch that one run took over from the other is one launch, and another outcome is another
    cell.
    """
    pools: dict[tuple[str, Outcome], dict[tuple[str, int], float]] = {}
    for side in sides:
        for launch in (launch for of_cell in side.launches.values() for launch in of_cell):
            if launch.ab and launch.outcome.has_figures:
                pool = pools.setdefault((launch.cell, launch.outcome), {})
                made_in = launch.reused_from or side.record.run_id
                pool[made_in, launch.launch] = rate_of(launch.ab)
    return [[*pool.values()] for pool in pools.values() if len(pool) >= ENOUGH_FOR_INTERVAL]


def dealt(rates: Rates, launches: int, tables: int) -> Iterator[str]:
    """Deal the launches, judge the tables by the report's own rule, count."""
    generator = random.Random(SEED)  # noqa: S311 - an order, not a secret
    deals = [
        [deal(generator.choice(rates), launches, generator) for _ in range(TABLE)]
        for _ in range(tables)
    ]
    whole = sum(len(of_cell) >= 2 * launches for of_cell in rates)
    yield figure("dealt: cells, of them with launches enough", f"{len(rates)}, {whole}")
    pairs = tables * TABLE
    yield figure(
        "dealt: cell pairs: launches a side",
        f"{pairs}: {launches}",
        f"≥ {ENOUGH_PAIRS} pairs",
        met=pairs >= ENOUGH_PAIRS,
    )
    for threshold in (THRESHOLD, 0.0):
        verdicts = [v for table in deals for v in differences(table, threshold=threshold)]
        yield from false_share("dealt", verdicts, threshold)


def deal(rates: Sequence[float], launches: int, generator: random.Random) -> Comparison:
    """Two sides of one cell."""
    if len(rates) >= 2 * launches:
        drawn = generator.sample(rates, 2 * launches)
    else:
        drawn = generator.choices(rates, k=2 * launches)
    return Comparison(values=tuple(drawn[:launches]), reference=tuple(drawn[launches:]))
