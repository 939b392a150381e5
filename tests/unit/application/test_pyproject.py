"""pyproject.toml without a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.application.pins import Directory, GitSource, Requirements
from runner.application.requirements import read_requirements
from runner.errors import SpecError

PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = [
  "flask>=3",
  "tools",
]

[project.optional-dependencies]
Postgres = ["psycopg[binary]==3.3.1"]

[dependency-groups]
web = ["gunicorn==23.0.0", {include-group = "shared"}]
shared = ["redis"]
"""


def read(
    tmp_path: Path, text: str, *, extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()
) -> Requirements:
    (tmp_path / "pyproject.toml").write_text(text)
    return read_requirements("pyproject.toml", root=tmp_path, extras=extras, groups=groups)


def test_dependencies_extras_and_groups(tmp_path: Path) -> None:
    found = read(tmp_path, PROJECT, extras=("postgres",), groups=("web",))
    assert [str(pin) for pin in found.pins] == [
        "flask>=3", "tools", "psycopg[binary]==3.3.1", "gunicorn==23.0.0", "redis",
    ]  # fmt: skip
    assert found.python == ">=3.11"
    assert found.pins[0].place == "pyproject.toml:6"


def test_nothing_is_wanted_that_is_not_chosen(tmp_path: Path) -> None:
    assert [pin.name for pin in read(tmp_path, PROJECT).pins] == ["flask", "tools"]


def test_extras_that_include_each_other(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "Shop"\n[project.optional-dependencies]\n'
        'all = ["shop[web,cache]"]\nweb = ["gunicorn"]\ncache = ["redis", "shop[all]"]\n'
    )
    found = read(tmp_path, text, extras=("all",))
    assert {pin.name for pin in found.pins} == {"gunicorn", "redis"}


def test_groups_alone_need_no_project(tmp_path: Path) -> None:
    text = '[dependency-groups]\nweb = ["flask"]\n'
    assert [pin.name for pin in read(tmp_path, text, groups=("web",)).pins] == ["flask"]


def test_sources_of_uv(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "setup.py").touch()
    sources = (
        '[tool.uv.sources]\ntools = {git = "https://localhost/tools", tag = "v1"}\n'
        'flask = {path = "libs"}\n'
    )
    flask, tools = read(tmp_path, PROJECT + sources).sources
    assert isinstance(flask, Directory)
    assert isinstance(tools, GitSource)
    assert (tools.name, tools.url, tools.revision) == ("tools", "https://localhost/tools", "v1")


def test_dependencies_that_setuptools_reads_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "base.in").write_text("flask==3.1.2\n")
    text = (
        '[project]\nname = "shop"\ndynamic = ["version", "dependencies"]\n'
        '[tool.setuptools.dynamic]\ndependencies = {file = ["base.in"]}\n'
    )
    (flask,) = read(tmp_path, text).pins
    assert flask.exact == "3.1.2"


@pytest.mark.parametrize(
    ("text", "chosen", "message"),
    [
        ("[project\n", {}, r"pyproject.toml: this is no TOML \(.*line 1"),
        ("[tool.black]\n", {}, r"no \[project\] table: name a requirements file"),
        ("[tool.poetry]\nname = 'x'\n", {}, "name poetry.lock instead"),
        ("[project]\nname = 'x'\ndynamic = ['dependencies']\n", {}, "pyproject.toml:3: .*computed"),
        ("[project]\nname = 'x'\ndependencies = ['a b']\n", {}, "pyproject.toml:3: 'a b' is no"),
        (PROJECT, {"extras": ("postgre",)}, "no extra 'postgre'; did you mean 'Postgres'"),
        (PROJECT, {"groups": ("wob",)}, "no group 'wob'; did you mean 'web'"),
        ("[project]\nname = 'x'\n", {"groups": ("web",)}, "no group 'web'; it has no groups"),
        ("[dependency-groups]\na = [{include-group='b'}]\n", {"groups": ("a",)},
         r"\[dependency-groups\]: .*'b' not found"),
    ],
)  # fmt: skip
def test_mistakes(
    tmp_path: Path, text: str, chosen: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        read(tmp_path, text, **chosen)
