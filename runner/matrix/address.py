"""Where a WSGI application is, in gunicorn's words: `module`, `module:name`, `module:factory('x')`.

Only the text is read: nothing of an application is ever imported on the host. The rules are those
of gunicorn's `import_app`, which loads the application in its container.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Final

#: What is looked for in a module, one after the other, where its address names nothing.
DEFAULT_NAMES: Final = ("application", "app")
#: gunicorn imports by name, so that a file with a hyphen in its name can be a module.
MODULE = re.compile(r"[^\s./\\:]+(\.[^\s./\\:]+)*")
NAME_OR_CALL: Final = "write a name (`app`) or a call with literal arguments (`create_app('load')`)"


@dataclass(frozen=True, kw_only=True)
class Address:
    """A module, and what in it is the application.

    `names` has several, to be tried one after the other, where the address has none. `arguments`
    are those of a factory that returns the application, in parentheses, or else empty.
    """

    module: str
    names: tuple[str, ...]
    arguments: str = ""

    @property
    def is_factory(self) -> bool:
        """Whether the name is called to get the application."""
        return bool(self.arguments)

    @property
    def candidates(self) -> tuple[str, ...]:
        """What gunicorn can be given, the first of them that exists."""
        return tuple(f"{self.module}:{name}{self.arguments}" for name in self.names)

    def __str__(self) -> str:
        return self.candidates[0] if len(self.names) == 1 else self.module


def address(text: str) -> Address:
    """Read an address; a `ValueError` says to its author what is wrong with it."""
    module, colon, expression = text.partition(":")
    if not MODULE.fullmatch(module) or module.endswith(".py"):
        raise ValueError(_module_problem(text, module, expression))
    if not colon:
        return Address(module=module, names=DEFAULT_NAMES)
    found = _parsed(expression)
    if isinstance(found, ast.Name):
        return Address(module=module, names=(found.id,))
    if isinstance(found, ast.Call) and isinstance(found.func, ast.Name):
        _refuse_computed(expression, found)
        name = found.func.id
        return Address(module=module, names=(name,), arguments=ast.unparse(found)[len(name) :])
    raise ValueError(_object_problem(expression, found))


def _module_problem(text: str, module: str, expression: str) -> str:
    if not module:
        return f"{text!r} names no module: write `module:name`, e.g. `shop.wsgi:app`"
    if module.endswith(".py") or "/" in module:
        dotted = module.removesuffix(".py").strip("./").replace("/", ".")
        better = f"{dotted}:{expression}" if expression else dotted
        return (
            f"{module!r} is a file: name the module, `{better}` (and the directory that it is "
            "found in by `chdir:`)"
        )
    if module.startswith("."):
        return f"{module!r} is relative: name the module in full, without the leading dot"
    return f"{module!r} is not a module's name: write `module:name`, e.g. `shop.wsgi:app`"


def _parsed(expression: str) -> ast.expr:
    try:
        with warnings.catch_warnings(action="ignore"):  # of a backslash in a text
            return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        what = f"{expression!r} is neither a name nor a call" if expression else "it has no name"
        raise ValueError(f"{what} after the colon: {NAME_OR_CALL}") from None


def _object_problem(expression: str, found: ast.expr) -> str:
    named = found.func if isinstance(found, ast.Call) else found
    if isinstance(named, ast.Attribute):
        return (
            f"gunicorn takes a plain name of the module, not {ast.unparse(named)!r}: assign that "
            "to a name in the module, and write the name here"
        )
    return f"{expression!r} is neither a name nor a call of one: {NAME_OR_CALL}"


def _refuse_computed(expression: str, call: ast.Call) -> None:
    """Refuse arguments that have to be computed: gunicorn takes literals only."""
    try:
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            ast.literal_eval(argument)
        literal = all(keyword.arg for keyword in call.keywords)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        literal = False
    if not literal:
        raise ValueError(
            f"the arguments of {expression!r} must be literals (text, numbers, True, None, or "
            "lists and dictionaries of these): gunicorn evaluates nothing else"
        )
