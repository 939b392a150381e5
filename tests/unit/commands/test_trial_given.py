"""What the command line of `matrix try` says, and what lies in the directory where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.commands.trial.given import Given, completed, variables
from runner.errors import UsageError
from tests.support.command_line import Matrix, assert_error

APP = "from flask import Flask\napp = Flask(__name__)\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "wsgi.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text("flask==3.1.3\n")
    return tmp_path


def test_what_lies_in_the_directory_is_taken(checkout: Path) -> None:
    found = completed(Given(directory=checkout))
    assert (found.app, found.requirements) == ("wsgi:app", ("requirements.txt",))
    assert found.has_found_requirements
    assert found.found == ("application: wsgi:app (wsgi.py:2)", "requirements: requirements.txt")


def test_what_is_said_counts(checkout: Path) -> None:
    given = Given(directory=checkout, app="shop:make()", requirements=("flask", "redis"))
    assert completed(given) == given


def test_a_start_command_says_how_it_is_served(checkout: Path) -> None:
    (checkout / "api").mkdir()
    (checkout / "api" / "main.py").write_text(APP)
    (checkout / "conf.py").write_text("workers = 3\n")
    (checkout / ".flaskenv").write_text("FLASK_APP=api.main\n")
    (checkout / "Procfile").write_text("web: gunicorn -c conf.py --chdir api main:app\n")
    found = completed(Given(directory=checkout))
    assert (found.app, found.chdir, found.gunicorn_config) == ("main:app", "api", "../conf.py")
    assert found.flask_app == "api.main"


def test_the_application_of_a_directory_in_it(checkout: Path) -> None:
    (checkout / "api").mkdir()
    (checkout / "api" / "app.py").write_text(APP)
    (checkout / "api" / "requirements.txt").write_text("flask\n")
    found = completed(Given(directory=checkout, chdir="api"))
    assert (found.app, found.chdir, found.requirements) == (
        "app:app",
        "api",
        ("api/requirements.txt",),
    )


def test_variables_are_read_and_not_shown() -> None:
    given = variables(["A=b=c", "HOME", "EMPTY="], {"HOME": "/root"})
    assert given == {"A": "b=c", "HOME": "/root", "EMPTY": ""}
    assert "b=c" not in repr(Given(directory=Path(), variables=given))
    assert Given(directory=Path(), variables={"PATH": "mine"}).host["PATH"] == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NOBODY_SETS_THIS", "-e NOBODY_SETS_THIS: the variable is not set here"),
        ("2X=secret", "-e '2X': write KEY=VALUE"),
        ("the-secret-itself", "-e …: write KEY=VALUE"),
        ("A=b\0c", "-e A: a NUL character"),
    ],
)
def test_a_wrong_variable_is_one_clear_error(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        variables([text], {})
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_bad_usage_ends_with_2_before_anything_is_built(matrix: Matrix, tmp_path: Path) -> None:
    assert_error(matrix("try"), "no application is found in this directory", "matrix try")
    (tmp_path / "wsgi.py").write_text(APP)
    assert_error(matrix("try", "--chdir", "none"), "--chdir none", "no such directory")
    for arguments, words in {
        ("--path", "shop"): ("error: --path shop: ", "is not a path"),
        ("--debian", "Not A Package"): ("error: --debian Not A Package: ", "Debian package"),
        ("--debian", "git", "--debian", "X"): ("error: --debian X: ", "Debian package"),
        ("--service", "postgre"): ("error: --service postgre: ", "'postgres'"),
        ("--python", "eleven"): ("error: --python eleven: ", "eleven"),
        ("--env-file", "no.env"): ("error: --env-file no.env: ", "there is no file"),
        ("-r", "requirements.txt"): ("error: ", "requirements.txt"),
        ("--include", "nothing-*"): ("error: --include nothing-*: ", "matches nothing"),
    }.items():
        assert_error(matrix("try", *arguments), *words)
    assert_error(matrix("try", "shop:app("), "error: APP shop:app(: ")
