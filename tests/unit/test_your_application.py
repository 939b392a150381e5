"""What docs/your-application.md shows is what a matrix file takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.matrix import plugins
from runner.matrix.application_schema import ApplicationSection, RequestSection, ResponseSection
from runner.matrix.fields import Section
from runner.matrix.file import load
from runner.outcome import Outcome

DOCUMENT = (Path(__file__).parents[2] / "docs" / "your-application.md").read_text("utf-8")
BLOCKS = [
    re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
    for indent, block in re.findall(r"^( *)```yaml\n(.*?)```", DOCUMENT, re.MULTILINE | re.DOTALL)
]
SECTIONS: dict[str, type[Section]] = {
    "application": ApplicationSection,
    "request": RequestSection,
    "response": ResponseSection,
}
#: What a key needs beside it.
ALSO = {"method": "body: x, "}


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its heading."""
    text = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1:]]


REFERENCE = (Path(__file__).parents[2] / "docs" / "matrix-file.md").read_text("utf-8")
EXAMPLES = [
    (name, key.strip(" `"), example.strip("`"))
    for name in SECTIONS
    for key, example, *_ in rows(f"`{name}`")
]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_is_explained_and_no_other(name: str) -> None:
    fields = SECTIONS[name].model_fields.items()
    assert {key for section, key, _ in EXAMPLES if section == name} == {
        field.alias or key for key, field in fields
    }


@pytest.mark.parametrize("name", SECTIONS)
def test_the_reference_of_the_matrix_file_has_every_key_and_no_other(name: str) -> None:
    table = REFERENCE.partition(f"\n| `{name}` | |\n")[2].partition("\n\n")[0]
    keys = re.findall(r"`(\w+)`", " ".join(line.split(" | ")[0] for line in table.splitlines()))
    assert keys == [*dict.fromkeys(keys)]
    assert set(keys) == {f.alias or key for key, f in SECTIONS[name].model_fields.items()}


@pytest.mark.parametrize(("name", "key", "example"), EXAMPLES)
def test_every_example_of_a_key_is_right(name: str, key: str, example: str, tmp_path: Path) -> None:
    one = f"{{{ALSO.get(key, '')}{key}: {example}}}"
    application = one if key == "app" else "{app: 'shop:app'}"
    if name == "application" and key != "app":
        application = f"{{app: 'shop:app', {key}: {example}}}"
    lines = ["version: 1", "experiments:", "  one:", "    axes: {patch: [none]}"]
    lines += [f"    application: {application}"]
    lines += [] if name == "application" else [f"    {name}: {one}"]
    path = tmp_path / "matrix.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert load(path).experiment().application


@pytest.mark.parametrize("block", BLOCKS)
def test_every_matrix_file_is_right(block: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(block, encoding="utf-8")
    assert load(path).experiment().application


def test_every_outcome_in_the_table_of_failures_exists() -> None:
    named = {
        word.strip("` ") for row in rows("When it does not work") for word in row[0].split(",")
    }
    assert named <= {str(outcome) for outcome in Outcome}


def test_every_companion_is_named() -> None:
    assert [name for name in plugins.companions() if f"`{name}`" not in DOCUMENT] == []
