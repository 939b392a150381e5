"""Which Python an application says it is for, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.application.own_python import admits, own_python, statements
from runner.application.poetry_project import specifier_of

STANDARD = "[project]\nrequires-python ="
POETRY = "[tool.poetry.dependencies]\npython ="
PIPENV = '{"_meta": {"requires": {"python_version": '


@pytest.mark.parametrize(
    ("name", "text", "version", "place"),
    [
        (".python-version", "3.12.4\n", "3.12", ".python-version:1"),
        (".python-version", "# ours\ncpython-3.12\n", "3.12", ".python-version:2"),
        ("runtime.txt", "python-3.11.9", "3.11", "runtime.txt:1"),
        ("Dockerfile", "FROM python:3.12-slim\n", "3.12", "Dockerfile:1"),
        ("Dockerfile", "FROM --platform=linux/amd64 host/python:3.12 AS x", "3.12", "Dockerfile:1"),
        ("Dockerfile", "FROM ghcr.io/astral-sh/uv:python3.13-bookworm", "3.13", "Dockerfile:1"),
        ("Dockerfile", "ARG V=3.12\nFROM python:${V}-slim", "3.12", "Dockerfile:2"),
        ("Dockerfile", "FROM python:${V:-3.10}", "3.10", "Dockerfile:1"),
        ("Dockerfile", "FROM python:3.11 AS a\nFROM node:20 AS b\nfrom a", "3.11", "Dockerfile:1"),
        ("pyproject.toml", f"{STANDARD} '~=3.12.0'", "3.12", "pyproject.toml"),
        ("pyproject.toml", f"{STANDARD} '>= 3.13, <3.14'", "3.13", "pyproject.toml"),
        ("pyproject.toml", f"{POETRY} '~3.12.7'", "3.12", "pyproject.toml"),
        ("uv.lock", 'requires-python = "==3.13.*"', "3.13", "uv.lock"),
        ("poetry.lock", '[metadata]\npython-versions = "3.11.*"', "3.11", "poetry.lock"),
        ("Pipfile.lock", f'{PIPENV}"3.7"}}}}}}', "3.7", "Pipfile.lock"),
    ],
)  # fmt: skip
def test_a_version(tmp_path: Path, name: str, text: str, version: str, place: str) -> None:
    (tmp_path / name).write_text(text)
    found = own_python(tmp_path)
    assert found
    assert (found.version, found.place) == (version, place)
    assert found.allows(version)
    assert not found.allows("3.8")


def test_a_range_allows_several(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')
    found = own_python(tmp_path)
    assert found
    assert found.version is None
    assert (found.text, found.allows("3.13"), found.allows("3.10")) == (
        "requires-python >=3.11", True, False,
    )  # fmt: skip


def test_the_version_it_is_run_with_decides(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n')
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\n")
    (tmp_path / "runtime.txt").write_text("python-3.11.1\n")
    assert [statement.place for statement in statements(tmp_path)] == [
        "runtime.txt:1", "Dockerfile:1", "pyproject.toml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["FROM debian:12\nRUN apt-get install python3\n", "FROM python:latest"]
)
def test_nothing_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    assert own_python(tmp_path) is None


@pytest.mark.parametrize(
    ("written", "python", "allowed"),
    [(">=3.11.4", "3.11", True), ("<3.12", "3.12", False), ("==3.13.*", "3.11", False)],
)
def test_a_specifier_admits_a_python_by_any_of_its_patch_releases(
    written: str, python: str, allowed: bool
) -> None:
    assert admits(written, python) is allowed


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("^3.9", ">=3.9,<4"), ("^0.2.3", ">=0.2.3,<0.3"), ("~3.12.7", ">=3.12.7,<3.13"),
        ("~3", ">=3,<4"), (">=3.9, <3.13", ">=3.9,<3.13"), ("*", ""), ("3.11.*", "==3.11.*"),
        ("^3.9 || ^2.7", ""),
    ],
)  # fmt: skip
def test_poetrys_versions(written: str, same: str) -> None:
    assert set(specifier_of(written).split(",")) == set(same.split(","))
