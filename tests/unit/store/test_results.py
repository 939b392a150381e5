from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.errors import UsageError
from runner.store.results import check_results
from runner.store.run_directory import open_run


def test_a_missing_results_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    check_results(tmp_path / "a" / "results")
    assert list((tmp_path / "a" / "results").iterdir()) == []


@pytest.mark.parametrize("below", [".", "deeper/results"])
def test_results_that_are_a_file(tmp_path: Path, below: str) -> None:
    file = tmp_path / "results"
    file.write_text("")
    with pytest.raises(UsageError, match=r"results: is a file, not a directory; .*--results"):
        check_results(file / below)


def test_results_that_are_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"results: cannot be written \(File exists\)"):
        check_results(tmp_path / "results")


def test_results_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UsageError, match=r"cannot be written \(Permission denied\); fix its perm"):
        check_results(tmp_path)


def test_results_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(UsageError, match="no room: 3 MiB free, 50 MiB needed"):
        check_results(tmp_path)


def test_latest_before_the_first_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runs yet; `matrix run`"):
        open_run(tmp_path / "results", "latest")


def test_latest_whose_run_is_gone(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("sleep/20261101T120000Z")
    with pytest.raises(UsageError, match=r"no longer exists \(sleep/20261101T120000Z\)"):
        open_run(tmp_path, "latest")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run; pass `latest`"):
        open_run(tmp_path, str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["", "file"])
def test_a_path_that_is_not_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not a run directory"):
        open_run(tmp_path, str(tmp_path / name))
