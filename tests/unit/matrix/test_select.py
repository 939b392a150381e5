from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix.cell import Cell, Experiment
from runner.matrix.select import may_match, no_match, overridden, parse
from tests.unit.matrix.matrices import expanded, ids


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


def selected(one: Experiment, *patterns: str) -> tuple[Cell, ...]:
    globs = parse(patterns, one.axes)
    return tuple(cell for cell in one.cells if may_match(cell, globs))


def chosen(one: Experiment, *patterns: str) -> set[str]:
    return {cell.id for cell in selected(one, *patterns)}


def test_no_pattern_selects_all(one: Experiment) -> None:
    assert selected(one) == one.cells


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
    assert selected(one, "python=3.11", "python=3.9") == one.cells


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("python", "write AXIS=GLOB"),
        ("python=", "write AXIS=GLOB"),
        ("", "write AXIS=GLOB"),
        ("=3.9", "unknown axis ''"),
        ("pyton=3.9", "unknown axis 'pyton'; did you mean 'python'?"),
    ],
)
def test_what_is_no_selection_is_an_error(one: Experiment, pattern: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse([pattern], one.axes)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("python=3.8", "--select python=3.8: matches no cell; there are python: 3.9, 3.11"),
        ("patch=grpc", "there are patch: none, gevent"),
        ("flask=1*", "there are flask: 2.3.3, 3.1.0"),
        ("order=late", "there are placement: –, first"),
        ("patch=none,gevent", "there are patch: none, gevent; for several values, repeat --select"),
    ],
)
def test_a_selection_that_matches_nothing_lists_what_there_is(
    one: Experiment, pattern: str, message: str
) -> None:
    assert not selected(one, pattern)
    assert message in str(no_match(one.cells, parse([pattern], one.axes)))


def test_many_values_are_not_all_listed(tmp_path: Path) -> None:
    many = expanded(tmp_path, {"axes": {"python": "3.11", "concurrency": list(range(100, 200))}})
    error = no_match(many.cells, parse(["concurrency=7"], many.axes))
    assert re.search(r"concurrency: 100, .*, 119 …$", str(error))


def test_globs_by_axis() -> None:
    assert parse(["flask=2*", "python=3.9", "flask=3=1"], ["flask"]) == {
        "flask": ["2*", "3=1"],
        "python": ["3.9"],
    }


# -- load and launches -----------------------------------------------------------------------------


@pytest.fixture
def loads(tmp_path: Path) -> Experiment:
    axes = {"python": ["3.9", "3.11"], "concurrency": ["50", "100"]}
    return expanded(tmp_path, {"axes": axes, "load": {"requests": 1000}})


def test_nothing_given_changes_nothing(loads: Experiment) -> None:
    assert overridden(loads) == loads


def test_requests_and_launches(loads: Experiment) -> None:
    changed = overridden(loads, requests=200, launches=5)
    assert {cell.requests for cell in changed.cells} == {200}
    assert changed.launches == 5
    assert ids(changed) == ids(loads)


def test_what_the_file_says_of_launches_and_repeats(tmp_path: Path) -> None:
    one = expanded(tmp_path, {"axes": {"python": ["3.11"]}, "launches": "7", "repeats": "0"})
    assert (one.launches, one.repeats) == (7, 0)


@pytest.mark.parametrize("repeats", [0, 9])
def test_repeats(loads: Experiment, repeats: int) -> None:
    assert loads.repeats == 2
    assert overridden(loads, repeats=repeats).repeats == repeats


def test_a_concurrency_replaces_the_axis(loads: Experiment) -> None:
    changed = overridden(loads, concurrency=20)
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
def test_nonsense(loads: Experiment, flags: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        overridden(loads, **flags)
    assert message in str(raised.value)


@pytest.mark.parametrize("option", ["requests", "concurrency"])
def test_clients_and_requests_do_not_apply_to_a_fixed_rate(tmp_path: Path, option: str) -> None:
    both = expanded(tmp_path, {"axes": {"python": "3.11", "rate": ["closed", 45]}})
    closed, fixed = overridden(both, requests=200, concurrency=10).cells
    assert (closed.requests, closed.concurrency) == (200, 10)
    assert fixed == both.cells[1]
    shares = expanded(tmp_path, {"axes": {"python": "3.11", "rate": ["closed", "50%"]}})
    closed, share = overridden(shares, requests=200, concurrency=10).cells
    assert (share.requests, share.concurrency) == (0, closed.concurrency)
    rates = expanded(tmp_path, {"axes": {"python": "3.11", "rate": [20, 45]}})
    with pytest.raises(UsageError, match=f"--{option}: every cell's load has a fixed rate"):
        overridden(rates, **{option: 10})
