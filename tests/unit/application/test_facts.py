"""What an application's files say of the cells that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.application.facts import facts_of
from runner.matrix.application import Application
from tests.unit.matrix.matrices import expanded

PYTHONS = ("3.9", "3.11", "3.13")


def application(directory: Path, lines: str) -> Application:
    found = expanded(
        directory,
        "version: 1\nexperiments:\n  shop:\n    application:\n      app: shop\n"
        + "".join(f"      {line}\n" for line in lines.splitlines()),
    ).application
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("file", "content", "python", "remark"),
    [
        (".python-version", "3.12\n", "3.12", "Python 3.12: .python-version:1 says '3.12'"),
        (
            "pyproject.toml",
            '[project]\nname = "shop"\nrequires-python = ">=3.10,<3.13"\n',
            "3.11",
            "Python 3.11: pyproject.toml says 'requires-python >=3.10,<3.13'",
        ),
        (
            "pyproject.toml",
            '[project]\nname = "shop"\nrequires-python = ">=3.10"\n',
            "3.13",
            "Python 3.13: pyproject.toml says 'requires-python >=3.10'",
        ),
        (
            "README",
            "",
            "3.13",
            "Python 3.13: the application does not say which; name it in `axes`",
        ),
    ],
)
def test_python(tmp_path: Path, file: str, content: str, python: str, remark: str) -> None:
    """One that is named, the newest of ours in a range, or the usual one."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / file).write_text(content)
    found = facts_of(application(tmp_path, "source: src"), PYTHONS)
    assert (found.python, found.remarks) == (python, (remark,))


def test_packages_are_those_that_are_installed_and_no_mere_constraints(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("Flask==3.1.3\ngevent\n-c limits.txt\n")
    (tmp_path / "limits.txt").write_text("grpcio<2\n")
    found = facts_of(application(tmp_path, "requirements: requirements.txt"), PYTHONS)
    assert found.packages == {"flask", "gevent"}
