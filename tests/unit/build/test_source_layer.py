"""A source becomes a layer: the same bytes for the same files."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from runner.application.source import Rule, Source, source_of
from runner.build.layers import Tar
from runner.build.source_layer import source_layer
from runner.engine.pod import SERVER_UID
from runner.errors import UsageError
from tests.unit.application.applications import application


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    directory = tmp_path / "shop"
    (directory / "pkg" / "empty").mkdir(parents=True)
    (directory / "run.sh").write_text("#!/bin/sh\n")
    (directory / "run.sh").chmod(0o700)
    (directory / "pkg" / f"{'long' * 40}.py").write_text("x" * 600)
    (directory / "pkg" / "link").symlink_to("../../nowhere")
    (directory / "pkg" / "out").symlink_to(f"{'../' * 50}nowhere")
    return directory


def chosen(directory: Path) -> Source:
    found = source_of(application(directory.parent, source=directory.name))
    assert found is not None
    return found


def opened(source: Source, cache: Path) -> dict[str, tarfile.TarInfo]:
    archive = b"".join(Tar(source_layer(source, cache)))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = tar.getmembers()
    assert len({member.name for member in members}) == len(members)
    return {member.name: member for member in members}


def test_the_archive_has_files_links_and_empty_directories(shop: Path, tmp_path: Path) -> None:
    found = opened(chosen(shop), tmp_path / "cache")
    assert found["application/run.sh"].mode == 0o755
    assert found[f"application/pkg/{'long' * 40}.py"].mode == 0o644
    assert found[f"application/pkg/{'long' * 40}.py"].size == 600
    link = found["application/pkg/link"]
    assert (link.issym(), link.linkname) == (True, "../../nowhere")
    assert found["application/pkg/empty"].isdir()
    assert {member.mtime for member in found.values()} == {0}


def test_all_of_it_belongs_to_the_server(shop: Path, tmp_path: Path) -> None:
    found = opened(chosen(shop), tmp_path / "cache")
    assert {(m.uid, m.gid) for m in found.values()} == {(SERVER_UID, SERVER_UID)}
    assert {"application", "application/pkg"} <= set(found)


def test_a_link_that_climbs_above_the_root_ends_there(shop: Path, tmp_path: Path) -> None:
    """Engines refuse an archive with one that leaves the file system."""
    found = opened(chosen(shop), tmp_path / "cache")
    assert found["application/pkg/out"].linkname == "/nowhere"


def test_the_same_files_are_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    first = b"".join(Tar(source_layer(chosen(shop), tmp_path / "one")))
    os.utime(shop / "run.sh", (0, 0))
    layer = source_layer(chosen(shop), tmp_path / "two")
    assert b"".join(Tar(layer)) == first
    assert Tar(layer).size == len(first)


def test_an_archive_is_made_once(shop: Path, tmp_path: Path) -> None:
    (archive,) = source_layer(chosen(shop), tmp_path).packed
    before = archive.stat()
    assert source_layer(chosen(shop), tmp_path).packed == (archive,)
    assert archive.stat().st_ino == before.st_ino


def test_a_file_that_changes_meanwhile_leaves_no_archive(shop: Path, tmp_path: Path) -> None:
    source = chosen(shop)
    assert source.digest
    (shop / "run.sh").write_text("#!/bin/no\n")  # of the same size
    with pytest.raises(UsageError, match="changed while it was copied"):
        source_layer(source, tmp_path / "cache")
    assert list((tmp_path / "cache" / "sources").iterdir()) == []


def test_a_source_without_files_has_its_directory(tmp_path: Path) -> None:
    source = Source(directory=tmp_path, rule=Rule.ALL, files=())
    assert list(opened(source, tmp_path / "cache")) == ["application"]
