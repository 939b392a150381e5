"""Standard streams that nobody reads, or that are closed: real programs, pipes and descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Prints to both streams as a run does; the reader of a pipe has left by the second line.
RUN = """\
import sys, time
from runner import cli
from runner.progress import Messages, PlainReporter
from runner.streams import say

def table(*_, **__):
    with PlainReporter(Messages(stderr=True)) as reporter:
        for number in range(3000):
            reporter.say(f"message {number}, and some more words so that the pipe is full")
    say("the last message")
    open("measured", "w").close()
    return "the table"

import runner.commands.runs
runner.commands.runs.table_text = table
sys.argv = ["matrix", "table"]
cli.main()
"""


def shell(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHON": sys.executable, "RUN": RUN}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("redirected", "table"),
    [
        ("2>&1 >table | head -1 >&2", True),
        ("2>&1 | head -1 >&2", False),
        ("2>/dev/null >table", True),
        ("2>&- >table", True),
        (">&- 2>/dev/null", False),
        (">&- 2>&-", False),
        ("<&- >&- 2>&-", False),
    ],
)
def test_a_run_ends_as_if_it_was_read(tmp_path: Path, redirected: str, table: bool) -> None:
    done = shell(f'"$PYTHON" -c "$RUN" {redirected}', tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "measured").stat().st_size == 0, "no message may go into a file"
    if table:
        assert (tmp_path / "table").read_text() == "the table\n"


def test_an_error_has_its_exit_code_where_nobody_reads_it(tmp_path: Path) -> None:
    for redirected in (">&-", "2>&-", "2> >(exit)"):
        done = shell(f'"$PYTHON" -m runner table nothing {redirected}', tmp_path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
