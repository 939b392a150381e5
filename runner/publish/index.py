"""results/README.md: every publication with what it says in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from runner.errors import UsageError
from runner.measurement.records import Record
from runner.publish.answers import HELPS, WORKS
from runner.publish.publication import Publication
from runner.publish.readme import code_spans
from runner.publish.summary import title
from runner.report.formats import escape_markdown as escape

SUMMARY: Final = "publication.json"
DIRECTORY: Final = "published"
TOLD: Final = {WORKS, HELPS}
_HEAD: Final = """\
# Published runs

Each directory holds a page (`index.html`, complete in itself), the same as a README, the table as
CSV and JSON, charts, and the evidence of every cell. `matrix publish` writes them, and this list;
`matrix table results/published/NAME` and `matrix compare` read them like any run.

| publication | runs | cells | says |
|:--|:--|--:|:--|
"""


class Summary(Record):
    """`publication.json`: a publication in a few words. `says` has names in backticks."""

    schema_version: int = 1
    name: str
    title: str
    runs: tuple[str, ...]
    cells: int
    says: str


def summary(published: Publication) -> Summary:
    """What the index says of a publication: its last run's first words on each of `TOLD`."""
    last = published.parts[-1].answers
    said = [answer.sentences[0].text for answer in last if answer.question in TOLD]
    return Summary(
        name=published.name,
        title=title(published),
        runs=tuple(part.source.label for part in published.parts),
        cells=sum(len(part.cells) for part in published.parts),
        says=" ".join(said),
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
    link = f"[{escape(found.name)}]({DIRECTORY}/{found.name}/README.md)"
    runs = "<br>".join(map(escape, found.runs))
    return (
        f"| {link} | {runs} | {found.cells:,} | {code_spans(found.says).replace('|', '&#124;')} |\n"
    )
