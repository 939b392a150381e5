"""What `matrix run` says of `--hosts` and `--dask` before any host is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Matrix, assert_error

MATRIX = """\
version: 1
experiments:
  tiny: {axes: {python: [3.11], patch: [none, gevent], gevent: [25.9.1]}, base: debian}
  shop: {axes: {python: [3.11], patch: [none]}, application: {app: shop.main:app}}
"""
NOWHERE = "tcp://127.0.0.1:9"


@pytest.fixture(autouse=True)
def matrix_file(tmp_path: Path, matrix: Matrix) -> None:
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "main.py").touch()


@pytest.mark.parametrize(
    ("option", "message"),
    [("--dask", "'' is no address of a Dask scheduler"), ("--hosts", "write ssh://HOST")],
)
def test_an_empty_value_does_not_measure_on_this_machine(
    matrix: Matrix, option: str, message: str
) -> None:
    assert_error(matrix("run", "tiny", option, ""), message)


def test_one_of_both_is_given(matrix: Matrix) -> None:
    said = matrix("run", "tiny", "--dask", NOWHERE, "--hosts", "ssh://bench1")
    assert_error(said, "give either")


@pytest.mark.parametrize("option", [("--shard", "1/2"), ("--install",), ("--diagnose",)])
def test_what_is_not_done_on_hosts_is_refused(matrix: Matrix, option: tuple[str, ...]) -> None:
    said = matrix("run", "tiny", "--dask", NOWHERE, *option)
    assert_error(said, "leave out --shard, --like, --install and --diagnose")


def test_an_application_is_not_sent_to_hosts(matrix: Matrix) -> None:
    assert_error(matrix("run", "shop", "--dask", NOWHERE), "shop: an application with its secrets")


def test_a_worker_says_before_its_first_round_that_it_cannot_keep_one(
    matrix: Matrix, tmp_path: Path
) -> None:
    said = matrix("worker", NOWHERE, "--rounds", str(tmp_path / "matrix.yaml"))
    assert_error(said, "is a file, not a directory; move it away, or pass another --rounds DIR")
