"""An HTML table with its notes, as a fragment of a page."""

from __future__ import annotations

from html import escape

from runner.report.document import Document
from runner.report.formats.layout import lay_out


def export_html(document: Document) -> str:
    """The table and its notes; everything that is not markup is escaped."""
    table = document.table()
    parts = [lay_out(table, "unsafehtml", escape)]
    for note in table.notes:
        items = "\n".join(f"<li>{escape(item)}</li>" for item in note.items)
        parts.append(f"<h3>{escape(note.heading)}</h3>\n<ul>\n{items}\n</ul>")
    return "\n".join(parts) + "\n"
