from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix.cell import Experiment
from runner.matrix.select import overridden
from tests.unit.matrix.matrices import expanded, ids


@pytest.fixture
def one(tmp_path: Path) -> Experiment:
    axes = {"python": ["3.9", "3.11"], "concurrency": ["50", "100"]}
    return expanded(tmp_path, {"axes": axes, "load": {"requests": 1000}})


def test_nothing_given_changes_nothing(one: Experiment) -> None:
    assert overridden(one) is one


def test_requests_and_launches(one: Experiment) -> None:
    changed = overridden(one, requests=200, launches=5)
    assert {cell.requests for cell in changed.cells} == {200}
    assert changed.launches == 5
    assert ids(changed) == ids(one)


def test_what_the_file_says_of_launches_and_repeats(tmp_path: Path) -> None:
    said = expanded(tmp_path, {"axes": {"python": ["3.11"]}, "launches": "7", "repeats": "0"})
    assert (said.launches, said.repeats) == (7, 0)


@pytest.mark.parametrize("repeats", [0, 9])
def test_repeats(one: Experiment, repeats: int) -> None:
    assert one.repeats == 2
    assert overridden(one, repeats=repeats).repeats == repeats


def test_a_concurrency_replaces_the_axis(one: Experiment) -> None:
    changed = overridden(one, concurrency=20)
    assert ids(changed) == ["py3.9-none", "py3.11-none"]
    assert {cell.concurrency for cell in changed.cells} == {20}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"requests": 0}, "--requests 0: give a whole number above 0"),
        ({"concurrency": -1}, "--concurrency -1: give a whole number above 0"),
        ({"launches": 0}, "--launches 0: give a whole number above 0"),
        ({"repeats": -1}, "--repeats -1: give a whole number from 0 to 9"),
        ({"repeats": 10}, "--repeats 10: give a whole number from 0 to 9"),
        ({"requests": 99}, "concurrency 100 exceeds 99 requests: raise --requests"),
        ({"concurrency": 1001}, "concurrency 1001 exceeds 1000 requests: raise --requests"),
        ({"concurrency": 1}, "1000 requests, 1 at a time, need 2000 s"),
        ({"requests": 100_000}, "set `limits.load` to 4803"),
    ],
)
def test_nonsense(one: Experiment, flags: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        overridden(one, **flags)
    assert message in str(raised.value)
