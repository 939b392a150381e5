"""The server program, as its image has it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import program
from tests.support.program import Program

PACKAGE = "monkey_matrix_server"


def forget() -> None:
    """Forget every module of the program."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of the program, which can be imported here; its shared memory is `shared-…`."""
    forget()
    directory = tmp_path / "program"
    monkeypatch.syspath_prepend(str(program.install(directory)))
    yield directory
    forget()


@pytest.fixture
def served(tmp_path: Path) -> Program:
    """The program, with a port of its own and an empty directory for an application."""
    port, cwd = program.free_port(), tmp_path / "application"
    cwd.mkdir()
    program.install(tmp_path / "program", port=port)
    return Program(directory=tmp_path / "program", cwd=cwd, port=port)
