from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from runner.matrix.axes import ALWAYS_SHOWN, AXES, BASE_AXES, NAMED_AXES, SETTINGS, axis, in_order
from runner.matrix.cell import Cell, Requirement
from tests.unit.matrix.matrices import expanded, ids


def a_cell(directory: Path, **content: Any) -> Cell:
    (cell,) = expanded(directory, content).cells
    return cell


# -- axes ------------------------------------------------------------------------------------------


def test_a_cell_has_a_value_on_every_axis_that_matters(tmp_path: Path) -> None:
    cell = a_cell(
        tmp_path,
        axes={"python": "3.11", "patch": "gevent+grpc", "workload": "grpc"},
        packages={"gevent": "25.9.1", "grpcio": "1.76.0", "flask": ">=3,<4"},
        server={"name": "gunicorn-gthread", "threads": "8"},
        order="late",
        limits={"load": 9000},
    )
    assert {named.name: cell.axis(named.name) for named in NAMED_AXES} == {
        "python": "3.11",
        "gevent": "25.9.1",
        "grpcio": "1.76.0",
        "patch": "gevent+grpc",
        "placement": "late",
        "server": "gunicorn-gthread-w1-t8",
        "workload": "grpc",
        "concurrency": "100",
        "rate": None,
        "copy": None,
    }
    assert (cell.axis("flask"), cell.axis("call"), cell.axis("driver")) == (
        ">=3,<4", "unary", None,
    )  # fmt: skip


def test_every_setting_is_a_field_of_a_cell() -> None:
    assert set(SETTINGS) <= {field.name for field in fields(Cell)}


def test_what_tables_show_is_part_of_the_list() -> None:
    assert ALWAYS_SHOWN == ("python", "gevent", "grpcio", "patch")
    assert (*ALWAYS_SHOWN, "server", "workload", "concurrency") == BASE_AXES
    assert len({axis.name for axis in AXES}) == len(AXES)


def test_axes_are_ordered_as_listed_packages_as_given_and_parameters_by_name() -> None:
    names = ("concurrency", "ready", "call", "flask", "server", "click", "grpcio", "python")
    assert in_order(names) == (
        "python", "grpcio", "flask", "click", "server", "call", "ready", "concurrency",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "written", "text"),
    [
        ("python", "3.10", "3.10"),
        ("gevent", "==25.9.1", "25.9.1"),
        ("flask", " >=3, <4", ">=3,<4"),
        ("server", "waitress", "waitress-t4"),
        ("server", {"name": "waitress", "threads": "9"}, "waitress-t9"),
        ("concurrency", "0100", "100"),
        ("seconds", "2.0", "2"),
        ("ready", "true", "true"),
    ],
)
def test_a_value_has_one_text(name: str, written: str | dict[str, str], text: str) -> None:
    assert axis(name).value(written) == text
    assert axis(name).value(text) == text


def test_only_a_server_is_written_as_a_mapping() -> None:
    with pytest.raises(ValueError, match="plain text is expected"):
        axis("patch").value({"name": "gevent"})


# -- ids -------------------------------------------------------------------------------------------


def test_an_id_names_what_varies_in_the_order_of_the_axes(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {
            "axes": {
                "python": ["3.11"],
                "concurrency": ["10", "20"],
                "order": ["first", "late"],
                "seconds": ["1", "2"],
                "flask": ["3.0.3", "3.1.2"],
                "patch": ["gevent"],
                "server": ["werkzeug", "pywsgi"],
            },
            "packages": {"gevent": "25.9.1", "flask": "*"},
            "limits": {"load": 9000},
        },
    )
    assert ids(one)[0] == "py3.11-gevent25.9.1-flask3.0.3-gevent-first-werkzeug-seconds1-c10"
    assert len(set(ids(one))) == 2**5


# -- locked ----------------------------------------------------------------------------------------


def test_cells_get_the_versions_they_were_locked_to(tmp_path: Path) -> None:
    content = {
        "axes": {"python": "3.11", "gevent": ["25.*", ">=25.9"], "patch": "gevent"},
        "packages": {"flask": "*"},
    }
    cells = expanded(tmp_path, content).cells
    versions = {"gevent": "25.9.1", "flask": "3.1.0", "greenlet": "3.2.4"}
    exact = [cell.locked(cell.environment.locked(versions)) for cell in cells]
    assert [cell.id for cell in exact] == ["py3.11-gevent25.9.1-gevent"] * 2
    assert exact[0] == exact[1] != cells[0]
    assert exact[0].requirements == (
        Requirement(name="flask", specifier="==3.1.0"),
        Requirement(name="gevent", specifier="==25.9.1"),
    )
    assert exact[0].environment.requirements == exact[0].requirements


def test_everything_else_of_a_cell_stays(tmp_path: Path) -> None:
    cell = a_cell(
        tmp_path,
        axes={"python": "3.11", "patch": "gevent", "server": "werkzeug-single"},
        packages={"gevent": "25.*"},
        load={"concurrency": 3, "requests": 30},
        exclude_newer="2026-11-01",
    )
    exact = cell.locked(cell.environment.locked({"gevent": "25.9.1"}))
    assert replace(exact, requirements=cell.requirements) == cell
    assert exact.axis("gevent") == "25.9.1"
