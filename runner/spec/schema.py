"""`python -m runner.spec.schema` prints the matrix file's JSON Schema, for editors."""

from __future__ import annotations

import json
import sys
from typing import Any

from runner.spec.model import ExperimentSection, FileSection


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the matrix file, generated from the model that reads it."""
    file = FileSection.model_json_schema()
    experiment = ExperimentSection.model_json_schema(ref_template="#/$defs/{model}")
    definitions = experiment.pop("$defs")
    # An experiment may take its axes over from the one it extends.
    experiment["required"] = []
    definitions["Axes"]["required"] = []
    file["properties"]["experiments"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": experiment,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "matrix.yaml",
        "description": "The experiments that `make matrix` runs.",
        **{key: value for key, value in file.items() if key in {"type", "properties"}},
        "required": ["version", "experiments"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def text() -> str:
    """The schema as committed."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
