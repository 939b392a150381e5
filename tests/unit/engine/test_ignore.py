"""`.dockerignore`, as Docker reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.engine.ignore import not_ignored

FILES = (
    "#app.py",
    ".dockerignore",
    "Dockerfile",
    "app.py",
    "app.pyc",
    "docs/index.md",
    "docs/keep/me.md",
    "src/app.py",
    "src/deep/app.pyc",
    "src/deep/secret.env",
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "left_out"),
    [
        ("", set()),
        ("# app.py\n\n   \n", set()),
        ("#app.py", set()),
        (" #app.py", {"#app.py"}),
        ("*.pyc", {"app.pyc"}),
        ("**/*.pyc", {"app.pyc", "src/deep/app.pyc"}),
        ("/app.py/", {"app.py"}),
        ("  app.py  ", {"app.py"}),
        ("\ufeffapp.py", {"app.py"}),
        ("docs", {"docs/index.md", "docs/keep/me.md"}),
        ("docs\n!docs/keep", {"docs/index.md"}),
        ("!docs/keep\ndocs", {"docs/index.md", "docs/keep/me.md"}),
        ("src/*/secret.*", {"src/deep/secret.env"}),
        ("src/./x/../deep", {"src/deep/app.pyc", "src/deep/secret.env"}),
        ("a??.py", {"app.py"}),
        ("APP.py\ndocs/INDEX.md\n[D]ocs", set()),
        ("dockerfile\n[d]*", {"docs/index.md", "docs/keep/me.md"}),
        (".dockerignore\nDockerfile", {".dockerignore", "Dockerfile"}),
        ("*\n!src\n!*.py", {*FILES} - {"#app.py", "app.py", "src/app.py", *FILES[-2:]}),
        ("*\n!.dockerignore", {*FILES} - {".dockerignore"}),
        ("*\n!", {*FILES}),
    ],
)
def test_what_is_excluded(directory: Path, patterns: str, left_out: set[str]) -> None:
    (directory / ".dockerignore").write_text(patterns, encoding="utf-8")
    kept = not_ignored(directory)
    assert {name for name in FILES if name not in kept} == left_out


def test_directories_are_among_what_is_kept(directory: Path) -> None:
    (directory / "empty").mkdir()
    (directory / ".dockerignore").write_text("docs\n")
    kept = not_ignored(directory)
    assert {"empty", "src", "src/deep"} <= kept
    assert "docs" not in kept
