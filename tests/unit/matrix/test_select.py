from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix.cell import Experiment
from runner.matrix.select import parse, select
from tests.unit.matrix.matrices import expanded


@pytest.fixture
def one(tmp_path: Path) -> Experiment:
    return expanded(
        tmp_path,
        {
            "axes": {
                "python": ["3.9", "3.11"],
                "gevent": ["22.10.2", "25.*"],
                "patch": ["none", "gevent"],
            },
            "packages": {"flask": ["2.3.3", "3.1.0"]},
        },
    )


def chosen(one: Experiment, *patterns: str) -> set[str]:
    return {cell.id for cell in select(one.cells, patterns, one.axes)}


def test_no_pattern_selects_all(one: Experiment) -> None:
    assert select(one.cells, (), one.axes) == one.cells


def test_globs_of_one_axis_add_up_and_axes_narrow_down(one: Experiment) -> None:
    assert chosen(one, "python=3.1*", "patch=none") == {
        "py3.11-flask2.3.3-none",
        "py3.11-flask3.1.0-none",
    }
    assert chosen(one, "python=3.9", "python=3.11") == {cell.id for cell in one.cells}
    assert chosen(one, "flask=3*", "patch=none", "python=3.9") == {"py3.9-flask3.1.0-none"}


def test_a_version_that_is_not_exact_yet_stays_until_it_is(one: Experiment) -> None:
    assert chosen(one, "gevent=25.9.1", "python=3.9", "flask=3*") == {
        "py3.9-gevent25.*-flask3.1.0-gevent"
    }
    assert chosen(one, "gevent=22*", "python=3.9", "flask=3*", "patch=gevent") == {
        "py3.9-gevent22.10.2-flask3.1.0-gevent",
        "py3.9-gevent25.*-flask3.1.0-gevent",
    }


def test_the_cell_by_its_id(one: Experiment) -> None:
    assert chosen(one, "cell=py3.9-*-none") >= {"py3.9-flask2.3.3-none", "py3.9-flask3.1.0-none"}
    assert "py3.11-flask3.1.0-none" not in chosen(one, "cell=py3.9-*-none")


def test_the_order_of_the_file_is_kept(one: Experiment) -> None:
    selected = select(one.cells, ["python=3.11", "python=3.9"], one.axes)
    assert selected == one.cells


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("python", "write AXIS=GLOB"),
        ("python=", "write AXIS=GLOB"),
        ("", "write AXIS=GLOB"),
        ("=3.9", "unknown axis ''"),
        ("pyton=3.9", "unknown axis 'pyton'; did you mean 'python'?"),
        ("python=3.8", "--select python=3.8: matches no cell; there are python: 3.9, 3.11"),
        ("patch=grpc", "there are patch: none, gevent"),
        ("flask=1*", "there are flask: 2.3.3, 3.1.0"),
    ],
)
def test_what_selects_nothing_is_an_error(one: Experiment, pattern: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        select(one.cells, [pattern], one.axes)
    assert message in str(raised.value)


def test_many_values_are_not_all_listed(tmp_path: Path) -> None:
    many = expanded(tmp_path, {"axes": {"python": "3.11", "concurrency": list(range(100, 200))}})
    with pytest.raises(UsageError, match=r"concurrency: 100, .*, 119 …$"):
        select(many.cells, ["concurrency=7"], many.axes)


def test_globs_by_axis() -> None:
    assert parse(["flask=2*", "python=3.9", "flask=3=1"], ["flask"]) == {
        "flask": ["2*", "3=1"],
        "python": ["3.9"],
    }
