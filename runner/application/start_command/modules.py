"""Which module of a checkout has the application, by its text. Nothing is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runner.application.start_command.found import Found

#: Names of modules that usually have the application, the likeliest first.
MODULES: Final = ("wsgi", "app", "application", "autoapp", "main", "server", "run", "__init__")
OBJECTS: Final = ("application", "app")
FACTORIES: Final = ("create_app", "make_app", "create_application", "build_app", "app_factory")
#: Where no application is, only what belongs to it.
PASSED_OVER: Final = frozenset(
    {"build", "dist", "docs", "examples", "migrations", "node_modules", "test", "tests", "venv"}
)
MOST_BYTES: Final = 1 << 20


def find_module(root: Path) -> tuple[Found[str], str] | None:
    """The application's address and the directory to start it in, `.` or `src`."""
    for directory in (root, root / "src"):
        for path in _candidates(directory):
            if found := _in_file(root, directory, path):
                return found, "." if directory == root else "src"
    return None


def address_of(root: Path, directory: Path, flask_app: str) -> Found[str] | None:
    """The address that gunicorn takes for a value of FLASK_APP; None for what is not there."""
    text, _, expression = flask_app.partition(":")
    module = text.strip().removesuffix(".py").strip("./").replace("/", ".")
    path = _file_of(directory, module)
    if not module or path is None:
        return None
    place = path.relative_to(root).as_posix()
    if "(" in expression:
        return Found(value=f"{module}:{expression.strip()}", place=place)
    tree = _parsed(path)
    if expression and tree:
        is_factory = any(
            isinstance(s, ast.FunctionDef) and s.name == expression for s in _statements(tree.body)
        )
        return Found(value=f"{module}:{expression}{'()' if is_factory else ''}", place=place)
    return _in_file(root, directory, path)


def _file_of(directory: Path, module: str) -> Path | None:
    below = directory.joinpath(*module.split("."))
    return next((p for p in (below.with_suffix(".py"), below / "__init__.py") if p.is_file()), None)


def _candidates(directory: Path) -> Iterator[Path]:
    """The files that may have the application, the likeliest first."""
    if not directory.is_dir():
        return
    yield from (directory / f"{name}.py" for name in MODULES[:-1])
    packages = [
        below
        for below in sorted(directory.iterdir())
        if (below / "__init__.py").is_file() and below.name not in PASSED_OVER
    ]
    for name in MODULES:
        yield from (package / f"{name}.py" for package in packages)


def _in_file(root: Path, directory: Path, path: Path) -> Found[str] | None:
    """The address of the application in a file."""
    tree = _parsed(path)
    if tree is None:
        return None
    parts = path.relative_to(directory).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    found = _application(tree, imported=parts[-1] != "__init__")
    if found is None or not module:
        return None
    expression, line = found
    return Found(
        value=f"{module}:{expression}", place=f"{path.relative_to(root).as_posix()}:{line}"
    )


def _parsed(path: Path) -> ast.Module | None:
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        return ast.parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _application(tree: ast.Module, *, imported: bool) -> tuple[str, int] | None:
    """What in a module is the application, in the address' words, and its line."""
    objects: dict[str, int] = {}
    factories: dict[str, int] = {}
    for statement in _statements(tree.body):
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and _makes_one(statement.value):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            objects |= {t.id: statement.lineno for t in targets if isinstance(t, ast.Name)}
        elif isinstance(statement, ast.ImportFrom) and imported:
            names = [alias.asname or alias.name for alias in statement.names]
            objects |= {name: statement.lineno for name in names if name in OBJECTS}
        elif isinstance(statement, ast.FunctionDef) and _is_factory(statement):
            factories[f"{statement.name}()"] = statement.lineno
    for name in (*OBJECTS, *objects):
        if name in objects:
            return name, objects[name]
    return next(iter(factories.items()), None)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that an import of the module runs."""
    for statement in body:
        if isinstance(statement, (ast.Try, ast.With)):
            yield from _statements(statement.body)
        elif isinstance(statement, ast.If) and "__main__" not in ast.unparse(statement.test):
            yield from _statements([*statement.body, *statement.orelse])
        else:
            yield statement


def _makes_one(value: ast.expr | None) -> bool:
    """Whether a value is a call of Flask, of one of its subclasses, or of a factory."""
    if not isinstance(value, ast.Call):
        return False
    name = ast.unparse(value.func).rpartition(".")[2]
    return name in FACTORIES or re.fullmatch(r"\w*Flask", name) is not None


def _is_factory(function: ast.FunctionDef) -> bool:
    """Whether a function is a factory by its name, and can be called without arguments."""
    needed = len(function.args.posonlyargs) + len(function.args.args) - len(function.args.defaults)
    return function.name in FACTORIES and needed <= 0 and None not in function.args.kw_defaults
