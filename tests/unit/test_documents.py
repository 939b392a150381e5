"""Documents and code say the same."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import typer

from runner.build.suites import SUITES
from runner.cli import application
from runner.matrix import plugins
from runner.matrix.file import load
from runner.outcome import Outcome
from runner.report.statistics import Verdict
from runner.report.tables import KNOWN, OUTCOME

ROOT = Path(__file__).parents[2]
HISTORY = ROOT / "CHANGELOG.md"  # names what was removed, too
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {HISTORY})
EVERY_DOCUMENT = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)
COMMANDS = {
    name: {option for parameter in command.params for option in parameter.opts}
    for name, command in typer.main.get_command(application).commands.items()  # type: ignore[attr-defined]
}


def text(path: Path | str) -> str:
    """A file's text, pictures being none."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


MAKEFILE = text("Makefile")


def section(document: str, heading: str) -> str:
    return text(document).partition(f"## {heading}\n")[2].partition("\n## ")[0]


def cells(table: str, column: int) -> set[str]:
    """The names in a column of the tables of a text, without their headings."""
    rows = [line.split("|")[1:] for line in table.splitlines() if re.match(r"\| +\S", line)]
    return {name.strip(" `") for row in rows for name in row[column].split(", ")}


def code(document: Path) -> Iterator[str]:
    """The commands that a document shows: code spans, and lines of code blocks."""
    parts = text(document).split("```")
    for prose in parts[::2]:
        yield from re.findall(r"`([^`]+)`", prose)
    for block in parts[1::2]:
        yield from block.splitlines()[1:]


def test_every_column_is_explained_and_no_other() -> None:
    columns = {column.heading for column in KNOWN if column is not OUTCOME}
    assert cells(section("docs/reading-the-table.md", "Columns"), 0) == columns | {"column"}


def test_every_outcome_is_explained_and_no_other() -> None:
    outcomes = {str(outcome) for outcome in Outcome}
    assert cells(section("docs/reading-the-table.md", "Outcomes"), 0) == outcomes | {"outcome"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("docs/matrix-file.md", plugins.patches()),
        ("docs/matrix-file.md", plugins.servers()),
        ("docs/matrix-file.md", plugins.workloads()),
        ("docs/reading-the-table.md", [*Verdict]),
    ],
    ids=["patches", "servers", "workloads", "verdicts"],
)
def test_every_word_is_named(document: str, words: Iterable[str]) -> None:
    assert [word for word in words if f"`{word}`" not in text(document)] == []


def test_every_target_and_command_is_listed() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    listed = section("README.md", "Commands")
    assert targets - {"lock", "docs"} <= cells(listed, 0)
    assert COMMANDS.keys() <= cells(listed, 1)


@EVERY_DOCUMENT
def test_every_command_exists_with_its_options(document: Path) -> None:
    for command in code(document):
        if match := re.match(r"matrix ([a-z][a-z-]*)(.*)", command):
            assert set(re.findall(r"(?<!\S)(--[a-z-]+)", match[2])) <= COMMANDS[match[1]]
        elif match := re.match(r"make ([a-z-]+)", command):
            assert f"\n{match[1]}:" in MAKEFILE


@EVERY_DOCUMENT
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", text(document)):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), anchor


def anchors(document: Path) -> set[str]:
    """The anchors that a code host gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", text(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_help_lists_what_the_makefile_has() -> None:
    result = subprocess.run(["make", "help"], capture_output=True, text=True, check=True)
    assert {"matrix", "smoke", "plan", "table", "test", "lint", "doctor", "clean", "help"} <= {
        line.split()[1] for line in result.stdout.splitlines()
    }


def test_every_suite_with_a_released_python_is_named() -> None:
    released = [python for python in SUITES if python != "3.14"]
    named = f"({', '.join(released[:-1])} and {released[-1]})"
    assert named in text("docs/matrix-file.md")


def test_the_example_is_a_matrix_file(tmp_path: Path) -> None:
    example = section("README.md", "Adding a cell").partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "matrix.yaml"
    path.write_text(f"version: 1\n{example}", encoding="utf-8")
    experiment = load(path).experiment("mine")
    assert len(experiment.cells) == 2 * (1 + 2) * 2


#: What an address in this project may name: loopback, a schema's dialect and authors, SVG, the
#: authors of `ab`, and a service of the shop with the user of another.
ADDRESSES = {
    "127.0.0.1",
    "localhost",
    "json-schema.org",
    "www.w3.org",
    "windyroad.org",
    "www.zeustech.net",
    "www.apache.org",
    "cache",
    "matrix",
    "a",
    "b",
    "bench1",
    "bench2",
    "HOST",
    "10.0.0.5",
    "USER",
    "ci",
}


def test_no_file_names_an_index_or_a_mirror() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    found = {
        (name, host)
        for name in tracked.stdout.split()
        for host in re.findall(r"://([A-Za-z0-9.-]+)", text(name))
    }
    assert {(name, host) for name, host in found if host not in ADDRESSES} == set()
