"""The command in a text, or in a script that the text names, which serves the application."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile
from pathlib import PurePosixPath
from typing import Final

from runner.application.start_command.checkout import Checkout
from runner.application.start_command.found import Found
from runner.application.start_command.gunicorn import gunicorn_at
from runner.application.start_command.shell import UNKNOWN, Command, Script, read_script

SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "su"})
#: Words before a command that only run it in an environment of their own.
WRAPPERS: Final = (
    ("exec",), ("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("pdm", "run"), ("nice",),
    ("newrelic-admin", "run-program"), ("ddtrace-run",), ("opentelemetry-instrument",),
    ("python", "-m"), ("python3", "-m"),
)  # fmt: skip
#: How scripts are called that prepare and serve.
MANAGERS: Final = frozenset({"manage.py", "cli.py"})
SERVING: Final = frozenset({"run", "runserver", "shell", "routes", "test", "worker"})
GUNICORN_VARIABLES: Final = "GUNICORN_CMD_ARGS"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text that is run by a shell, from a line of a file on, in a directory of the checkout."""

    text: str
    file: str
    directory: str = "."
    line: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    def read(self) -> Script:
        """The commands in it."""
        return read_script(self.text, self.variables, self.arguments, line=self.line)

    def at(self, command: Command) -> str:
        """The place of a command."""
        return f"{self.file}:{command.line}"


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A command that serves: its arguments, those of the environment, and what goes before it.

    `directory` is the one of the checkout in which it is run.
    """

    arguments: tuple[str, ...]
    place: str
    directory: str
    before: tuple[Found[str], ...] = ()
    inherited: tuple[str, ...] = ()
    flask_app: Found[str] | None = None


#: Where in a command's words the one is that serves, None where none does.
Serves = Callable[[Sequence[str]], "int | None"]


def gunicorn_in(text: Text, checkout: Checkout) -> Hit | None:
    """The first command of gunicorn."""
    return _search(text, checkout, gunicorn_at, hops=1)


def served_in(text: Text, checkout: Checkout) -> Hit | None:
    """The first command that serves without gunicorn: `flask run`, `python app.py`."""
    hit = _search(text, checkout, _flask_at, hops=1)
    if hit:
        return _with_app(hit)
    hit = _search(text, checkout, _python_at, hops=1)
    if hit:
        return _named(hit, hit.arguments[0])
    return None


def _flask_at(words: Sequence[str]) -> int | None:
    """Where `flask … run` is in a command."""
    own = _unwrapped(words)
    if own and PurePosixPath(own[0]).name == "flask" and "run" in own:
        return len(words) - len(own)
    return None


def _python_at(words: Sequence[str]) -> int | None:
    """Where Python is that runs a file of the application."""
    own = _unwrapped(words)
    is_python = bool(own) and PurePosixPath(own[0]).name.startswith("python")
    is_file = is_python and len(own) > 1 and own[1].endswith(".py")
    if is_file and PurePosixPath(own[1]).name not in MANAGERS:
        return len(words) - len(own)
    return None


def _with_app(hit: Hit) -> Hit:
    """The application that the options of `flask` name."""
    for number, word in enumerate(hit.arguments):
        name, sign, value = word.partition("=")
        if name in {"--app", "-A"}:
            return _named(hit, value if sign else "".join(hit.arguments[number + 1 : number + 2]))
    return hit


def _named(hit: Hit, app: str) -> Hit:
    return replace(hit, flask_app=Found(value=app, place=hit.place))


def _search(text: Text, checkout: Checkout, serves: Serves, *, hops: int) -> Hit | None:
    """The first command that serves: here, in a text after `sh -c`, or in a script named here."""
    script = text.read()
    for command in script.commands:
        if (number := serves(command.words)) is not None:
            return _hit(text, script, command, number, checkout)
    for command in script.commands:
        here = replace(text, directory=_directory_before(script, command, text, checkout))
        for inside, left in _inside(command, here, checkout, hops):
            if hit := _search(inside, checkout, serves, hops=left):
                return replace(
                    hit,
                    before=(*_before(text, script, command), *hit.before),
                    flask_app=hit.flask_app or _flask_app(text, script),
                )
    return None


def _hit(text: Text, script: Script, command: Command, number: int, checkout: Checkout) -> Hit:
    variables = {**text.variables, **{n: value for n, (value, _) in script.assigned.items()}}
    here = replace(text, directory=_directory_before(script, command, text, checkout))
    entry = _before_in_entrypoints(here, command, number, checkout)
    return Hit(
        arguments=command.words[number + 1 :],
        place=text.at(command),
        directory=here.directory,
        before=(*entry, *_before(text, script, command)),
        inherited=tuple(_split(variables.get(GUNICORN_VARIABLES, ""))),
        flask_app=_flask_app(text, script),
    )


def _flask_app(text: Text, script: Script) -> Found[str] | None:
    """FLASK_APP, where the script itself sets it."""
    value, line = script.assigned.get("FLASK_APP", (UNKNOWN, 0))
    return None if UNKNOWN in value else Found(value=value, place=f"{text.file}:{line}")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _inside(
    command: Command, text: Text, checkout: Checkout, hops: int
) -> Iterator[tuple[Text, int]]:
    """The texts that a command runs by a shell, or that are in scripts, and how many may follow."""
    words = command.words
    if words[0] == "eval":
        yield replace(text, text=" ".join(words[1:]), line=command.line, arguments=()), hops
    for number, word in enumerate(words):
        is_shell = PurePosixPath(word).name in SHELLS
        rest = [*dropwhile(lambda w: not re.fullmatch("-[a-z]*c", w), words[number + 1 :])]
        if is_shell and len(rest) > 1:
            yield replace(text, text=rest[1], line=command.line, arguments=()), hops
        path = checkout.find(word, text.directory) if hops and not is_shell else None
        content = checkout.text(path) if path and not path.endswith(".py") else None
        if path and content is not None:
            arguments = words[number + 1 :]
            yield replace(text, text=content, file=path, line=1, arguments=arguments), hops - 1


def _directory_before(script: Script, command: Command, text: Text, checkout: Checkout) -> str:
    """The directory of a command, after each `cd` before it."""
    directory = text.directory
    for other in script.commands:
        if other is command:
            break
        if other.words[0] == "cd" and len(other.words) == 2 and other.can_precede(command):
            directory = checkout.directory(other.words[1], directory)
    return directory


# -- what goes before ------------------------------------------------------------------------------


def _before(text: Text, script: Script, command: Command) -> tuple[Found[str], ...]:
    """The commands before one that prepare something."""
    found: list[Found[str]] = []
    for other in script.commands:
        if other is command:
            break
        if other.can_precede(command) and _prepares(other.words):
            found.append(Found(value=_without_wrapper(other), place=text.at(other)))
    return tuple(found)


def _before_in_entrypoints(
    text: Text, command: Command, number: int, checkout: Checkout
) -> tuple[Found[str], ...]:
    """The same in scripts that start the command as their arguments: `entrypoint.sh gunicorn …`."""
    found: list[Found[str]] = []
    for position, word in enumerate(command.words[:number]):
        path = checkout.find(word, text.directory)
        content = checkout.text(path) if path else None
        if path is None or content is None:
            continue
        arguments = command.words[position + 1 :]
        inner = replace(text, text=content, file=path, line=1, arguments=arguments)
        script = inner.read()
        last = next((c for c in script.commands if gunicorn_at(c.words) is not None), None)
        found += _before(inner, script, last) if last else ()
    return tuple(found)


def _prepares(words: Sequence[str]) -> bool:
    """Whether a command prepares what the application needs, by how such are called."""
    own = _unwrapped(words)
    if not own:
        return False
    name = PurePosixPath(own[0]).name
    if name.startswith("python") and len(own) > 1:
        own = own[1:]
        name = PurePosixPath(own[0]).name
    is_one = name in {"flask", "alembic", *MANAGERS}
    return is_one and len(own) > 1 and SERVING.isdisjoint(own)


def _unwrapped(words: Sequence[str]) -> tuple[str, ...]:
    """A command without what only runs it in an environment of its own."""
    own = tuple(words)
    changed = True
    while changed:
        changed = False
        for wrapper in WRAPPERS:
            if own[: len(wrapper)] == wrapper and len(own) > len(wrapper):
                own, changed = own[len(wrapper) :], True
    return own


def _without_wrapper(command: Command) -> str:
    """A command as it is proposed: its environment is the image's own."""
    own = _unwrapped(command.words)
    if any(UNKNOWN in word for word in own):
        return command.text
    return shlex.join(own)
