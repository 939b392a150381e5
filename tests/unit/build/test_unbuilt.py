"""What is to be built: how its archive says so, without anything of it being run or unpacked."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from runner.application.pins import Archive, Directory
from runner.build.build_container import Backend
from runner.build.fetch import sha256
from runner.build.unbuilt import LEGACY, SETUPTOOLS, Fetching, Unbuilt, fetched, how_to_build
from runner.errors import EngineError
from runner.matrix.cell import EnvironmentRequest
from tests.support.git import commit, git

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27", "tomli; python_version < '3.11'"]
build-backend = "backend"
backend-path = ["."]
"""


def archive(path: Path, files: dict[str, str]) -> Unbuilt:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, text in files.items():
                packed.writestr(name, text)
    else:
        with tarfile.open(path, "w:gz") as packed:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                packed.addfile(entry, io.BytesIO(text.encode()))
    return Unbuilt(name="shop", what="shop 1.0", origin="", digest="", archive=path)


@pytest.fixture
def how(tmp_path: Path) -> Fetching:
    return Fetching(
        request=EnvironmentRequest(python="3.11", requirements=()),
        platform="x86_64-manylinux_2_28",
        cache=tmp_path / "cache",
        project=tmp_path / "project",
    )


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_the_project_says_how_it_is_built(suffix: str, tmp_path: Path) -> None:
    files = {"shop-1.0/vendored/pyproject.toml": "x", "shop-1.0/pyproject.toml": PYPROJECT}
    backend, requires = how_to_build(archive(tmp_path / f"x{suffix}", files))
    assert backend == Backend(backend="backend", backend_path=(".",))
    assert requires == ("hatchling>=1.27", 'tomli; python_version < "3.11"')


@pytest.mark.parametrize("text", [None, "[tool.black]\n", "[build-system]\n"])
def test_one_that_says_nothing_is_built_by_setuptools(text: str | None, tmp_path: Path) -> None:
    files = {"shop-1.0/setup.py": "raise SystemExit"}
    files |= {"shop-1.0/pyproject.toml": text} if text else {}
    backend, requires = how_to_build(archive(tmp_path / "x.tar.gz", files))
    assert (backend.backend, requires) == (LEGACY, tuple(sorted(SETUPTOOLS)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[build-system\n", "its pyproject.toml is no TOML"),
        (
            '[build-system]\nrequires = ["--index-url x"]\n',
            "'--index-url x', which is no req",
        ),
        ('[build-system]\nrequires = ["a @ file:///etc/passwd"]\n', "requires a from an address"),
    ],
)
def test_what_a_stranger_writes_is_checked(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=message):
        how_to_build(archive(tmp_path / "x.tar.gz", {"shop-1.0/pyproject.toml": text}))


def test_an_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"<html>")
    nothing = Unbuilt(name="x", what="x 1.0", origin="", digest="", archive=tmp_path / "x")
    with pytest.raises(EngineError, match=r"^its archive cannot be read \(.*\)$"):
        how_to_build(nothing)


def test_a_directory_is_known_by_its_files(how: Fetching, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / ".dockerignore").write_text("*\n")
    source = Directory(name="shop", path=project)
    first = fetched(source, how)
    assert (first.what, first.origin) == ("the project itself", "the project itself")
    assert how_to_build(first)[0].backend == "backend"
    assert fetched(source, how) == first
    (project / "shop.py").write_text("")
    assert fetched(source, how).digest != first.digest


def test_another_directory_has_its_name_and_no_path(how: Fetching, tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "setup.py").write_text("")
    found = fetched(Directory(name="core", path=tmp_path / "core"), how)
    assert (found.what, found.origin) == ("directory core", "directory core")


def test_a_version_of_git_brings_the_history(how: Fetching, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet")
    (project / "setup.py").write_text("setup()\n")
    commit(project)
    source = Directory(name="shop", path=project)
    with tarfile.open(fetched(source, how).archive) as packed:
        assert not any(".git" in name for name in packed.getnames())
    (project / "setup.py").write_text("setup(setup_requires=['setuptools_scm'])")
    first = fetched(source, how)
    with tarfile.open(first.archive) as packed:
        assert "source/.git/HEAD" in packed.getnames()
    git(project, "tag", "v2")
    assert fetched(source, how).digest != first.digest


def test_a_wheel_at_an_address_is_fetched_and_compared(how: Fetching, tmp_path: Path) -> None:
    wheel = tmp_path / "x-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    found = fetched(Archive(name="x", url=wheel.as_uri()), how)
    assert found.is_wheel
    assert found.archive.name == wheel.name
    assert found.origin == f"archive {sha256(wheel)}"
    assert fetched(Archive(name="x", url=str(wheel)), how).archive == wheel
    for url in (str(wheel), wheel.as_uri()):
        with pytest.raises(EngineError, match="its hash differs"):
            fetched(Archive(name="x", url=url, hashes=("sha256:00",)), how)


def test_what_is_secret_is_not_copied(how: Fetching, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("setup.py", ".env"):
        (project / name).write_text(name)
    careful = replace(how, secret=(project / ".env", tmp_path / "elsewhere"))
    with tarfile.open(fetched(Directory(name="shop", path=project), careful).archive) as packed:
        assert [Path(name).name for name in packed.getnames()] == ["setup.py"]
