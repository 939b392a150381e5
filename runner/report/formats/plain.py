"""Aligned columns for a terminal."""

from __future__ import annotations

from runner.report.document import Document
from runner.report.formats.layout import lay_out


def export_plain(document: Document) -> str:
    """The table and its notes as plain text."""
    table = document.table()
    notes = (
        "\n".join((f"{note.heading}:", *(f"  {item}" for item in note.items)))
        for note in table.notes
    )
    return "\n\n".join((lay_out(table, "simple"), *notes)) + "\n"
