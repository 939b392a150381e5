"""How an experiment is shared out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.commands.cells import Choice, Shard, expand, parse_shard, part
from runner.matrix.cell import Cell, Experiment
from runner.matrix.file import load
from runner.measurement import estimate
from tests.unit.matrix.matrices import REPOSITORY, expanded, written

FILE = load(REPOSITORY / "matrix.yaml")
EXPERIMENTS = [FILE.experiment(name) for name in FILE.sections]


SHARES = {
    "axes": {"python": ["3.9", "3.11"], "patch": ["none", "gevent"], "rate": ["closed", "50%"]},
    "packages": {"gevent": "25.9.1"},
}


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (
            {"select": ("rate=50%", "patch=gevent", "python=3.9")},
            ["py3.9-none-closed", "py3.9-gevent25.9.1-gevent-r50pct"],
        ),
        ({"select": ("rate=closed", "python=3.9", "patch=none")}, ["py3.9-none-closed"]),
        (
            {"select": ("rate=50%",), "shard": Shard(index=2, of=2)},
            ["py3.11-none-closed", "py3.11-gevent25.9.1-gevent-r50pct", "py3.11-none-r50pct"],
        ),
    ],
)
def test_what_a_percentage_is_of_comes_with_it(
    tmp_path: Path, choice: dict[str, Any], kept: list[str]
) -> None:
    said: list[str] = []
    found = expand(Choice(file=written(tmp_path, SHARES), **choice), said.append)
    assert sorted(cell.id for cell in found.cells) == sorted(kept)
    assert not said


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    content = {"axes": {"python": "3.11"}, "include": [{"patch": "none"}]}
    said: list[str] = []
    found = expand(Choice(file=written(tmp_path, content)), said.append)
    assert len(found.cells) == 1
    [remark] = said
    assert "matrix.yaml:1:" in remark
    assert "this include changes nothing: patch none is already so" in remark


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """An experiment of the repository, or some cells of it, with a baseline of any kind."""
    experiment = draw(st.sampled_from(EXPERIMENTS))
    chosen = draw(st.sets(st.sampled_from(experiment.cells), min_size=1))
    baselines = [(), experiment.baseline, (("python", "3.11"),), (("gevent", "25.9.1"),)]
    return replace(
        experiment,
        cells=tuple(cell for cell in experiment.cells if cell in chosen),
        baseline=draw(st.sampled_from(baselines)),
    )


def shards(experiment: Experiment, number: int) -> list[tuple[Cell, ...]]:
    numbers = range(1, number + 1)
    return [part(experiment, Shard(index=i, of=number)).cells for i in numbers]


def is_baseline(cell: Cell, experiment: Experiment) -> bool:
    wanted = experiment.baseline
    return bool(wanted) and all(cell.axis(axis) == value for axis, value in wanted)


@given(experiments(), st.integers(1, 9))
def test_every_cell_is_in_a_shard_and_only_baselines_in_several(
    experiment: Experiment, number: int
) -> None:
    found = shards(experiment, number)
    assert {cell for cells in found for cell in cells} == {*experiment.cells}
    for cell in experiment.cells:
        times = sum(cell in cells for cells in found)
        assert times == 1 or is_baseline(cell, experiment)
    for cells in found:
        assert list(cells) == [cell for cell in experiment.cells if cell in cells]


@given(experiments(), st.integers(1, 9))
def test_what_a_cell_is_held_against_is_in_its_shard(experiment: Experiment, number: int) -> None:
    for cells in shards(experiment, number):
        for cell in cells:
            bases = [base for base in experiment.cells if serves(base, cell, experiment)]
            assert not bases or any(base in cells for base in bases)


@given(experiments(), st.integers(1, 9))
def test_no_baseline_is_measured_for_nothing(experiment: Experiment, number: int) -> None:
    for cells in shards(experiment, number):
        for base in cells:
            held = [c for c in experiment.cells if c != base and serves(base, c, experiment)]
            assert not held or any(c in cells for c in held)


def serves(base: Cell, cell: Cell, experiment: Experiment) -> bool:
    """Whether a cell is a baseline of another: equal on all other axes that it carries."""
    fixed = {axis for axis, _ in experiment.baseline}
    others = {*experiment.axes, "server", "workload", "concurrency", "gevent", "grpcio"} - fixed
    return is_baseline(base, experiment) and all(
        base.axis(axis) in {None, cell.axis(axis)} for axis in others
    )


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
@pytest.mark.parametrize("number", [2, 4])
def test_shards_take_about_equally_long(experiment: Experiment, number: int) -> None:
    def work(cells: tuple[Cell, ...]) -> float:
        return sum(estimate.launch_s(cell, experiment.limits) for cell in cells)

    longest = max(estimate.launch_s(cell, experiment.limits) for cell in experiment.cells)
    bases = work(tuple(c for c in experiment.cells if is_baseline(c, experiment)))
    for cells in shards(experiment, number):
        own = work(tuple(c for c in cells if not is_baseline(c, experiment)))
        assert own <= (work(experiment.cells) + bases) / number + longest


def test_groups_stay_together_where_they_can(tmp_path: Path) -> None:
    """Four Pythons on four shards: each baseline once."""
    axes = {"python": ["3.9", "3.10", "3.11", "3.12"], "patch": ["none", "gevent", "gevent-time"]}
    found = shards(expanded(tmp_path, {"axes": axes, "packages": {"gevent": "25.9.1"}}), 4)
    assert [{cell.python for cell in cells} for cells in found] == [
        {"3.9"}, {"3.10"}, {"3.11"}, {"3.12"},
    ]  # fmt: skip
    assert [len(cells) for cells in found] == [3, 3, 3, 3]


def test_one_shard_is_the_whole() -> None:
    assert shards(EXPERIMENTS[0], 1) == [EXPERIMENTS[0].cells]


def test_a_shard_as_written() -> None:
    assert parse_shard("2/4") == Shard(index=2, of=4)
    assert str(parse_shard("2/4")) == "2/4"
