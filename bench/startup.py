"""What commands take to start: CPU time as a ratio to `python -c pass`, in turns.

CPU time of whole processes, user and system, so that other work on the machine hardly counts. The
goals are a third of what the same commands took before each imported only what it needs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.common import PROJECT_MATRIX, REPOSITORY, Options, figure

REPEATS = 7
PASS = ("-c", "pass")
PUBLISHED = REPOSITORY / "results" / "published"
#: What is timed, with its goal as a ratio.
COMMANDS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("matrix --help", ("--help",), 16),
    ("matrix plan, locks at hand", ("plan", "--file", str(PROJECT_MATRIX)), 29),
    ("matrix table, one launch a cell", ("table", str(PUBLISHED / "article")), 19),
)


def run(_options: Options) -> Iterator[str]:
    """A ratio for each command."""
    with tempfile.TemporaryDirectory() as name:
        for what, arguments, goal in COMMANDS:
            command = ("-m", "runner", *arguments)
            cpu_s(command, Path(name))  # locks made, bytecode written
            pairs = [(cpu_s(command, Path(name)), cpu_s(PASS, Path(name))) for _ in range(REPEATS)]
            ratio = statistics.median(ours / nothing for ours, nothing in pairs)
            seconds = statistics.median(ours for ours, _ in pairs)
            yield figure(
                f"{what}: CPU, ratio to `python -c pass`",
                f"{seconds:.2f} s, {ratio:.1f}×",
                f"≤ {goal:g}×",
                met=ratio <= goal,
            )


def cpu_s(arguments: Sequence[str], directory: Path) -> float:
    """CPU seconds of one Python process; it runs in `directory`."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=directory, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime
