"""The examples are what their documents say, and nothing in them names an index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest
import uv

from runner.application.facts import facts_of
from runner.application.requirements import read_requirements
from runner.matrix.file import load
from runner.matrix.select import may_match
from tools.lock_example import without_addresses

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOP = EXAMPLES / "shop"
EVERY_FILE = pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/matrix.yaml")), ids=str)


@EVERY_FILE
def test_every_experiment_of_an_example_has_cells(file: Path) -> None:
    found = load(file)
    for name in found.sections:
        experiment = found.experiment(name)
        assert experiment.application
        assert {cell.patch for cell in experiment.cells} >= {"none", "gevent"}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("cases/*/matrix.yaml")), ids=str)
def test_outcome_and_cause_of_every_cell_of_a_case_are_expected(file: Path) -> None:
    found = load(file)
    assert [*found.sections] == [file.parent.name]
    experiment = found.experiment(facts_of=partial(facts_of, pythons=["3.11"]))
    for cell in experiment.cells:
        of_cell = [
            one
            for one in experiment.expect
            if may_match(cell, {axis: [glob] for axis, glob in one.cells})
        ]
        assert any(one.outcomes for one in of_cell), cell.id
        assert any(one.whys for one in of_cell), cell.id


@pytest.mark.parametrize("name", ["flaskr", "ihatemoney"])
def test_ten_lines_are_enough_for_an_application_of_somebody_else(name: str) -> None:
    assert len((EXAMPLES / name / "matrix.yaml").read_text().splitlines()) <= 10


def test_the_shop_is_locked_as_it_asks(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(SHOP / name, tmp_path)
    command = [uv.find_uv_bin(), "lock", "--check", "--offline", "--python", sys.executable]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_lock_of_the_shop_is_read_whole_with_its_hashes() -> None:
    found = read_requirements("uv.lock", root=SHOP, extras=("postgres", "redis"))
    locked = tomllib.loads((SHOP / "uv.lock").read_text())["package"]
    pins = {(pin.name, pin.exact) for pin in found.pins}
    assert pins == {(p["name"], p["version"]) for p in locked if "version" in p} - {("shop", "1.0")}
    assert all(pin.hashes for pin in found.pins)
    assert (found.sources, found.sdists) == ((), ())


def test_a_lock_without_addresses_keeps_names_and_hashes() -> None:
    locked = (
        'source = { registry = "https://localhost/simple" }\n'
        'sdist = { url = "https://localhost/a/b/x-1.tar.gz", hash = "sha256:ab", size = 1 }\n'
    )
    assert without_addresses(locked) == (
        'source = { registry = "packages" }\n'
        'sdist = { path = "x-1.tar.gz", hash = "sha256:ab", size = 1 }\n'
    )
