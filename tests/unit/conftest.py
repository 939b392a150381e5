"""What the tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Matrix, command_line


@pytest.fixture
def matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Matrix:
    """Run a command in a directory of its own, against an engine that is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("runner.commands.cells.CACHE", tmp_path / ".cache")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    return command_line(monkeypatch, capsys)
