"""The programs of the sidecar, as modules: they import each other by their plain names."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from runner.build.images import LOADGEN_PROGRAM

AGENT = LOADGEN_PROGRAM / "agent.py"
RATE = LOADGEN_PROGRAM / "rate.py"


def program(name: str) -> Any:
    """One of the sidecar's modules."""
    path = str(LOADGEN_PROGRAM)
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module(name)
