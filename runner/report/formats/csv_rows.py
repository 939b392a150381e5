"""Comma-separated values: the keys and values of table.json, nothing rounded."""

from __future__ import annotations

import csv
import io

from runner.report.document import Document
from runner.report.rows import keys_of


def export_csv(document: Document) -> str:
    """A heading and one line per cell; what is unknown is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, keys_of(document.run), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.values() for row in document.rows)
    return text.getvalue()
