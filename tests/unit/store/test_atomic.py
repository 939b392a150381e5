from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.store import atomic
from runner.store.atomic import link_atomic, write_atomic


def test_text_and_bytes_are_written_whole(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", "é\n")
    write_atomic(tmp_path / "b", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\n"
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_written_may_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_atomic(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", [(Path, "write_bytes"), (Path, "replace")])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file(
    step: tuple[object, str],
    error: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a"
    write_atomic(path, "old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(*step, fail)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_says_so_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match=r"a: no room left on the disk; free some space"):
        write_atomic(tmp_path / "a", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone/a: cannot be written \(No such file"):
        write_atomic(tmp_path / "gone" / "a", "x")


def test_a_link_is_relative_and_moves_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "sleep" / name).mkdir(parents=True)
        link_atomic(tmp_path / "latest", tmp_path / "sleep" / name)
        assert (tmp_path / "latest").readlink() == Path("sleep") / name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "sleep"]


def test_a_link_below_a_linked_directory_points_right(tmp_path: Path) -> None:
    (tmp_path / "disk" / "deep" / "results" / "run").mkdir(parents=True)
    (tmp_path / "results").symlink_to("disk/deep/results")
    link_atomic(tmp_path / "results" / "latest", tmp_path / "disk/deep/results/run")
    assert (tmp_path / "results" / "latest").is_dir()


def test_a_link_does_not_replace_a_directory(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir(parents=True)
    with pytest.raises(UsageError, match="latest: cannot be written"):
        link_atomic(tmp_path / "latest", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["latest"]


def test_a_directory_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(name)
    atomic.replace_directory(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "old/text").read_text() == "new"
    assert (tmp_path / "new/text").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_directory_that_cannot_be_replaced_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(UsageError, match="old: cannot be written"):
        atomic.replace_directory(tmp_path / "old", tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_directory_takes_a_free_name(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    atomic.replace_directory(tmp_path / "name", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_directory_that_cannot_be_put_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name: cannot be written"):
        atomic.replace_directory(tmp_path / "name", tmp_path / "missing")
