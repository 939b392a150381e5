"""README.md of a publication: what a code host shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runner.publish.answers import Sentence
from runner.publish.comparison import side_by_side
from runner.publish.publication import Part, Publication
from runner.publish.summary import Facts, asked, facts, method, title
from runner.publish.wording import counted
from runner.report.formats import escape_markdown as escape
from runner.report.formats import lay_out
from runner.report.tables import Table, comparison, pivot_table

#: Longer tables are left to the page and to table.csv: code hosts cut long files off.
LONGEST_TABLE: Final = 200


def readme(published: Publication) -> str:
    """The publication in Markdown, ending with a newline."""
    several = len(published.parts) > 1
    blocks = [f"# {escape(title(published))}", _LEAD]
    for part in published.parts:
        if several:
            blocks.append(f"## {escape(part.source.label)}")
        blocks += _part(part)
    blocks += _compared(published)
    blocks += [
        f"![{escape(chart.description)}](charts/{chart.name}.png)" for chart in published.charts
    ]
    blocks += [block for part in published.parts for block in _method(part)]
    return "\n\n".join(block for block in blocks if block) + "\n"


_LEAD: Final = (
    "[index.html](index.html) has the same with every cell's evidence, to be sorted and filtered: "
    "open it from a copy, or from where it is hosted. [table.csv](table.csv) and "
    "[table.json](table.json) hold all figures. Every single request's time is not published; the "
    "distribution curves are made of them."
)


def code_spans(text: str) -> str:
    """Text with names in backticks as Markdown: what is no name is escaped."""
    parts = text.split("`")
    return "".join(f"`{part}`" if n % 2 else escape_text(part) for n, part in enumerate(parts))


def escape_text(text: str) -> str:
    """Escaped, with the spaces at its ends."""
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}{escape(text.strip())}{after}" if text.strip() else text


def _part(part: Part) -> Iterator[str]:
    yield _list((*asked(part.source.rows, part.run), *facts(part.run)))
    for answer in part.answers:
        yield f"### {answer.question}"
        yield "\n".join(f"- {_said(sentence, part)}" for sentence in answer.sentences)
    yield "### Environment × patch mode"
    yield from _table(pivot_table(part.source.rows, part.run, "patch"))
    yield "### All cells"
    yield from _table(comparison(part.source.rows, part.run))


def _said(sentence: Sentence, part: Part) -> str:
    """A sentence; where it is about one cell, with a link to its files."""
    text = code_spans(sentence.text)
    if len(sentence.cells) > 1 or not sentence.cells:
        return text
    launches = next(c.launches for c in part.cells if c.row.cell == sentence.cells[0])
    return f"{text} ([files]({launches[0].path}))" if launches else text


def _table(table: Table) -> Iterator[str]:
    if len(table.lines) > LONGEST_TABLE:
        yield f"{counted(len(table.lines), 'line')}: see the page or [table.csv](table.csv)."
    else:
        yield lay_out(table, "pipe", escape)


def _compared(published: Publication) -> Iterator[str]:
    for found in published.comparisons:
        compared = side_by_side(found, published)
        yield f"## {escape(compared.heading)}"
        yield code_spans(compared.total)
        if compared.doubts:
            yield "Not measured alike, so a difference may come from this:"
            yield "\n".join(f"- {escape(doubt)}" for doubt in compared.doubts)
        yield from _table(
            Table(
                headings=("cell", "before", "now", "now / before", "verdict"),
                numeric=(False, False, False, True, False),
                lines=tuple((c.cell, c.old, c.new, c.ratio, c.verdict) for c in compared.lines),
                notes=(),
            )
        )


def _method(part: Part) -> Iterator[str]:
    told, notes = method(part.run, part.source.rows)
    yield f"## Method and environment of {escape(part.source.label)}"
    yield _list(told)
    for note in notes:
        yield f"**{escape(note.heading)}**"
        yield "\n".join(f"- {escape(item)}" for item in note.items)


def _list(found: Facts) -> str:
    return "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in found)
