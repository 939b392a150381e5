"""A LaTeX tabular with its notes as lists."""

from __future__ import annotations

from typing import Final

from runner.report.document import Document
from runner.report.formats.layout import lay_out

_ESCAPES: Final = str.maketrans(
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


def export_latex(document: Document) -> str:
    """The table and its notes, for inclusion in a document."""
    table = document.table()
    parts = [lay_out(table, "latex_raw", escape)]
    for note in table.notes:
        items = "\n".join(rf"\item {{{escape(item)}}}" for item in note.items)
        parts.append(
            f"\\paragraph{{{escape(note.heading)}}}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
        )
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return text.translate(_ESCAPES)
