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
    environment.pop("PYTHONUNBUFFERED", None)  # what is left in a buffer is written at the end
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
        ("2>/dev/full >table", True),
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
    for redirected in (">&-", "2>&-", "2> >(exit)", "2>/dev/full"):
        done = shell(f'"$PYTHON" -m runner table nothing {redirected}', tmp_path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr


def test_a_result_that_finds_no_room_is_an_error_and_no_regression(tmp_path: Path) -> None:
    for redirected in (">/dev/full", ">/dev/full 2>&1"):
        done = shell(f'"$PYTHON" -m runner --version {redirected}', tmp_path)
        assert done.returncode == 2
        assert "Exception" not in done.stderr


def test_help_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    # The reader has left before anything is printed.
    done = shell('{ sleep 0.1; exec "$PYTHON" -m runner --help; } | exec true', tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_encoding_without_a_character_prints_an_escape(tmp_path: Path) -> None:
    done = shell('PYTHONIOENCODING=latin-1 "$PYTHON" -m runner table "\u2013" 2>&1', tmp_path)
    assert done.returncode == 2
    assert "\\u2013" in done.stdout
    print_dash = "from runner import streams as s; s.prepare_streams(); s.print_result('\u2013')"
    done = shell(f'PYTHONIOENCODING=latin-1 "$PYTHON" -c "{print_dash}"', tmp_path)
    assert (done.returncode, done.stdout) == (0, "\\u2013\n"), done.stderr
