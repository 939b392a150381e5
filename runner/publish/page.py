"""A publication as one self-contained HTML file, and as a README for a code host."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from runner.outcome import outcome_text
from runner.publish import facts, tables, verdicts
from runner.publish.evidence import data
from runner.publish.publication import Publication
from runner.report import comparison_text
from runner.report.formats import escape_markdown, lay_out
from runner.report.notes import notes
from runner.report.pivot import pivot_table
from runner.report.tables import (
    NOTHING,
    Table,
    comparison,
    percent,
    ratio,
    shown_outcome,
    two_decimals,
)
from runner.store.run_directory import RESULT
from runner.text import counted, one_line

#: A README leaves the table of more cells to the page: code hosts cut long files off.
LONGEST_TABLE: Final = 200


def page(published: Publication) -> str:
    """The publication as HTML. Everything that comes from results is escaped."""
    headings, lines = tables.all_cells(published)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            publication=published,
            answers=[verdicts.answer(part, headings, lines) for part in published.parts],
            headings=headings,
            lines=lines,
            attempts=[tables.attempts(part.run) for part in published.parts],
            legend=tables.legend([line.row for line in lines]),
            data=script_json(data(published, headings, lines)),
        )
    )


def readme(published: Publication) -> str:
    """The publication in Markdown, ending with a newline."""
    answers = [verdicts.answer(part) for part in published.parts]
    return (
        _environment().get_template("readme.md.j2").render(publication=published, answers=answers)
    )


def script_json(content: Any) -> Markup:  # noqa: ANN401 - whatever JSON can hold
    """JSON that cannot end the script element it is in, nor begin a comment there."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing in it is markup any more


def markdown(text: object) -> Markup:
    """Text as Markdown shows it."""
    return Markup(escape_markdown(str(text)))  # noqa: S704 - of a README, which is no HTML


def sentence(text: str) -> Markup:
    """A sentence of `runner.report.sentences` as HTML: what is between backticks is code."""
    parts = map(escape, text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


def markdown_sentence(text: str) -> Markup:
    """The same as Markdown, in which code needs no escapes."""
    parts = text.split("`")
    return Markup("`").join(
        Markup(part) if number % 2 else markdown(part)  # noqa: S704 - of a README
        for number, part in enumerate(parts)
    )


def markdown_table(table: Table) -> Markup:
    """A table in Markdown."""
    return Markup(lay_out(table, "pipe", escape_markdown))  # noqa: S704


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": markdown,
        "markdown_sentence": markdown_sentence,
        "markdown_table": markdown_table,
        "one_line": one_line,
        "or_nothing": lambda value, show=str: NOTHING if value is None else show(value),
        "outcome_text": outcome_text,
        "sentence": sentence,
        "shown_outcome": shown_outcome,
        "percent": percent,
        "two_decimals": two_decimals,
        "safe_svg": Markup,  # drawn here, by a library that escapes what it is given
    }
    environment.globals.update(
        comparison=comparison,
        comparison_text=comparison_text,
        counted=counted,
        facts=facts,
        ratio=ratio,
        longest_table=LONGEST_TABLE,
        notes=notes,
        pivot_table=pivot_table,
        result=RESULT,
        tables=tables,
        verdict_styles=verdicts.STYLES,
        style=_asset(environment, "page.css"),
        script=_asset(environment, "page.js"),
    )
    return environment


def _asset(environment: Environment, name: str) -> Markup:
    """A file beside the template that goes into the page as it is."""
    loader = environment.loader or PackageLoader("runner.publish")
    return Markup(loader.get_source(environment, name)[0])  # noqa: S704 - this project's own
