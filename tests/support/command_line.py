"""The program's command line, called in the test's own process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from runner import cli


class Said(NamedTuple):
    """How a command ended: its exit code and what it printed to either stream."""

    code: int
    out: str
    err: str


#: A command line without `matrix` itself, to what came of it.
Matrix = Callable[..., Said]


def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Matrix:
    """A function that runs a command as `matrix` would."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["matrix", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    return run


def assert_error(said: Said, *words: str, code: int = 2) -> None:
    """One message, which starts with `error:`, has all the words, and is no traceback."""
    assert said.code == code, said
    assert "Traceback" not in said.err
    lines = [line for line in said.err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, said.err
    for word in words:
        assert word in lines[0], (word, lines[0])
