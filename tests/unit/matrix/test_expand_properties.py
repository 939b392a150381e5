"""Expansion against GitHub Actions' rules, stated a second time, as plainly as possible."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import SpecError
from runner.matrix.cell import Cell
from runner.matrix.plugins import patches
from tests.unit.matrix.matrices import expanded, ids

VALUES: dict[str, list[str]] = {
    "python": ["3.9", "3.11", "3.13"],
    "gevent": ["22.10.2", "25.*", ">=24,<26"],
    "grpcio": ["1.53.0", "1.76.0"],
    "patch": list(patches()),
    "server": ["werkzeug", "werkzeug-single"],
    "concurrency": ["100", "200", "300"],
    "flask": ["2.3.3", "3.1.*"],
}
#: What a cell has where neither an axis nor an entry says anything.
DEFAULTS = {
    "gevent": "25.9.1",
    "grpcio": "1.70.0",
    "patch": "none",
    "server": "werkzeug",
    "concurrency": "100",
    "flask": "3.0.0",
}
Values = dict[str, str]


def _axis(name: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3, unique=True)


AXES = st.fixed_dictionaries(
    {"python": _axis("python")},
    optional={name: _axis(name) for name in VALUES if name != "python"},
)
ANY_AXES = AXES | st.fixed_dictionaries({}, optional={name: _axis(name) for name in VALUES})


def entries(names: list[str]) -> st.SearchStrategy[list[Values]]:
    chosen = st.sets(st.sampled_from(names), min_size=1, max_size=3)
    entry = chosen.flatmap(
        lambda found: st.fixed_dictionaries({n: st.sampled_from(VALUES[n]) for n in found})
    )
    return st.lists(entry, max_size=3)


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, Any]:
    axes = draw(ANY_AXES)
    fixed = {n: DEFAULTS[n] for n in ("gevent", "grpcio", "flask") if n not in axes}
    # An axis of a further package must stand under `packages` too.
    packages = fixed | ({"flask": "*"} if "flask" in axes else {})
    return {
        "axes": axes,
        "packages": packages,
        "exclude": draw(entries(list(axes))) if axes else [],
        "include": draw(entries(list(VALUES))),
        "limits": {"load": 9000},
    }


def canonical(values: Values, axes: Iterable[str]) -> Values:
    """All that a cell has, without what its patch mode does not import.

    An added cell has only what it names, of what the axes vary.
    """
    merged = DEFAULTS | values
    mode = patches()[merged["patch"]]
    named = {name for name in DEFAULTS if name in values or name not in axes}
    needs = mode.packages | mode.packages_if_named & named
    return {n: v for n, v in merged.items() if n not in {"gevent", "grpcio"} or n in needs}


def matches(entry: Values, values: Values) -> bool:
    return all(values.get(name) == value for name, value in entry.items())


def github(matrix: dict[str, Any]) -> list[Values] | None:
    """The canonical cells in order.

    None where there are none, an exclude has no effect, or a cell lacks something.
    """
    axes: dict[str, list[str]] = matrix["axes"]
    every = itertools.product(*axes.values()) if axes else ()
    raw = [dict(zip(axes, values, strict=True)) for values in every]
    for entry in matrix["exclude"]:
        rest = [canonical(values, axes) for values in raw if not matches(entry, values)]
        if all(canonical(values, axes) in rest for values in raw if matches(entry, values)):
            return None
    kept = [v for v in raw if not any(matches(entry, v) for entry in matrix["exclude"])]
    extended = list(map(dict, kept))
    added: list[Values] = []
    for entry in matrix["include"]:
        original = {name: value for name, value in entry.items() if name in axes}
        targets = [i for i, values in enumerate(kept) if matches(original, values)]
        for i in targets:
            extended[i] = extended[i] | entry
        if not targets:
            added.append(entry)
    if not all("python" in values for values in (*extended, *added)):
        return None
    cells = [canonical(values, axes) for values in extended]
    for entry in added:
        cell = canonical(entry, axes)
        if cell in cells or _lacks(entry, axes):
            return None
        cells.append(cell)
    return [cell for i, cell in enumerate(cells) if cell not in cells[:i]] or None


def _lacks(entry: Values, axes: dict[str, list[str]]) -> bool:
    """An added cell has no version of a package that is an axis and that it does not name."""
    needs = patches()[entry.get("patch", "none")].packages
    return any(name in axes and name not in entry for name in needs)


def described(cell: Cell) -> Values:
    """What a cell says of itself, in the words of the matrix file."""
    packages = {
        r.name: (r.specifier.removeprefix("==") if r.exact or "*" in r.specifier else r.specifier)
        for r in cell.requirements
    }
    return {
        "python": cell.python,
        "patch": str(cell.patch),
        "server": str(cell.server),
        "concurrency": str(cell.concurrency),
        **packages,
    }


@given(matrices())
@settings(deadline=None, max_examples=400)
def test_expansion_follows_github_actions(
    tmp_path_factory: pytest.TempPathFactory, matrix: dict[str, Any]
) -> None:
    expected = github(matrix)
    directory = tmp_path_factory.getbasetemp()
    if expected is None:
        with pytest.raises(SpecError, match=r"matrix\.yaml:\d+:\d+: "):
            expanded(directory, matrix)
        return
    # `flask: "*"` is what an added cell has that names no other.
    free = {"flask": ""} if "flask" in matrix["axes"] else {}
    wanted = [
        cell | (free if free and cell["flask"] == DEFAULTS["flask"] else {}) for cell in expected
    ]
    assert [described(cell) for cell in expanded(directory, matrix).cells] == wanted


@given(matrices())
@settings(deadline=None, max_examples=200)
def test_cells_and_their_ids_are_unique_and_fit_for_file_names(
    tmp_path_factory: pytest.TempPathFactory, matrix: dict[str, Any]
) -> None:
    try:
        one = expanded(tmp_path_factory.getbasetemp(), matrix)
    except SpecError:
        return
    assert len(set(one.cells)) == len(one.cells)
    assert len(set(ids(one))) == len(one.cells)
    assert not any(set(name) & set("/ \\\0\n") for name in ids(one))
    for cell in one.cells:
        carried = {r.name for r in cell.requirements} & {"gevent", "grpcio"}
        mode = patches()[cell.patch]
        assert mode.packages <= carried <= mode.packages | mode.packages_if_named


@given(AXES)
@settings(deadline=None, max_examples=100)
def test_excluding_a_value_leaves_exactly_the_cells_without_it(
    tmp_path_factory: pytest.TempPathFactory, axes: dict[str, list[str]]
) -> None:
    """For an axis that matters for every cell, and one of several values."""
    directory = tmp_path_factory.getbasetemp()
    packages = {name: "1" for name in ("gevent", "grpcio") if name not in axes}
    packages |= {"flask": "*"} if "flask" in axes else {}
    content: dict[str, Any] = {"axes": axes, "packages": packages, "limits": {"load": 9000}}
    every = expanded(directory, content).cells
    for axis in ("python", "server"):
        if len(axes.get(axis, ())) > 1:
            value = axes[axis][0]
            fewer = expanded(directory, content | {"exclude": [{axis: value}]}).cells
            rest = [described(cell) for cell in every if cell.axis(axis) != value]
            assert [described(cell) for cell in fewer] == rest
