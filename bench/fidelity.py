"""Requests/s through the runner against `ab` by hand, on the same cell image.

By hand are the commands that `matrix show` prints for the cell, in a shell. Taken in turns: runner,
hand, runner, hand …; the ratio is taken pair by pair.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.common import Options, figure, matrix_file, measured
from runner.commands.cells import Choice
from runner.errors import EngineError
from runner.report.by_hand import by_hand
from runner.store.records import CellRecord, RunRecord

PAIRS, SECONDS, CONCURRENCY, REQUESTS = 3, 2.0, 100, 500
LOWEST, HIGHEST = 0.995, 1.005
RATE = re.compile(r"^Requests per second:\s+(?P<rate>[\d.]+)", re.MULTILINE)


def run(options: Options) -> Iterator[str]:
    """Each pair, and the median ratio."""
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        file = matrix_file(
            Path(name),
            seconds=SECONDS,
            concurrency=CONCURRENCY,
            requests=options.requests or REQUESTS,
        )
        for number in range(1, (options.launches or PAIRS) + 1):
            done = measured(Choice(file=file), Path(name) / "results")
            record = done.directory.read_run()
            (launches,) = done.launches.values()
            through = launches[0].ab
            if through is None:
                raise EngineError(f"the runner's launch failed: {launches[0].reason}")
            hand = rate_by_hand(record, record.cells[0])
            ratios.append(through.requests_per_second / hand)
            yield figure(
                f"pair {number}: runner, by hand, ratio",
                f"{through.requests_per_second:.3f} {hand:.3f} {ratios[-1]:.4f}",
            )
    middle = median(ratios)
    yield figure(
        "requests/s, runner over by hand: median ratio",
        f"{middle:.4f}",
        f"{LOWEST}–{HIGHEST}",
        met=LOWEST <= middle <= HIGHEST,
    )


def rate_by_hand(record: RunRecord, cell: CellRecord) -> float:
    """Requests/s of `ab` as the printed commands run it; the containers are gone afterwards."""
    printed = []
    *steps, last = by_hand(record, cell, ())
    try:
        for step in steps:
            done = subprocess.run(["sh", "-c", step], capture_output=True, text=True, check=False)
            printed.append(done.stdout)
    finally:
        subprocess.run(["sh", "-c", last], capture_output=True, check=False)
    found = RATE.search("\n".join(printed))
    if found is None:
        raise EngineError("`ab` by hand printed no report")
    return float(found["rate"])
