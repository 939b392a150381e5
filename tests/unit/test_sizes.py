"""A module, and a function, is short enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

RUNNER = Path(__file__).resolve().parents[2] / "runner"
#: Lines. Those of a function are counted after its arguments.
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60


def test_no_module_is_too_long() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in _modules()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{path}:{function.lineno} {function.name}": _length(function)
        for path in _modules()
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
    }
    assert {place: n for place, n in lengths.items() if n > LONGEST_FUNCTION} == {}


def _modules() -> Iterator[Path]:
    yield from RUNNER.rglob("*.py")


def _length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or 0) - function.body[0].lineno + 1
