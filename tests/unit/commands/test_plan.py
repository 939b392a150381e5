from __future__ import annotations

import pytest

from runner.commands.locking import LockedCells
from runner.commands.plan import _total
from runner.matrix.cell import Cell, Experiment, Limits
from runner.matrix.values import Server, Workload


def total(*patches: str) -> str:
    cells = tuple(
        Cell(
            python="3.11",
            patch=patch,
            server=Server(name="werkzeug"),
            workload=Workload(),
            concurrency=100,
            requests=5000,
            requirements=(),
        )
        for patch in patches
    )
    experiment = Experiment(name="sample", axes=("patch",), cells=cells, limits=Limits())
    return _total(experiment, LockedCells(cells=cells, locks={}, unavailable={}), None)


@pytest.mark.parametrize(
    ("patches", "line"),
    [
        (("none", "gevent"), "a verdict on 1 comparison needs --launches 5"),
        (("none", *["gevent"] * 26), "a verdict on 26 comparisons needs --launches 7"),
    ],
)
def test_how_many_launches_a_verdict_needs(patches: tuple[str, ...], line: str) -> None:
    assert total(*patches).splitlines()[1:] == [line]


def test_where_nothing_is_compared_no_verdict_is_spoken_of() -> None:
    assert "verdict" not in total("none")
