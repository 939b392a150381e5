"""`python -m runner.matrix.schema` prints the matrix file's JSON Schema, for editors."""

from __future__ import annotations

import json
import sys
from typing import Any

from runner.matrix.model import ExperimentSection, FileSection


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the matrix file, generated from the model that reads it."""
    file = FileSection.model_json_schema()
    experiment = ExperimentSection.model_json_schema(ref_template="#/$defs/{model}")
    definitions = experiment.pop("$defs")
    # An experiment may take its axes over from the one it extends.
    experiment["required"] = []
    definitions["Axes"]["required"] = []
    properties = experiment["properties"]
    # Shorter ways to write a value, which the model's validators take before it sees them.
    properties["base"] = {
        "anyOf": [definitions["BaseSection"]["properties"]["kind"], properties["base"]]
    }
    properties["packages"]["additionalProperties"] = _one_or_more(
        properties["packages"]["additionalProperties"]
    )
    axes = definitions["Axes"]
    axes["properties"] = {
        name: {**_one_or_more(_list_of(axis)), "description": axis["description"]}
        for name, axis in axes["properties"].items()
    }
    axes["additionalProperties"] = _one_or_more(axes["additionalProperties"])
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


def _list_of(axis: dict[str, Any]) -> dict[str, Any]:
    """The list that an axis is; its other form is only the model's word for "not given"."""
    forms: list[dict[str, Any]] = axis.get("anyOf", [axis])
    return {key: value for key, value in forms[0].items() if key not in {"title", "description"}}


def _one_or_more(values: dict[str, Any]) -> dict[str, Any]:
    """A single value stands for a list of one."""
    return {"anyOf": [values["items"], values]}


def text() -> str:
    """The schema as committed."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
