"""Publishing a run of 1,000 cells: seconds, bytes, and when a browser can use the page.

All cells have figures, from five launches with their reports. Each publication is a process of its
own. The first one bundles the charts' libraries, which later ones find in their cache. A page can
be used when its script has run: its table then sorts and filters.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.cost import stored_run
from bench.options import REPOSITORY, Options, figure
from runner.errors import EngineUnavailableError
from runner.store.run_directory import RunDirectory

CELLS, LAUNCHES = 1_000, 5
REPEATS = 3
GOAL_S, GOAL_BYTES, GOAL_USABLE_S = 3.0, 5_000_000, 1.0
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
REPORT = """\
This is ApacheBench, Version 2.3 <$Revision$>

Concurrency Level:      {concurrency}
Time taken for tests:   {seconds:.3f} seconds
Complete requests:      5000
Failed requests:        0
Requests per second:    {rate:.2f} [#/sec] (mean)
{times}
"""
#: What a report has below its figures, for its size.
TIMES = "\n".join(f"  {share}%   {2000 + share}" for share in range(0, 100, 2))


def run(options: Options) -> Iterator[str]:
    """Generating, size, and opening."""
    cells = options.cells or CELLS
    with tempfile.TemporaryDirectory() as name:
        directory = stored_run(Path(name) / "results", cells, options.launches or LAUNCHES)
        add_reports(directory)
        first, *taken = [published_s(Path(name)) for _ in range(1 + REPEATS)]
        page = Path(name) / "results/published/bench/index.html"
        size = page.stat().st_size
        usable = statistics.median(usable_s(page))
    seconds = statistics.median(taken)
    what = f"publishing {cells:,} cells"
    yield figure(f"{what}: median of {REPEATS}", f"{seconds:.2f} s", "≤ 3 s", met=seconds <= GOAL_S)
    yield figure("  the first time, which bundles the charts' libraries", f"{first:.2f} s")
    yield figure(f"{what}: the page", f"{size / 1e6:.2f} MB", "≤ 5 MB", met=size <= GOAL_BYTES)
    yield figure(
        f"{what}: until it can be used, median of {REPEATS}",
        f"{usable:.2f} s",
        "≤ 1 s",
        met=usable <= GOAL_USABLE_S,
    )


def add_reports(directory: RunDirectory) -> None:
    """Give each launch of the stored run its report."""
    for launches in directory.launches().values():
        for launch in launches:
            rate = launch.ab.requests_per_second if launch.ab else 1.0
            text = REPORT.format(
                concurrency=launch.concurrency, seconds=5000 / rate, rate=rate, times=TIMES
            )
            path = directory.launch_directory(launch.cell, launch.launch) / "ab.txt"
            path.write_text(text, encoding="utf-8")


def published_s(where: Path) -> float:
    """Seconds of one `matrix publish` of the newest run, its cache in the same directory."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "runner", "publish"],
        cwd=where,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


def usable_s(page: Path) -> Iterator[float]:
    """Seconds from the beginning of loading a page until its script has run."""
    executable = shutil.which("chromium")
    if executable is None:
        raise EngineUnavailableError("no chromium here: `apt-get install chromium` as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for _ in range(REPEATS):
            opened = browser.new_page()
            opened.goto(page.as_uri())
            yield float(opened.evaluate("document.documentElement.dataset.ready")) / 1000
            opened.close()
        browser.close()
