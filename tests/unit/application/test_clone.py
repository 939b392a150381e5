"""Git repositories as archives: nothing of them is run, and no address stays in them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from runner.application.clone import (
    archive_commit,
    archive_with_history,
    commit_of,
    public_address,
    state_of,
)
from runner.application.pins import Directory, GitSource
from runner.application.source import project_of
from runner.errors import EngineError
from tests.support.archives import unpack
from tests.support.git import commit, git

USER = "somebody"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    directory = tmp_path / "utils"
    directory.mkdir()
    git(directory, "init", "--quiet", "--initial-branch", "main")
    (directory / "setup.py").write_text("one\n")
    commit(directory)
    return directory


def source(directory: Path, revision: str | None = None) -> GitSource:
    return GitSource(name="utils", url=directory.as_uri(), revision=revision)


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as packed:
        return {m.name: f.read() for m in packed if (f := packed.extractfile(m))}


def test_a_revision_is_a_branch_a_tag_a_commit_or_the_default(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1")
    git(repository, "-c", "tag.gpgSign=false", "tag", "--annotate", "-m", "x", "v1.0")
    (repository / "setup.py").write_text("two\n")
    second = commit(repository)
    wanted = {None: second, "main": second, "v1": first, "v1.0": first, first: first}
    assert {rev: commit_of(source(repository, rev)) for rev in wanted} == wanted
    assert commit_of(source(repository, first[:8])) == first


@pytest.mark.parametrize("revision", ["v9", "abcdef1"])
def test_a_revision_that_there_is_not(revision: str, repository: Path) -> None:
    with pytest.raises(EngineError, match="utils: "):
        commit_of(source(repository, revision))


def test_the_archive_is_the_commit_with_its_history(repository: Path, tmp_path: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "setup.py").write_text("two\n")
    commit(repository)
    archive_commit(source(repository), first, tmp_path / "a.tar")
    found = contents(tmp_path / "a.tar")
    assert found["source/setup.py"] == b"one\n"
    unpacked = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "a.tar") as packed:
        unpack(packed, unpacked)
    assert git(unpacked / "source", "rev-parse", "HEAD") == first
    assert git(unpacked / "source", "status", "--porcelain") == ""


def test_no_address_is_in_the_archive(repository: Path, tmp_path: Path) -> None:
    archive_commit(source(repository), commit_of(source(repository)), tmp_path / "a.tar")
    everything = b"".join(contents(tmp_path / "a.tar").values())
    assert str(repository).encode() not in everything
    assert b"[core]" in contents(tmp_path / "a.tar")["source/.git/config"]


def test_nothing_of_a_repository_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hooks of a template that this machine is configured to use, nor filters."""
    trace, template = tmp_path / "ran", tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    hook = template / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {trace}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template))
    (repository / ".gitattributes").write_text("* filter=evil\n")
    (repository / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = ./x\n\tupdate = !touch {trace}\n'
    )
    wanted = commit(repository)
    archive_commit(source(repository), wanted, tmp_path / "a.tar")
    assert not trace.exists()
    assert not any("/hooks/" in name for name in contents(tmp_path / "a.tar"))


def test_a_project_has_its_files_as_they_are_and_the_history(
    repository: Path, tmp_path: Path
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    project = Directory(name="utils", path=repository)
    before = state_of(project)
    (repository / "setup.py").write_text("changed\n")
    (repository / "run.sh").write_text("new\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "link").symlink_to("run.sh")
    archive_with_history(project, project_of(repository), tmp_path / "a.tar")
    found = contents(tmp_path / "a.tar")
    assert found["source/setup.py"] == b"changed\n"
    assert found["source/run.sh"] == b"new\n"
    unpacked = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "a.tar") as packed:
        unpack(packed, unpacked)
    assert git(unpacked / "source", "rev-parse", "HEAD") == first
    assert git(unpacked / "source", "status", "--porcelain").split() == [
        "M", "setup.py", "??", "link", "??", "run.sh",
    ]  # fmt: skip
    git(repository, "tag", "v2")
    assert state_of(project) != before


def test_a_hook_of_another_repository_may_run_this(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git commit` tells its hooks where its own index and files are."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    (other / "mine").write_text("mine\n")
    git(other, "add", "mine")
    index = (other / ".git" / "index").read_bytes()
    for name, path in {"DIR": ".git", "WORK_TREE": "", "INDEX_FILE": ".git/index"}.items():
        monkeypatch.setenv(f"GIT_{name}", str(other / path))
    project = Directory(name="utils", path=repository)
    archive_with_history(project, project_of(repository), tmp_path / "a.tar")
    assert (other / ".git" / "index").read_bytes() == index
    assert "source/.git/index" in contents(tmp_path / "a.tar")


def test_a_repository_that_cannot_be_had_is_an_error_without_its_address(tmp_path: Path) -> None:
    missing = GitSource(name="utils", url=f"file://{tmp_path}/secret-place")
    with pytest.raises(EngineError, match="git repository cannot be read") as caught:
        commit_of(missing)
    assert "secret-place" not in str(caught.value)


def test_git_may_not_be_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="git is not installed here"):
        commit_of(source(tmp_path))


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (f"https://{USER}:token@localhost/a/b.git", "https://localhost/a/b.git"),
        ("https://localhost/a/b.git", "https://localhost/a/b.git"),
        (f"ssh://{USER}@localhost/a/b.git", "ssh://localhost/a/b.git"),
        ("file:///home/somebody/utils", "utils"),
        ("/home/somebody/utils", "utils"),
    ],
)
def test_what_is_published_of_an_address(url: str, public: str) -> None:
    assert public_address(url) == public
