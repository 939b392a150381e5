"""The document of `table.json`."""

from __future__ import annotations

import json
from typing import Final

from runner.report.document import Document

TABLE_SCHEMA: Final = 1


def export_json(document: Document) -> str:
    """`{"schema": 1, "experiment": …, "rows": [{…}, …]}`; what is unknown is null."""
    content = {
        "schema": TABLE_SCHEMA,
        "experiment": document.run.experiment,
        "rows": [row.values() for row in document.rows],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
