"""What may be named as an application's requirements, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.application.pins import Directory, GitSource, Target, on
from runner.application.requirements import read_requirements
from runner.errors import SpecError


def test_a_requirement_instead_of_a_file(tmp_path: Path) -> None:
    (pin,) = read_requirements("ihatemoney[database]==7.2.1", root=tmp_path).pins
    assert (str(pin), pin.exact) == ("ihatemoney[database]==7.2.1", "7.2.1")


def test_several(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask==3.1.2\n")
    (tmp_path / "plugin.in").write_text("redis\n")
    found = read_requirements(["requirements.txt", "plugin.in", "gunicorn"], root=tmp_path)
    assert [pin.name for pin in found.pins] == ["flask", "redis", "gunicorn"]


def test_an_address_and_a_directory(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "setup.py").touch()
    found = read_requirements(["git+https://localhost/a.git#egg=a", "core"], root=tmp_path)
    git, directory = found.sources
    assert isinstance(git, GitSource)
    assert isinstance(directory, Directory)
    assert directory.requires is None


def test_markers_hold_for_the_cell_and_not_for_this_machine(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "tomli ; python_version < '3.11'\n"
        "colorama ; sys_platform == 'win32'\n"
        "psycopg ; platform_machine == 'aarch64'\n"
        "uvloop ; python_full_version >= '3.10.0'\n"
    )
    found = read_requirements("requirements.txt", root=tmp_path)

    def names(python: str, platform: str) -> list[str]:
        return [pin.name for pin in on(found.target(python, platform), found.pins)]

    assert names("3.9", "x86_64-manylinux_2_28") == ["tomli"]
    assert names("3.13", "aarch64-manylinux_2_28") == ["psycopg", "uvloop"]


def test_a_marker_about_an_extra_holds_for_the_chosen_ones() -> None:
    marker = "extra == 'fast'"
    assert not Target(python="3.11").meets(marker)
    assert Target(python="3.11", extras=frozenset({"fast"})).meets(marker)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("requirement.txt", "there is no such file"),
        ("setup.py", "it is a program"),
        ("Pipfile", "Pipfile.lock"),
        ("environment.yml", "conda"),
        ("notes.md", r"not known: name requirements\*.txt, pylock.toml"),
        ("flask=3", "'flask=3' is no requirement"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    for existing in ("setup.py", "Pipfile", "environment.yml", "notes.md"):
        (tmp_path / existing).touch()
    with pytest.raises(SpecError, match=message):
        read_requirements(name, root=tmp_path)


@pytest.mark.parametrize(
    ("kind", "name"), [("groups", "requirements.txt"), ("extras", "Pipfile.lock")]
)
def test_groups_or_extras_of_what_has_none(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "Pipfile.lock").write_text('{"default": {}}')
    with pytest.raises(SpecError, match=f"{name}: there are no {kind} in it: remove `{kind}`"):
        read_requirements(name, root=tmp_path, **{kind: ["x"]})
