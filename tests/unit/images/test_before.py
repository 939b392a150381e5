"""Commands that come before a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import contract
from tests.support.program import Program

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [open("made.txt", "rb").read()]
"""
GUNICORN = {"MATRIX_APPLICATION": "app:application", "MATRIX_SERVER": "gunicorn-sync"}


@pytest.fixture
def program(served: Program) -> Program:
    (served.cwd / "app.py").write_text(APP, encoding="utf-8")
    return served


def test_they_run_in_order_in_the_directory_of_the_application(program: Program) -> None:
    before = '["printf hel > made.txt", "printf lo >> made.txt; test ! -e /dev/null/x"]'
    with program.started(**GUNICORN, MATRIX_BEFORE=before) as process:
        assert program.answer(process) == "hello"
    (started,) = program.shared("started")
    assert int(started) > 0


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_the_first_that_fails_ends_it(program: Program, command: str, status: int) -> None:
    before = f'["echo one", "{command}", "echo two"]'
    assert program.ended(**GUNICORN, MATRIX_BEFORE=before) == contract.BEFORE_FAILED
    assert program.log == f"one\nbefore: {command} ended with status {status}\n"
    assert program.shared("started") == []


def test_nothing_in_them_is_patched(program: Program, tmp_path: Path) -> None:
    """They come before the patch: this one makes the module that patching needs."""
    gevent = "mkdir gevent && echo 'def patch_all(): print(1234)' > gevent/monkey.py"
    (program.cwd / "made.txt").write_text("hello", encoding="utf-8")
    before = f'["{gevent} && echo \\"__version__ = 1\\" > gevent/__init__.py"]'
    with program.started(**GUNICORN, MATRIX_BEFORE=before, MATRIX_PATCH="gevent") as process:
        assert program.answer(process) == "hello"
    assert "1234" in program.log
