"""Publishing a run of 1,000 cells: seconds, bytes, and when a browser can use the page.

All cells have figures, from one launch with its report. Each publication is a process of its
own. A page can be used when its script has run: its table then sorts and filters.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.common import REPOSITORY, Options, figure
from bench.cost import stored_launch, stored_record
from runner.errors import EngineUnavailableError
from runner.measurement.records import LaunchRecord
from runner.store.records import CellRecord
from runner.store.run_directory import RunDirectory

CELLS, LAUNCHES = 1_000, 1
AXES = ("python", "gevent", "server", "concurrency", "patch")
GEVENTS = ("22.10.2", "23.9.1", "24.2.1", "24.11.1", "25.9.1")
SERVERS = ("werkzeug", "pywsgi", "gunicorn-gthread-w1-t16", "gunicorn-gevent-w1", "waitress-t16")
PATCHES = ("none", "gevent", "gevent-socket", "gevent-time")
CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 100, 200, 400)
REPEATS = 3
GOAL_S, GOAL_USABLE_S = 2.0, 1.0
#: Bytes for each cell: of the page, and of everything published.
GOAL_PAGE, GOAL_ALL = 8_000, 15_000
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
        stored_run(Path(name) / "results", cells, options.launches or LAUNCHES)
        taken = [published_s(Path(name)) for _ in range(REPEATS)]
        published = Path(name) / "results/published/bench"
        disk = disk_s(published)
        page = (published / "index.html").stat().st_size / cells
        everything = sum(f.stat().st_size for f in published.rglob("*") if f.is_file()) / cells
        usable = statistics.median(usable_s(published / "index.html"))
    seconds = statistics.median(taken)
    what = f"publishing {cells:,} cells"
    yield figure(f"{what}: median of {REPEATS}", f"{seconds:.2f} s", "≤ 2 s", met=seconds <= GOAL_S)
    yield figure("  copying and removing its files, the disk's share of it", f"{disk:.2f} s")
    yield figure("  the page", f"{page / 1e3:.1f} kB/cell", "≤ 8 kB/cell", met=page <= GOAL_PAGE)
    met = everything <= GOAL_ALL
    yield figure("  all files", f"{everything / 1e3:.1f} kB/cell", "≤ 15 kB/cell", met=met)
    yield figure(
        f"  until the page can be used, median of {REPEATS}",
        f"{usable:.2f} s",
        "≤ 1 s",
        met=usable <= GOAL_USABLE_S,
    )


def stored_run(results: Path, number: int, launches: int) -> RunDirectory:
    """A run of so many cells over servers, gevents, patch modes and concurrencies, with reports."""
    points = itertools.product(CONCURRENCIES, GEVENTS, SERVERS, PATCHES)
    cells = [stored_cell(*point) for point in itertools.islice(points, number)]
    directory = RunDirectory.create(results, "bench", datetime.now(UTC))
    run = stored_record(directory.run_id, cells, launches)
    directory.write_run(run.model_copy(update={"axes": AXES}))
    for (place, cell), launch in itertools.product(enumerate(cells), range(1, launches + 1)):
        record = stored_launch(cell, launch, rate=49 + (place * 7 + launch * 3) % 11 / 50)
        path = directory.launch_directory(cell.id, launch)
        path.mkdir(parents=True)
        (path / "result.json").write_text(record.model_dump_json(indent=2), encoding="utf-8")
        (path / "ab.txt").write_text(report(record), encoding="utf-8")
    return directory


def stored_cell(concurrency: int, gevent: str, server: str, patch: str) -> CellRecord:
    """One of the run's cells."""
    axes = {"gevent": gevent, "server": server, "concurrency": str(concurrency), "patch": patch}
    return CellRecord(
        id=f"py3.13-gevent{gevent}-{patch}-{server}-c{concurrency}",
        python="3.13",
        patch=patch,
        server=server,
        workload="sleep",
        workload_seconds=2.0,
        concurrency=concurrency,
        requests=5_000,
        packages={"flask": "3.1.2", "gevent": gevent},
        axes={"python": "3.13", **axes},
        image=f"sha256:{hashlib.sha256(gevent.encode()).hexdigest()}",
    )


def report(record: LaunchRecord) -> str:
    """The launch's report, as long as `ab`'s own."""
    rate = record.ab.requests_per_second if record.ab else 1.0
    return REPORT.format(
        concurrency=record.concurrency, seconds=5000 / rate, rate=rate, times=TIMES
    )


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


def disk_s(published: Path) -> float:
    """Seconds of `cp -r` and `rm -r` of a publication: it writes its files, and removes the old."""
    copy = published.with_name("copy")
    began = time.monotonic()
    shutil.copytree(published, copy)
    shutil.rmtree(copy)
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
