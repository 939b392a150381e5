"""The one call of tabulate that the formats for people share."""

from __future__ import annotations

from collections.abc import Callable

from tabulate import tabulate

from runner.report.table import Table


def lay_out(table: Table, style: str, escape: Callable[[str], str] = str) -> str:
    """The table in one of tabulate's styles, its texts escaped, versions left as they are."""
    return tabulate(
        [[escape(text) for text in line] for line in table.lines],
        headers=[escape(heading) for heading in table.headings],
        tablefmt=style,
        colalign=["right" if numeric else "left" for numeric in table.numeric],
        disable_numparse=True,
    )
