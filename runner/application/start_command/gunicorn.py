"""gunicorn's command line and configuration, read as text."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from runner.application.start_command.shell import UNKNOWN

Setting: TypeAlias = "str | int | bool"

SHORT: Final = {
    "-b": "bind", "-w": "workers", "-k": "worker-class", "-t": "timeout", "-c": "config",
    "-n": "name", "-e": "env", "-u": "user", "-g": "group", "-p": "pid", "-m": "umask",
    "-D": "daemon", "-R": "enable-stdio-inheritance",
}  # fmt: skip
FLAGS: Final = frozenset({
    "capture-output", "casefold-http-method", "check-config", "daemon",
    "disable-redirect-access-to-syslog", "do-handshake-on-connect", "enable-stdio-inheritance",
    "initgroups", "log-syslog", "no-control-socket", "no-sendfile", "permit-obsolete-folding",
    "permit-unconventional-http-method", "permit-unconventional-http-version", "preload",
    "print-config", "proxy-protocol", "reload", "reuse-port", "spew", "strip-header-spaces",
    "suppress-ragged-eofs",
})  # fmt: skip
#: Options with a field of their own in what is found.
NAMED: Final = frozenset(
    {"bind", "workers", "worker-class", "threads", "timeout", "config", "preload", "chdir"}
)
#: Options that are about a machine or its logs, and not about how requests are worked on.
LEFT_OUT: Final = frozenset({
    "access-logfile", "access-logformat", "ca-certs", "capture-output", "certfile", "check-config",
    "ciphers", "daemon", "disable-redirect-access-to-syslog", "dogstatsd-tags",
    "enable-stdio-inheritance", "env", "error-logfile", "group", "initgroups", "keyfile",
    "log-file", "log-level", "log-syslog", "log-syslog-facility", "log-syslog-prefix",
    "log-syslog-to", "name", "no-control-socket", "pid", "print-config", "reload",
    "reload-engine", "reload-extra-file", "spew", "statsd-host", "statsd-prefix", "umask", "user",
})  # fmt: skip
#: A command with one of these before the word `gunicorn` does not start it.
NOT_STARTED: Final = frozenset(
    {"add", "apk", "apt-get", "echo", "install", "pip", "pkill", "type", "which", "-v"}
)
SETTINGS: Final = frozenset(
    {"wsgi_app", "bind", "workers", "worker_class", "threads", "timeout", "preload_app", "chdir"}
)


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """gunicorn's command line: the application, the options with a name, and further arguments."""

    app: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


def gunicorn_at(words: Sequence[str]) -> int | None:
    """Where in a command gunicorn is started, None where it is not."""
    for number, word in enumerate(words):
        if PurePosixPath(word).name == "gunicorn" and NOT_STARTED.isdisjoint(words[:number]):
            return number
    return None


def command_line(words: Sequence[str]) -> CommandLine:
    """Read gunicorn's arguments; what is not known is left out."""
    app: str | None = None
    options: dict[str, str] = {}
    arguments: list[str] = []
    rest = [*words]
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            app = app or (word if UNKNOWN not in word else None)
            continue
        name, value = _option(word, rest)
        if name == "config":  # in a directory that only the container knows
            value = value.rpartition(f"{UNKNOWN}/")[2]
        known = UNKNOWN not in f"{name}{value}"
        if name in NAMED and known:
            options[name] = value
        elif name not in LEFT_OUT | NAMED and known:
            arguments += [f"--{name}"] if name in FLAGS else [f"--{name}", value]
    return CommandLine(app=app, options=options, arguments=tuple(arguments))


def _option(word: str, rest: list[str]) -> tuple[str, str]:
    """An option's long name and value; a value that is a word of its own is taken from the rest."""
    name, sign, value = word.partition("=")
    if not word.startswith("--"):
        name = SHORT.get(word[:2], word[1:2])
        sign, value = ("=", word[2:].removeprefix("=")) if len(word) > 2 else ("", "")
    name = name.removeprefix("--")
    if name in FLAGS:
        return name, "true"
    if not sign and rest:
        value = rest.pop(0)
    return name, value


def settings(text: str) -> dict[str, tuple[Setting, int]]:
    """The settings of a configuration file that can be read off it, each with its line.

    A variable of the environment is taken at its default. Nothing is evaluated.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[str, tuple[Setting, int]] = {}
    for statement in module.body:
        targets: Sequence[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        names = [t.id for t in targets if isinstance(t, ast.Name) and t.id in SETTINGS]
        value = _literal(statement.value)
        found |= {name: (value, statement.lineno) for name in names if value is not None}
    return found


def _literal(node: ast.expr | None) -> Setting | None:
    """A literal, or the default of a variable of the environment."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int)):
        return node.value
    if not isinstance(node, ast.Call) or not node.args:
        return None
    name = ast.unparse(node.func)
    if name in {"int", "str"}:
        value = _literal(node.args[0])
        if name == "str" or value is None:
            return None if value is None else str(value)
        return int(value) if str(value).isdecimal() else None
    if name in {"os.environ.get", "os.getenv", "environ.get", "getenv"} and len(node.args) > 1:
        return _literal(node.args[1])
    return None
