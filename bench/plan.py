"""Planning a matrix of 10,000 cells, as a whole process.

The cells differ in concurrency only, so there is one environment; its lock is made once, before
the clock starts. Time is from the start of the process to its end, memory its peak resident size
as the kernel counts it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.common import REPOSITORY, Options, figure

CELLS = 10_000
REPEATS = 3
GOAL_S, GOAL_MIB = 1.0, 200.0

MATRIX = """\
version: 1
default: wide
experiments:
  wide:
    axes:
      python: [3.13]
      patch: [none]
      concurrency: [{values}]
    packages: {{flask: "3.1.*"}}
    exclude_newer: 2026-11-01
    workload: {{name: sleep, seconds: 0.1}}
    load: {{concurrency: 1, requests: {cells}}}
    limits: {{load: 86400}}
"""


def run(options: Options) -> Iterator[str]:
    """The figures of `--json` and of the table for people."""
    cells = options.cells or CELLS
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "matrix.yaml"
        values = ", ".join(str(number) for number in range(1, cells + 1))
        file.write_text(MATRIX.format(values=values, cells=cells), encoding="utf-8")
        measured_once(file, Path(directory), ["--select", "concurrency=1"])
        for name, arguments in (("--json", ["--json"]), ("plain table", [])):
            taken = [measured_once(file, Path(directory), arguments) for _ in range(REPEATS)]
            seconds = statistics.median(seconds for seconds, _ in taken)
            mebibytes = max(mebibytes for _, mebibytes in taken)
            what = f"plan of {cells:,} cells, {name}"
            yield figure(
                f"{what}: median of {REPEATS}", f"{seconds:.2f} s", "≤ 1 s", met=seconds <= GOAL_S
            )
            yield figure(
                f"{what}: peak memory",
                f"{mebibytes:.0f} MiB",
                "≤ 200 MiB",
                met=mebibytes <= GOAL_MIB,
            )


def measured_once(file: Path, directory: Path, arguments: list[str]) -> tuple[float, float]:
    """(seconds, peak MiB) of one `plan` in a process of its own."""
    command = [sys.executable, "-m", "runner", "plan", "--file", str(file), *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with (directory / "plan.out").open("wb") as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, cwd=directory, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds, usage.ru_maxrss / 1024
