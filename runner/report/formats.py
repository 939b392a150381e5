"""A run's rows as text: the formats that `matrix table` prints and a run's directory holds."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape as escape_html
from typing import Final

from tabulate import tabulate

from runner.errors import UsageError
from runner.options import Format
from runner.report.figures import FIGURES
from runner.report.modes import Mode, modes
from runner.report.pivot import pivot_table
from runner.report.row import keys_of
from runner.report.run import Run
from runner.report.statistics import NOT_COMPARED
from runner.report.summary import summary
from runner.report.tables import Table, comparison, sort_rows
from runner.text import suggestion

TABLE_SCHEMA: Final = 2


def render(
    run: Run,
    *,
    format: str,  # noqa: A002 - the name of the option that it comes from
    pivot: str | None = None,
    sort: str | None = None,
    columns: str | None = None,
) -> str:
    """The run's rows in one of the formats, ending with a newline.

    Raises `UsageError` for an unknown format, axis or column, for a pivot or a choice of columns
    that the format has no place for, and for both together.
    """
    if format not in {*Format}:
        raise UsageError(f"--format: unknown format {format!r}{suggestion(format, Format)}")
    if pivot is not None and format in FOR_PROGRAMS:
        raise UsageError(f"--pivot does not apply to --format {format}; remove one of them")
    if columns is not None and (format in FOR_PROGRAMS or pivot is not None):
        other = "--pivot" if pivot is not None else f"--format {format}"
        raise UsageError(f"--columns does not apply to {other}; remove one of them")
    if sort is not None:
        run = replace(run, rows=tuple(sort_rows(run.rows, sort, run.record)))
    if format in FOR_PROGRAMS:
        return FOR_PROGRAMS[format](run)
    if pivot is not None or columns is not None:
        table = comparison(run, columns) if pivot is None else pivot_table(run, pivot)
        return FOR_PEOPLE[format](table)
    tables = [table for table in (summary(run), comparison(run)) if table is not None]
    return "\n".join(map(FOR_PEOPLE[format], tables))


def stored_tables(run: Run) -> dict[str, str]:
    """The tables that a run's directory holds, file name to text."""
    formats = {"table.json": "json", "table.csv": "csv", "table.md": "github"}
    return {name: render(run, format=f) for name, f in formats.items()}


# -- for programs: every key of a row, nothing rounded ---------------------------------------------


def _csv(run: Run) -> str:
    """A heading and one line per cell; what is unknown is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, keys_of(run.record), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.values() for row in run.rows)
    return text.getvalue()


def _json(run: Run) -> str:
    """`{"schema": 2, "experiment": …, "rows": [{…}, …], "modes": [{…}, …]}`.

    `modes` are the lines of the summary, and `delta` what they are judged by. What is unknown is
    null.
    """
    content = {
        "schema": TABLE_SCHEMA,
        "experiment": run.record.experiment,
        "delta": run.deltas,
        "modes": [_mode(mode) for mode in modes(run)],
        "rows": [row.values() for row in run.rows],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _mode(mode: Mode) -> dict[str, object]:
    keys: dict[str, object] = {
        **mode.values,
        "baseline": mode.is_baseline,
        "cells": [row.cell for row in mode.rows],
        "in_effect": [*dict.fromkeys(row.in_effect for row in mode.rows if row.in_effect)],
        "outcomes": {str(outcome): number for outcome, number in mode.outcomes.items()},
    }
    for figure in FIGURES:
        contrast = mode.contrasts.get(figure.name, NOT_COMPARED)
        of_cells = mode.ratios(figure)
        keys |= {
            f"verdict_{figure.name}": contrast.verdict,
            f"{figure.name}_ratio": contrast.ratio,
            f"{figure.name}_ratio_low": contrast.low,
            f"{figure.name}_ratio_high": contrast.high,
            f"{figure.name}_ratio_level": contrast.level,
            f"{figure.name}_ratio_min": of_cells and of_cells.min,
            f"{figure.name}_ratio_max": of_cells and of_cells.max,
            f"{figure.name}_rounds": contrast.rounds,
            f"{figure.name}_cells": mode.compared.get(figure.name, []),
            f"{figure.name}_undecided_because": contrast.reason,
        }
    return keys


FOR_PROGRAMS: Final[Mapping[str, Callable[[Run], str]]] = {
    Format.CSV: _csv,
    Format.JSON: _json,
}

# -- for people: a table and its notes -------------------------------------------------------------


def lay_out(table: Table, style: str, escape: Callable[[str], str] = str) -> str:
    """The table in one of tabulate's styles, its texts escaped, versions left as they are."""
    return tabulate(
        [[escape(text) for text in line] for line in table.lines],
        headers=[escape(heading) for heading in table.headings],
        tablefmt=style,
        colalign=["right" if numeric else "left" for numeric in table.numeric],
        disable_numparse=True,
    )


def _plain(table: Table) -> str:
    notes = (
        "\n".join((f"{note.heading}:", *(f"  {item}" for item in note.items)))
        for note in table.notes
    )
    return "\n\n".join((lay_out(table, "simple"), *notes)) + "\n"


def _github(table: Table) -> str:
    parts = [lay_out(table, "pipe", escape_markdown)]
    for note in table.notes:
        items = "\n".join(f"- {escape_markdown(item)}" for item in note.items)
        parts.append(f"**{escape_markdown(note.heading)}**\n\n{items}")
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    return re.sub(r"([\\`*_\[\]<>|&~])", r"\\\1", " ".join(text.splitlines()))


def _html(table: Table) -> str:
    """A fragment of a page; everything that is not markup is escaped."""
    parts = [lay_out(table, "unsafehtml", escape_html)]
    for note in table.notes:
        items = "\n".join(f"<li>{escape_html(item)}</li>" for item in note.items)
        parts.append(f"<h3>{escape_html(note.heading)}</h3>\n<ul>\n{items}\n</ul>")
    return "\n".join(parts) + "\n"


def _latex(table: Table) -> str:
    """A tabular, and the notes as lists."""
    parts = [lay_out(table, "latex_raw", escape_latex)]
    for note in table.notes:
        items = "\n".join(rf"\item {{{escape_latex(item)}}}" for item in note.items)
        parts.append(
            f"\\paragraph{{{escape_latex(note.heading)}}}\n"
            f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
        )
    return "\n\n".join(parts) + "\n"


_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "–": "--",
        "×": r"$\times$",
        "…": r"\dots{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return text.translate(_LATEX)


FOR_PEOPLE: Final[Mapping[str, Callable[[Table], str]]] = {
    Format.PLAIN: _plain,
    Format.GITHUB: _github,
    Format.HTML: _html,
    Format.LATEX: _latex,
}
