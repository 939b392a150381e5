"""Which files are an application's source, and what was left out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from runner.application.source import Rule, Source, SourceFile, source_of
from runner.errors import SpecError, UsageError
from tests.support.git import git
from tests.unit.application.applications import application


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory with a source in it, beside the matrix file."""
    directory = tmp_path / "shop"
    write(directory, ["app.py", "pkg/__init__.py", "pkg/version.py", "static/a.css"])
    return directory


def write(directory: Path, names: Iterable[str]) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(f"{name}\n")


def chosen(directory: Path, apart_from: Iterable[Path] = (), **section: Any) -> Source:
    found = source_of(
        application(directory.parent, source=directory.name, **section), apart_from=apart_from
    )
    assert found is not None
    return found


def names(source: Source) -> list[str]:
    return [file.path for file in source.files]


# -- the rules -------------------------------------------------------------------------------------


def test_no_source(tmp_path: Path) -> None:
    assert source_of(application(tmp_path, source="none")) is None


def test_all_but_what_is_made_again(shop: Path) -> None:
    write(
        shop,
        ["static/.git/x", "pkg/__pycache__/a.pyc", "env/pyvenv.cfg", "env/bin/python", ".hidden"],
    )
    found = chosen(shop)
    expected = [".hidden", "app.py", "pkg/__init__.py", "pkg/version.py", "static/a.css"]
    assert (found.rule, names(found)) == (Rule.ALL, expected)
    assert found.left_out == ("env/",)


def test_what_git_tracks_or_does_not_ignore(shop: Path) -> None:
    git(shop, "init")
    write(
        shop, ["tracked.log", "untracked.txt", "ignored.log", "build/x/y.js", "gone.py", "ä\n.py"]
    )
    (shop / ".gitignore").write_text("*.log\nbuild\n/pkg/version.py\n")
    git(shop, "add", "--force", "app.py", "gone.py", "tracked.log")
    (shop / "gone.py").unlink()
    found = chosen(shop)
    assert found.rule == Rule.GIT
    assert set(names(found)) == {
        ".gitignore", "app.py", "pkg/__init__.py", "static/a.css", "tracked.log", "untracked.txt",
        "ä\n.py",
    }  # fmt: skip
    assert found.left_out == ("build/", "ignored.log", "pkg/version.py")


def test_a_directory_in_a_repository_is_its_own_source(tmp_path: Path, shop: Path) -> None:
    git(tmp_path, "init")
    write(tmp_path, ["beside.py"])
    (tmp_path / ".gitignore").write_text("version.py\n")
    found = chosen(shop)
    assert (found.rule, names(found)) == (
        Rule.GIT, ["app.py", "pkg/__init__.py", "static/a.css"],
    )  # fmt: skip


def test_a_repository_that_ignores_the_whole_directory_decides_nothing(
    tmp_path: Path, shop: Path
) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("*\n")
    assert chosen(shop).rule == Rule.ALL


def test_a_repository_in_the_repository_is_copied_by_its_own_rules(shop: Path) -> None:
    git(shop, "init")
    for inner in ("untracked/deep", "untracked", "module"):
        write(shop / inner, ["a.py", "b.log"])
        git(shop / inner, "init")
        (shop / inner / ".gitignore").write_text("*.log\n")
        git(shop / inner, "add", ".")
        git(shop / inner, "commit", "-m", "a")
    git(shop, "add", "module")
    found = names(chosen(shop))
    assert {"module/a.py", "untracked/a.py", "untracked/deep/a.py"} <= set(found)
    assert not [name for name in found if name.endswith(".log") or "/.git/" in name]


def test_a_repository_runs_nothing(shop: Path, tmp_path: Path) -> None:
    git(shop, "init")
    monitor = tmp_path / "monitor.sh"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    monitor.chmod(0o755)
    git(shop, "config", "core.fsmonitor", str(monitor))
    assert "app.py" in names(chosen(shop))
    assert not (tmp_path / "ran").exists()


def test_variables_of_another_repository_are_not_heard(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shop, "init")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert chosen(shop).rule == Rule.GIT


def test_a_repository_without_git_needs_another_rule(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / ".git").mkdir()
    with pytest.raises(UsageError, match=r"git must say which .* cannot .*\.dockerignore"):
        chosen(shop)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed here"):
        chosen(shop)


def test_dockers_own_file_comes_first(shop: Path) -> None:
    git(shop, "init")
    (shop / ".gitignore").write_text("version.py\n")
    (shop / ".dockerignore").write_text("static\n.git\n")
    (shop / "empty" / "er").mkdir(parents=True)
    found = chosen(shop)
    assert found.rule == Rule.DOCKER
    assert names(found) == [
        ".dockerignore", ".gitignore", "app.py", "pkg/__init__.py", "pkg/version.py",
    ]  # fmt: skip
    assert found.empty == ("empty/er",)
    assert found.left_out == ("static/",)


def test_an_ignore_file_that_is_no_text(shop: Path) -> None:
    (shop / ".dockerignore").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"\.dockerignore: not understood .*; fix it"):
        chosen(shop)


# -- include, and what is never copied -------------------------------------------------------------


def test_include_adds_what_is_ignored(shop: Path) -> None:
    write(shop, ["build/js/a.js", "build/b.txt", "build/__pycache__/c.pyc"])
    (shop / ".dockerignore").write_text("build\npkg\n*.css\n")
    found = chosen(shop, include=["pkg/v*.py", "build"])
    assert set(names(found)) - {".dockerignore"} == {
        "app.py", "build/b.txt", "build/js/a.js", "pkg/version.py", "static/a.css",
    }  # fmt: skip
    assert found.left_out == ("pkg/__init__.py",)


@pytest.mark.parametrize("pattern", ["nothing/*.py", "a**"])
def test_an_include_without_effect_is_a_mistake(shop: Path, pattern: str) -> None:
    with pytest.raises(SpecError, match=r"matrix.yaml:1:\d+: application.include: .*fix") as error:
        chosen(shop, include=["app.py", pattern])
    assert pattern in str(error.value)


def test_what_changes_with_every_run_and_what_is_secret_stays_out(tmp_path: Path) -> None:
    write(tmp_path, ["app.py", ".env", "conf/key.pem", "conf/a.ini", "results/latest/table.md"])
    found = source_of(
        application(
            tmp_path, include=[".env"], env_file=".env", files={"/etc/key.pem": "./conf/key.pem"}
        ),
        apart_from=[tmp_path / "results"],
    )
    assert found is not None
    assert names(found) == ["app.py", "conf/a.ini"]
    assert found.left_out == (".env", "conf/key.pem")


# -- files of all kinds ----------------------------------------------------------------------------


def test_sizes_links_and_executable_files(shop: Path) -> None:
    (shop / "app.py").chmod(0o700)
    (shop / "link").symlink_to("pkg")
    (shop / "dangling").symlink_to("/nowhere")
    os.mkfifo(shop / "pipe")
    found = {file.path: file for file in chosen(shop).files}
    assert found["app.py"] == SourceFile(path="app.py", size=7, executable=True)
    assert found["link"] == SourceFile(path="link", target="pkg")
    assert found["dangling"] == SourceFile(path="dangling", target="/nowhere")
    assert not found["pkg/version.py"].executable
    assert not {"pipe", "link/version.py"} & found.keys()
    assert chosen(shop).size == sum(
        len(f"{name}\n") for name in found if ".py" in name or ".css" in name
    )


def test_an_include_through_a_link_is_not_copied_twice(shop: Path) -> None:
    (shop / "link").symlink_to("pkg")
    assert "link/version.py" not in names(chosen(shop, include=["link/version.py"]))


def test_a_file_whose_name_is_not_utf_8(shop: Path) -> None:
    name = os.fsdecode(b"\xff.py")
    (shop / name).write_text("")
    found = chosen(shop)
    assert name in names(found)
    assert len(found.digest) == 64


def other_link(directory: Path) -> Path:
    link = directory.parent / "link"
    link.symlink_to("main.py")
    return link


def test_the_digest_is_of_names_contents_links_and_bits(shop: Path) -> None:
    (shop / "link").symlink_to("app.py")
    (shop / "empty").mkdir()
    digests = [chosen(shop).digest]
    for change in (
        lambda: (shop / "app.py").write_text("other.\n"),
        lambda: (shop / "app.py").chmod(0o755),
        lambda: (shop / "app.py").rename(shop / "main.py"),
        lambda: (shop / "link").rename(shop / "other"),
        lambda: other_link(shop).replace(shop / "other"),
        lambda: (shop / "empty").rename(shop / "void"),
        (shop / "void").rmdir,
    ):
        change()
        digests.append(chosen(shop).digest)
    assert len(set(digests)) == len(digests)
    os.utime(shop / "main.py", (0, 0))
    (shop / "main.py").chmod(0o744)
    assert chosen(shop).digest == digests[-1]


def test_a_file_that_changes_is_an_error(shop: Path) -> None:
    for content in ("", "longer than before\n"):
        found = chosen(shop)
        (shop / "app.py").write_text(content)
        with pytest.raises(UsageError, match=r"app\.py: changed while .* run the same command"):
            found.digest_now()
    (shop / "app.py").unlink()
    with pytest.raises(UsageError, match=r"app\.py: cannot be copied .*; fix its permissions"):
        found.digest_now()


# -- places that are not there ---------------------------------------------------------------------


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"matrix.yaml:1:\d+: application.source: .*/lost; fix"):
        source_of(application(tmp_path, source="lost"))


def test_a_start_that_is_not_there(shop: Path) -> None:
    with pytest.raises(SpecError, match=r"matrix.yaml:1:\d+: application.chdir: .*/src; fix"):
        chosen(shop, chdir="src")
    assert "pkg/version.py" in names(chosen(shop, chdir="pkg"))


def test_a_start_of_which_nothing_is_copied(shop: Path) -> None:
    (shop / ".dockerignore").write_text("pkg\n")
    with pytest.raises(SpecError, match=r"chdir: no file of .*/pkg .*\.dockerignore.*`include:`"):
        chosen(shop, chdir="pkg")


# -- explaining what is missing --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("app.version", {"src/app/version.py"}),
        ("version", {"src/app/version.py"}),
        ("fast", {"src/fast.cpython-311-x86_64-linux-gnu.so"}),
        ("app.assets.manifest", {"src/app/assets/"}),
        ("app/assets/manifest.json", {"src/app/assets/"}),
        ("assets", {"src/app/assets/"}),
        ("flaskbb.cfg", {"flaskbb.cfg"}),
        ("conf/flaskbb.cfg", set()),
        ("sion", set()),
        ("flask", set()),
    ],
)
def test_what_is_missing_may_have_been_left_out(missing: str, expected: set[str]) -> None:
    source = Source(
        directory=Path(),
        rule=Rule.GIT,
        files=(),
        left_out=(
            "flaskbb.cfg", "src/app/assets/", "src/app/version.py",
            "src/fast.cpython-311-x86_64-linux-gnu.so",
        ),
    )  # fmt: skip
    assert set(source.left_out_as(missing)) == expected
