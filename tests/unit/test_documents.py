"""README and code say the same."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from runner.build.base import SUITES
from runner.matrix import catalogue
from runner.matrix.matrix_file import load
from runner.outcome import Outcome
from runner.report.columns import FIGURES, LAUNCHES, OVERFLOWS, RETRANSMITS, VERDICT
from runner.report.statistics import Difference

README = Path("README.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return README.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """What stands in the first column of the tables of a text, their headings left out."""
    rows = re.findall(r"^\| ([^|]+?) +\|", text, re.MULTILINE)
    cells = {name.strip("`") for row in rows for name in row.split(", ")}
    return cells - {"column", "outcome", "command"}


def test_every_column_and_outcome_is_explained_and_no_other() -> None:
    columns = {column.heading for column in (*FIGURES, OVERFLOWS, RETRANSMITS, VERDICT, LAUNCHES)}
    assert first_cells(section("Reading the table")) == columns | {str(o) for o in Outcome}


@pytest.mark.parametrize(
    "words",
    [catalogue.patches(), catalogue.servers(), catalogue.workloads(), [*Difference]],
    ids=["patches", "servers", "workloads", "verdicts"],
)
def test_every_word_is_named(words: Iterable[str]) -> None:
    assert [word for word in words if f"`{word}`" not in README] == []


def test_every_command_of_the_makefile_is_listed() -> None:
    makefile = Path("Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    commands = first_cells(section("The two commands"))
    named = {command.removeprefix("make ") for command in commands}
    assert targets - {"test", "lock", "docs"} == named


def test_help_lists_what_the_makefile_has() -> None:
    result = subprocess.run(["make", "help"], capture_output=True, text=True, check=True)
    assert {"matrix", "smoke", "plan", "table", "test", "lint", "doctor", "clean", "help"} <= {
        line.split()[1] for line in result.stdout.splitlines()
    }


def test_every_suite_with_a_released_python_is_named() -> None:
    released = [python for python in SUITES if python != "3.14"]
    assert f"({', '.join(released[:-1])} and {released[-1]}" in README


def test_the_example_is_a_matrix_file(tmp_path: Path) -> None:
    example = section("Adding a cell").partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "matrix.yaml"
    path.write_text(f"version: 1\n{example}", encoding="utf-8")
    experiment = load(path).experiment("mine")
    assert len(experiment.cells) == 2 * (1 + 2) * 2


#: What an address in this project may name: loopback, a schema's dialect, SVG, and `ab`'s authors.
ADDRESSES = {
    "127.0.0.1",
    "localhost",
    "json-schema.org",
    "www.w3.org",
    "www.zeustech.net",
    "www.apache.org",
}


def text(path: Path) -> str:
    """A file's text, pictures being none."""
    return path.read_text(encoding="utf-8", errors="replace")


def test_no_file_names_an_index_or_a_mirror() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    found = {
        (name, host)
        for name in tracked.stdout.split()
        for host in re.findall(r"://([A-Za-z0-9.-]+)", text(Path(name)))
    }
    assert {(name, host) for name, host in found if host not in ADDRESSES} == set()
