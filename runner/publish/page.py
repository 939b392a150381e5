"""The page: one self-contained HTML file, readable without JavaScript, better with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from runner.publish.answers import Sentence
from runner.publish.charts import Chart
from runner.publish.comparison import side_by_side
from runner.publish.detail import data, packages
from runner.publish.grids import legend, pivot
from runner.publish.publication import Part, Publication
from runner.publish.summary import asked, facts, method, title
from runner.publish.table import RUN, full_table
from runner.publish.wording import counted

TEMPLATE: Final = "page.html.j2"
#: Characters of SVG above which a page shows the PNG, which does not grow with its marks.
LARGEST_SVG: Final = 250_000


def page(published: Publication) -> str:
    """The publication as HTML. Everything that comes from results is escaped."""
    table = full_table(published)
    parts = published.parts
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            publication=published,
            title=title(published),
            asked=[asked(part.source.rows, part.run) for part in parts],
            facts=[facts(part.run) for part in parts],
            methods=[method(part.run, part.source.rows) for part in parts],
            pivots=[pivot(part) for part in parts],
            comparisons=[side_by_side(c, published) for c in published.comparisons],
            legend=legend(part.source.rows for part in parts),
            table=table,
            data=script_json(data(published, table)),
            specs=script_json({chart.name: chart.spec for chart in published.charts}),
            pictures={chart.name: picture(chart) for chart in published.charts},
            bundle=script_text(published.script),
        )
    )


def script_json(content: Any) -> Markup:  # noqa: ANN401 - whatever JSON can hold
    """JSON that cannot end the script element it stands in, nor begin a comment there."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing in it is markup any more


def script_text(script: str) -> Markup:
    """JavaScript that cannot end the script element it stands in."""
    return Markup(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))  # noqa: S704


def code_spans(text: str) -> Markup:
    """Text with names in backticks as HTML."""
    return Markup("").join(_spans(text))


def _spans(text: str) -> Iterator[Markup]:
    for number, part in enumerate(text.split("`")):
        yield Markup("<code>{}</code>").format(part) if number % 2 else escape(part)


def picture(chart: Chart) -> Markup:
    """A chart for readers without JavaScript: as SVG, which takes the page's colours, or as PNG.

    The SVG is drawn by this program's own libraries, which escape what they are given.
    """
    if len(chart.svg) <= LARGEST_SVG:
        return Markup(chart.svg)  # noqa: S704
    image = Markup('<img alt="{}" src="data:image/png;base64,{}">')
    return image.format(chart.description, base64.b64encode(chart.png).decode())


def view(published: Publication, part: Part, sentence: Sentence) -> dict[str, tuple[str, ...]]:
    """The filters of the full table that show a sentence's evidence."""
    run = {RUN.key: (part.source.label,)} if len(published.parts) > 1 else {}
    return {**run, **sentence.view}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("runner.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code_spans"] = code_spans
    environment.filters["packages"] = packages
    environment.globals.update(
        counted=counted,
        view=view,
        style=_asset(environment, "page.css"),
        script=_asset(environment, "page.js"),
    )
    return environment


def _asset(environment: Environment, name: str) -> Markup:
    """A file beside the template that goes into the page as it is."""
    loader = environment.loader or PackageLoader("runner.publish")
    return Markup(loader.get_source(environment, name)[0])  # noqa: S704 - this project's own
