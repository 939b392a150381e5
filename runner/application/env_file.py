"""The variables of an application: those of `.env` files, and those of the matrix file.

A `.env` file is read by python-dotenv's grammar, and its `${NAME}` as compose replaces it: the
host's variable first, then one that is above in the file, then the default. What is in single
quotes means itself.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from runner.application.secret_values import Secrets, keyed_digest
from runner.errors import SpecError
from runner.matrix.application import Application
from runner.matrix.interpolation import interpolated, references

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
SINGLE_QUOTED: Final = re.compile(r"[^=]*=[^\S\r\n]*'")


@dataclass(frozen=True, kw_only=True)
class Variables:
    """Environment variables: the public ones, and those whose values nobody may see."""

    public: tuple[tuple[str, str], ...] = ()
    secret: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def all(self) -> Mapping[str, str]:
        """All variables, for the container."""
        return dict((*self.public, *self.secret))

    @property
    def secrets(self) -> Secrets:
        """The values that must be masked."""
        return Secrets(values=frozenset(value for _, value in self.secret))

    def digest(self, key: bytes) -> str:
        """What tells whether the secret variables are the same as in another run."""
        return keyed_digest(key, (part for pair in self.secret for part in pair))


def variables_of(application: Application, host: Mapping[str, str] = os.environ) -> Variables:
    """The variables of an application; those of `environment` count before those of files.

    Raises `SpecError` for a file that cannot be read, and for a variable of the host that is not
    set.
    """
    secret: dict[str, str] = {}
    public: dict[str, str] = {}
    for number, name in enumerate(application.env_files):
        path = application.written.path.parent / name
        if not path.exists():
            application.fail("env_file", number, message=f"there is no file {path}; fix the path")
        secret |= read_env_file(path, host)
    for name, written in application.environment:
        for reference in references(written):
            if reference.default is None and reference.name not in host:
                application.fail(
                    "environment",
                    name,
                    message=f"the variable {reference.name} is not set here; set it, or write "
                    f"`${{{reference.name}:-default}}`",
                )
        secret.pop(name, None)
        group = secret if references(written) else public
        group[name] = interpolated(written, host.get)
    return Variables(public=tuple(sorted(public.items())), secret=tuple(sorted(secret.items())))


def read_env_file(path: Path, host: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a `.env` file.

    A name without `=` takes the host's value, and is left out where the host has none. Raises
    `SpecError` with file, line and fix. It quotes nothing: any text in the file may be secret.
    """
    values: dict[str, str] = {}

    def variable(name: str) -> str | None:
        return host.get(name, values.get(name))

    for binding in parse_stream(io.StringIO(_text(path))):
        where = f"{path}:{line_of_binding(binding)}:1"
        if binding.error:
            raise SpecError(f"{where}: not a line `NAME=value`; fix it, or its quotes")
        if binding.key is None:
            continue
        value = host.get(binding.key) if binding.value is None else binding.value
        if not NAME.fullmatch(binding.key):
            raise SpecError(f"{where}: no name of a variable begins this line; fix it, or quotes")
        if value is None:
            continue
        if binding.value is not None and not _means_itself(binding):
            try:
                value = interpolated(value, variable)
            except ValueError:  # its message quotes the value
                raise SpecError(
                    f"{where}: a `${{` in the value of {binding.key} is not understood: write "
                    "`${NAME}` or `${NAME:-default}`, or single quotes around the value"
                ) from None
        values[binding.key] = value
    return values


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        why = error.strerror or error
        raise SpecError(f"{path}: cannot be read ({why}); check path and permissions") from None
    if "\0" in text:
        raise SpecError(f"{path}: has a NUL character, which no variable can have; remove it")
    return text


def line_of_binding(binding: Binding) -> int:
    """The line on which a binding begins, empty lines before it not counted."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _means_itself(binding: Binding) -> bool:
    return SINGLE_QUOTED.match(binding.original.string.lstrip()) is not None
