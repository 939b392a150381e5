"""`exclude` and `include` as GitHub Actions has them, and what differs on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SpecError
from runner.matrix.file import load
from tests.unit.matrix.matrices import expanded, ids

FILES = Path(__file__).parents[2] / "data" / "include"
LIMITS = {"load": "9000"}
WAITRESS = [{"name": "waitress", "threads": "14"}, {"name": "waitress", "threads": "20"}]

CELLS = {
    "only-includes": ["py3.9-none-c10", "py3.11-none-c20"],
    "all-excluded-then-included": ["py3.11-none"],
    "exclude-by-mapping": [
        "py3.9-none-waitress-t14", "py3.11-none-waitress-t14", "py3.11-none-waitress-t20",
    ],
    "include-by-mapping": [
        "py3.9-none-waitress-t14-seconds5", "py3.9-none-waitress-t20-seconds9",
        "py3.11-none-waitress-t14-seconds5", "py3.11-none-waitress-t20-seconds5",
    ],
    "exclude-by-one-setting": ["py3.9-none", "py3.11-none"],
    "include-changes-nothing": [
        "py3.9-none-c10", "py3.9-none-c20", "py3.11-none-c10", "py3.11-none-c20",
    ],
    "include-sets-the-default": [
        "py3.9-none-c10", "py3.9-none-c20", "py3.11-none-c10", "py3.11-none-c20",
    ],
}  # fmt: skip
REMARKS = {
    "include-changes-nothing": "9:9: this include changes nothing: python 3.9 is already so",
    "include-sets-the-default": "9:9: this include changes nothing: seconds 5 is already so",
}
#: What differs from GitHub Actions on purpose: docs/matrix-file.md has a table of it.
ERRORS = {
    "exclude-without-effect": "matches no cell: concurrency 13, python 3.11",
    "duplicate-value": "concurrency: 14 is listed twice",
    "include-given-twice": "this include duplicates the cell py3.13-none",
    "letter-case-of-an-axis": "unknown axis 'Python'",
    "letter-case-of-a-value": "unknown server 'PyWSGI'",
}


@pytest.mark.parametrize("name", CELLS)
def test_cells(name: str) -> None:
    one = load(FILES / f"{name}.yaml").experiment()
    assert ids(one) == CELLS[name]
    assert len(one.remarks) == (name in REMARKS)
    assert all(REMARKS[name] in remark for remark in one.remarks)


@pytest.mark.parametrize("name", ERRORS)
def test_differences_are_errors(name: str) -> None:
    with pytest.raises(SpecError, match=ERRORS[name]):
        load(FILES / f"{name}.yaml").experiment()


def test_every_file_here_has_its_answer() -> None:
    assert {path.stem for path in FILES.glob("*.yaml")} == {*CELLS, *ERRORS}


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ({"threads": "20"}, ["py3.11-none-waitress-t14", "py3.11-none-werkzeug"]),
        ({"name": "waitress"}, ["py3.11-none"]),
        (
            {"name": "waitress", "threads": "14"},
            ["py3.11-none-waitress-t20", "py3.11-none-werkzeug"],
        ),
    ],
)
def test_an_exclude_names_a_server_by_all_or_some_of_its_mapping(
    tmp_path: Path, entry: dict[str, str], left: list[str]
) -> None:
    axes = {"python": "3.11", "server": [*WAITRESS, "werkzeug"]}
    one = expanded(tmp_path, {"axes": axes, "exclude": [{"server": entry}], "limits": LIMITS})
    assert ids(one) == left


def test_an_include_by_one_setting_extends_and_keeps_the_server(tmp_path: Path) -> None:
    axes = {"python": "3.11", "server": WAITRESS}
    include = [{"server": {"threads": "20"}, "concurrency": "7"}]
    one = expanded(tmp_path, {"axes": axes, "include": include, "limits": LIMITS})
    assert [(str(c.server), c.concurrency) for c in one.cells] == [
        ("waitress-t14", 100), ("waitress-t20", 7),
    ]  # fmt: skip


def test_an_include_that_contradicts_adds_the_server_that_it_names(tmp_path: Path) -> None:
    axes = {"python": "3.11", "server": WAITRESS}
    include = [{"python": "3.11", "server": {"name": "gunicorn-gthread", "threads": "2"}}]
    one = expanded(tmp_path, {"axes": axes, "include": include, "limits": LIMITS})
    assert str(one.cells[-1].server) == "gunicorn-gthread-w1-t2"


def test_a_baseline_may_be_a_mapping(tmp_path: Path) -> None:
    axes = {"python": "3.11", "server": WAITRESS}
    one = expanded(tmp_path, {"axes": axes, "baseline": {"server": WAITRESS[0]}, "limits": LIMITS})
    assert one.baseline == (("server", "waitress-t14"),)


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ({"python": "3.11", "patch": "none"}, "python 3.11, patch none is already so"),
        ({"concurrency": "100"}, "concurrency 100 is already so"),
        ({"patch": "none", "grpcio": "1.76.0"}, "or does not matter for the cells"),
        ({"server": WAITRESS[0]}, "server (name waitress, threads 14) is already so"),
    ],
)
def test_an_include_that_changes_nothing_is_a_remark(
    tmp_path: Path, include: dict[str, str], words: str
) -> None:
    axes = {"python": "3.11", "patch": ["none", "gevent"], "server": WAITRESS[:1]}
    content = {"axes": axes, "packages": {"gevent": "25.9.1"}, "limits": LIMITS}
    without = expanded(tmp_path, content)
    one = expanded(tmp_path, {**content, "include": [include]})
    [remark] = one.remarks
    assert words in remark
    assert (ids(one), one.axes) == (ids(without), without.axes)


def test_what_changes_nothing_matters_once_a_later_include_does(tmp_path: Path) -> None:
    axes = {"python": "3.11"}
    include = [{"gevent": "24.2.1"}, {"patch": "gevent"}]
    one = expanded(tmp_path, {"axes": axes, "packages": {"gevent": "25.9.1"}, "include": include})
    assert ids(one) == ["py3.11-gevent24.2.1-gevent"]
