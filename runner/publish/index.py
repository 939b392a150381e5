"""results/README.md: the list of all publications."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from runner.errors import UsageError
from runner.measurement.records import Record
from runner.outcome import outcome_text
from runner.publish.publication import Publication
from runner.report.formats import escape_markdown

SUMMARY: Final = "publication.json"
DIRECTORY: Final = "published"
_HEAD: Final = """\
# Published runs

Each directory holds a page (`index.html`, complete in itself), the same as a README, the table as
CSV and JSON, charts, and the evidence of every cell. `matrix publish` writes them, and this list;
`matrix table results/published/NAME` and `matrix compare` read them like any run.

| publication | runs | cells | outcomes |
|:--|:--|--:|:--|
"""


class Summary(Record):
    """`publication.json`: a publication in a few words. `says` counts its outcomes."""

    schema_version: int = 1
    name: str
    title: str
    runs: tuple[str, ...]
    cells: int
    says: str


def summary(published: Publication) -> Summary:
    """What the list says of a publication."""
    rows = [row for part in published.parts for row in part.run.rows]
    counts = Counter(outcome_text(row.outcome) for row in rows)
    return Summary(
        name=published.name,
        title=published.title,
        runs=tuple(part.label for part in published.parts),
        cells=len(rows),
        says=", ".join(f"{number:,} {outcome}" for outcome, number in counts.most_common()),
    )


def index(results: Path) -> str:
    """The list of what is published in a results directory, as Markdown."""
    found = [_read(path) for path in sorted((results / DIRECTORY).glob(f"[!.]*/{SUMMARY}"))]
    return _HEAD + "".join(map(_line, found))


def _read(path: Path) -> Summary:
    try:
        return Summary.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UsageError(
            f"{path}: damaged; publish its run again, or remove {path.parent}"
        ) from error


def _line(found: Summary) -> str:
    link = f"[{escape_markdown(found.name)}]({DIRECTORY}/{found.name}/README.md)"
    runs = "<br>".join(map(escape_markdown, found.runs))
    return f"| {link} | {runs} | {found.cells:,} | {escape_markdown(found.says)} |\n"
