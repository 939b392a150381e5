from __future__ import annotations

from pathlib import Path

from runner.matrix.cell import Requirement, pinned, with_requirements
from tests.unit.matrix.matrices import expanded


def test_cells_get_the_versions_they_were_locked_to(tmp_path: Path) -> None:
    content = {
        "axes": {"python": "3.11", "gevent": ["25.*", ">=25.9"], "patch": "gevent"},
        "packages": {"flask": "*"},
    }
    cells = expanded(tmp_path, content).cells
    versions = {"gevent": "25.9.1", "flask": "3.1.0", "greenlet": "3.2.4"}
    exact = [with_requirements(c, pinned(c.requirements, versions)) for c in cells]
    assert [cell.id for cell in exact] == ["py3.11-gevent25.9.1-gevent"] * 2
    assert exact[0] == exact[1] != cells[0]
    assert exact[0].requirements == (
        Requirement(name="flask", specifier="==3.1.0"),
        Requirement(name="gevent", specifier="==25.9.1"),
    )
    assert exact[0].environment.requirements == exact[0].requirements


def test_everything_else_of_a_cell_stays(tmp_path: Path) -> None:
    (cell,) = expanded(
        tmp_path,
        {
            "axes": {"python": "3.11", "patch": "gevent", "server": "werkzeug-single"},
            "packages": {"gevent": "25.*"},
            "load": {"concurrency": 3, "requests": 30},
            "exclude_newer": "2026-11-01",
        },
    ).cells
    exact = with_requirements(cell, pinned(cell.requirements, {"gevent": "25.9.1"}))
    assert with_requirements(exact, cell.requirements) == cell
    assert with_requirements(cell, cell.requirements) is cell
