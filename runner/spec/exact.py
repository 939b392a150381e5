"""Cells with the exact versions that their environments were locked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.spec.cell import Cell, Requirement


def with_exact(cell: Cell, versions: Mapping[str, str]) -> Cell:
    """The cell with each of its packages pinned; `versions` maps normalised names to versions."""
    pinned = tuple(
        Requirement(name=r.name, specifier=f"=={versions[r.name]}") for r in cell.requirements
    )
    return cell if pinned == cell.requirements else replace(cell, requirements=pinned)
