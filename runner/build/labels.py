"""Names and labels of the images this project makes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from runner.engine.ownership import PROJECT_LABEL
from runner.matrix.cell import Cell

KIND_LABEL: Final = "org.monkey-matrix.kind"
KEY_LABEL: Final = "org.monkey-matrix.key"
#: The longest tag an engine takes.
LONGEST_TAG: Final = 128


def labels(kind: str, key: str) -> dict[str, str]:
    """Labels of an image: what kind it is, and the digest of all that it was made of."""
    return {PROJECT_LABEL: "1", KIND_LABEL: kind, KEY_LABEL: key}


def digest(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over parts, each with its length, so that no two lists give the same."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(f"{len(data)}:".encode())
        sha.update(data)
    return sha.hexdigest()


def cell_reference(experiment: str, cell: Cell) -> str:
    """The tag by which a cell can be run by hand; neither part of it may hold a `+`.

    The experiment is part of it: its workload is, and the same id may stand in several.
    """
    repository = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-") or "experiment"
    return f"monkey-matrix/cell-{repository}:{_tag(cell.id)}"


def _tag(cell_id: str) -> str:
    """The id in an engine's letters; one too long ends in its digest, so that none are equal."""
    tag = re.sub(r"[^A-Za-z0-9_.-]", "_", cell_id)
    if len(tag) <= LONGEST_TAG:
        return tag
    return f"{tag[: LONGEST_TAG - 13]}-{digest([cell_id])[:12]}"
