"""Matrix files for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.matrix.cell import Experiment
from runner.matrix.file import load

REPOSITORY = Path(__file__).parents[3]


def written(directory: Path, content: str | bytes | dict[str, Any]) -> Path:
    """A matrix file with this content; a mapping is one experiment, written as flow YAML."""
    if isinstance(content, dict):
        content = json.dumps({"version": 1, "experiments": {"one": content}})
    path = directory / "matrix.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def expanded(directory: Path, content: str | bytes | dict[str, Any]) -> Experiment:
    """The file's default experiment."""
    return load(written(directory, content)).experiment()


def ids(experiment: Experiment) -> list[str]:
    """The ids of its cells, in order."""
    return [cell.id for cell in experiment.cells]
