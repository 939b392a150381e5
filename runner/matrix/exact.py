"""Cells with the exact versions that their environments were locked to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.matrix.cell import Cell, Requirement


def pinned(
    requirements: Iterable[Requirement], versions: Mapping[str, str]
) -> tuple[Requirement, ...]:
    """Each package at its exact version; `versions` maps normalised names to versions."""
    return tuple(Requirement(name=r.name, specifier=f"=={versions[r.name]}") for r in requirements)


def with_requirements(cell: Cell, requirements: tuple[Requirement, ...]) -> Cell:
    """The cell with these requirements; the cell itself where it has them already."""
    if cell.requirements == requirements:
        return cell
    return Cell(  # not `replace`, which takes twice as long: there may be 100,000 cells
        python=cell.python,
        patch=cell.patch,
        order=cell.order,
        server=cell.server,
        workload=cell.workload,
        concurrency=cell.concurrency,
        requests=cell.requests,
        requirements=requirements,
        exclude_newer=cell.exclude_newer,
        varied=cell.varied,
    )
