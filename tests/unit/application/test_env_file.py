"""`.env` files and the variables of an application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.application.env_file import Variables, read_env_file, variables_of
from runner.errors import SpecError
from tests.unit.application.applications import application

HOST = {"HOME": "/home/me", "EMPTY": "", "TOKEN": "host-token"}


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def variables(directory: Path, **section: Any) -> Variables:
    return variables_of(application(directory, **section), HOST)


# -- the files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n# nothing\n\n", {}),
        ("A=1", {"A": "1"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1", {"A": "1"}),
        (" A = 1 ", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A=''", {"A": ""}),
        ("A=1 # one", {"A": "1"}),
        ("A=1#one", {"A": "1#one"}),
        ("A='1 # one' # two", {"A": "1 # one"}),
        ('A="a \\"b\\" \\\\ c"', {"A": 'a "b" \\ c'}),
        ('A="a\\nb"', {"A": "a\nb"}),
        ("A='a\\nb'", {"A": "a\\nb"}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A=x=y==", {"A": "x=y=="}),
        ("A=1\nA=2", {"A": "2"}),
        # references
        ("A=${HOME}/a", {"A": "/home/me/a"}),
        ('A="${HOME}/a"', {"A": "/home/me/a"}),
        ("A='${HOME}/a'", {"A": "${HOME}/a"}),
        (" export A = '${HOME}' # '", {"A": "${HOME}"}),
        ("A=it's ${HOME}", {"A": "it's /home/me"}),
        ("A=${NOBODY}", {"A": ""}),
        ("A=${NOBODY:-a b}", {"A": "a b"}),
        ("A=${EMPTY:-a}", {"A": "a"}),
        ("P=1\nA=${P}2", {"P": "1", "A": "12"}),
        ("A=${P}2\nP=1", {"P": "1", "A": "2"}),
        ("HOME=/file\nA=${HOME}", {"HOME": "/file", "A": "/home/me"}),
        ("A=$HOME and $$ and 5$", {"A": "$HOME and $$ and 5$"}),
        ("A=$${HOME}", {"A": "${HOME}"}),
        # names alone
        ("TOKEN\nNOBODY\nA=1", {"TOKEN": "host-token", "A": "1"}),
    ],
)
def test_what_a_file_says(env_file: Path, text: str, expected: dict[str, str]) -> None:
    env_file.write_bytes(text.encode())
    assert read_env_file(env_file, HOST) == expected


@pytest.mark.parametrize(
    ("content", "where", "words"),
    [
        (b"A=1\n\n\nB='hidden", ":4:1", "its quotes"),
        (b"A=1\nhidden word\n", ":2:1", "`NAME=value`"),
        (b"hid/den=1\n", ":1:1", "no name of a variable"),
        (b"1A=hidden\n", ":1:1", "no name of a variable"),
        (b"# a\nA=hidden${HOME-hidden}\n", ":2:1", "value of A is not understood"),
        (b"A=hidden${HOME", ":1:1", "`${NAME:-default}`"),
        (b"A=\xff", "", "save it as UTF-8"),
        (b"A=hid\0den", "", "NUL character"),
    ],
)
def test_a_mistake_has_its_line_and_shows_no_value(
    env_file: Path, content: bytes, where: str, words: str
) -> None:
    env_file.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_env_file(env_file, HOST)
    assert str(caught.value).startswith(f"{env_file}{where}: ")
    assert words in str(caught.value)
    assert "hid" not in str(caught.value)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot be read .*; check path and permissions"):
        read_env_file(tmp_path, HOST)


# -- the application's -----------------------------------------------------------------------------


def test_literals_are_public_and_all_else_is_secret(tmp_path: Path, env_file: Path) -> None:
    env_file.write_text("KEY=file-key\nMODE=file-mode\n")
    found = variables(
        tmp_path,
        env_file=".env",
        environment={
            "MODE": "test", "COST": "5$", "LITERAL": "$${TOKEN}", "AUTH": "t ${TOKEN}",
            "PORT": "${PORT:-5432}",
        },
    )  # fmt: skip
    assert dict(found.public) == {"COST": "5$", "LITERAL": "${TOKEN}", "MODE": "test"}
    assert dict(found.secret) == {"AUTH": "t host-token", "KEY": "file-key", "PORT": "5432"}
    assert found.all == dict(found.public) | dict(found.secret)
    assert found.secrets.values == {"t host-token", "file-key", "5432"}


def test_later_files_count(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\nB=1\n")
    (tmp_path / "b.env").write_text("B=2\n")
    found = variables(tmp_path, env_file=["a.env", "b.env"], environment={"A": "${TOKEN}"})
    assert dict(found.secret) == {"A": "host-token", "B": "2"}
    assert found.public == ()


def test_no_variables(tmp_path: Path) -> None:
    assert variables(tmp_path) == Variables()


def test_a_variable_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"matrix.yaml:1:\d+: application.environment: .* NOBODY "):
        variables(tmp_path, environment={"A": "${TOKEN}${NOBODY}"})


def test_a_file_that_is_not_there(tmp_path: Path, env_file: Path) -> None:
    env_file.write_text("")
    with pytest.raises(SpecError, match=r"matrix.yaml:1:\d+: application.env_file: .*lost; fix"):
        variables(tmp_path, env_file=[".env", "lost"])


def test_a_secret_is_in_no_repr(tmp_path: Path, env_file: Path) -> None:
    env_file.write_text("A=hidden-a\n")
    found = variables(tmp_path, env_file=".env", environment={"B": "${TOKEN}", "C": "shown"})
    assert "shown" in repr(found)
    assert "hidden" not in f"{found!r} {found} {found.secrets!r}"
    assert "token" not in f"{found!r} {found} {found.secrets!r}"


def test_the_digest_tells_the_same_secrets_from_others() -> None:
    def digest(*pairs: tuple[str, str], key: bytes = b"key") -> str:
        return Variables(secret=pairs).digest(key)

    same = digest(("A", "1"), ("B", "2"))
    assert digest(("A", "1"), ("B", "2")) == same
    others = {
        digest(("A", "1"), ("B", "3")),
        digest(("A", "1")),
        digest(("A", "1B"), ("", "2")),
        digest(("A", "1"), ("B", "2"), key=b"other"),
        digest(),
    }
    assert len(others | {same}) == 6
