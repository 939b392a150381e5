from __future__ import annotations

import json
from pathlib import Path

from runner import paths
from runner.matrix import schema
from runner.matrix.file import load
from tests.support.command_line import Matrix, assert_error


def test_it_writes_a_matrix_file_with_its_schema(matrix: Matrix, tmp_path: Path) -> None:
    result = matrix("init")
    assert (result.code, result.err) == (0, "")
    assert "`matrix plan` shows" in result.out
    written = tmp_path / "matrix.yaml"
    assert written.read_text().startswith("# yaml-language-server: $schema=matrix.schema.json\n")
    assert (tmp_path / "matrix.schema.json").read_text() == schema.text()
    experiment = load(written).experiment()
    assert [cell.id for cell in experiment.cells] == [
        "py3.11-none",
        "py3.11-gevent26.9.0-gevent",
        "py3.11-gevent26.9.0-grpcio1.85.3-grpc",
        "py3.11-gevent26.9.0-grpcio1.85.3-gevent+grpc",
    ]


def test_every_commented_line_of_it_can_be_used(tmp_path: Path, matrix: Matrix) -> None:
    matrix("init")
    file = tmp_path / "matrix.yaml"
    lines = file.read_text().splitlines(keepends=True)
    (commented,) = (n for n, line in enumerate(lines) if line.strip().startswith("#server:"))
    lines[commented - 1 : commented + 1] = [lines[commented].replace("#", "")]
    file.write_text("".join(lines))
    assert len({cell.server for cell in load(file).experiment().cells}) == 5


def test_it_never_overwrites(matrix: Matrix, tmp_path: Path) -> None:
    file, beside = tmp_path / "matrix.yaml", tmp_path / "matrix.schema.json"
    file.write_text("version: 1\n")
    assert_error(matrix("init"), "matrix.yaml: exists already", "--file DIRECTORY")
    assert file.read_text() == "version: 1\n"
    assert not beside.exists()
    file.unlink()
    for content in (b"{}", b"\xff"):
        beside.write_bytes(content)
        assert_error(matrix("init"), "matrix.schema.json: exists already")
        assert beside.read_bytes() == content
        assert not file.exists()
    beside.write_text(schema.text())  # of an earlier `matrix init`
    assert matrix("init").code == 0
    assert_error(matrix("init", "--file", "missing/matrix.yaml"), "missing/matrix.yaml: cannot be")


def test_another_name_is_part_of_what_to_do_next(matrix: Matrix, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    result = matrix("init", "--file", "other/m.yaml")
    assert "`matrix run --file other/m.yaml`" in result.out
    assert json.loads((tmp_path / "other" / "matrix.schema.json").read_text())["$schema"]


def test_a_checkout_keeps_its_cache_beside_it() -> None:
    checkout = Path(paths.__file__).parents[1]
    assert (checkout / "images", checkout / ".cache") == (paths.IMAGES, paths.CACHE)
