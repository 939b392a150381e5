"""A Markdown pipe table, as GitHub shows it."""

from __future__ import annotations

import re

from runner.report.document import Document
from runner.report.formats.layout import lay_out


def export_github(document: Document) -> str:
    """The table and its notes in Markdown."""
    table = document.table()
    parts = [lay_out(table, "pipe", escape)]
    for note in table.notes:
        items = "\n".join(f"- {escape(item)}" for item in note.items)
        parts.append(f"**{escape(note.heading)}**\n\n{items}")
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    return re.sub(r"([\\`*_\[\]<>|&~])", r"\\\1", " ".join(text.splitlines()))
