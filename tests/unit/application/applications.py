"""Applications for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.matrix.application import Application
from tests.unit.matrix.matrices import expanded


def application(directory: Path, **section: Any) -> Application:
    """The application of a matrix file in this directory."""
    found = expanded(
        directory, {"axes": {"python": ["3.11"]}, "application": {"app": "shop", **section}}
    )
    assert found.application is not None
    return found.application
