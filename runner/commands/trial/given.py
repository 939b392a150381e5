"""What the command line says of the application to try, and what is found where it says nothing."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.application.start_command.found import StartCommand
from runner.application.start_command.read import CONFIG, start_command
from runner.errors import UsageError
from runner.matrix.application_values import variable_name


@dataclass(frozen=True, kw_only=True)
class Given:
    """An application to try, in the directory `directory`. Empty and None: nothing is said.

    `variables` are secret. `services` are names of ready-made services, alone or after the name of
    their host: `db=postgres`. `found` tells where what was not given is from.
    """

    directory: Path
    app: str | None = None
    requirements: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_files: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    path: str | None = None
    debian: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    python: str | None = None
    chdir: str | None = None
    install: bool = False
    extras: tuple[str, ...] = ()
    flask_app: str | None = None
    gunicorn_config: str | None = None
    has_found_requirements: bool = False
    found: tuple[str, ...] = ()

    @property
    def host(self) -> Mapping[str, str]:
        """The variables that `${NAME}` stands for: those given, then this machine's."""
        return ChainMap(dict(self.variables), dict(os.environ))


def variables(texts: Sequence[str], host: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of `-e KEY=VALUE`; `-e KEY` takes the host's value.

    Raises `UsageError`, without the value, which is secret.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            variable_name(name)
        except ValueError as error:
            shown = repr(name) if equals else "…"
            raise UsageError(f"-e {shown}: write KEY=VALUE; {_without(error, name)}") from None
        if not equals and name not in host:
            raise UsageError(f"-e {name}: the variable is not set here; write {name}=VALUE")
        if "\0" in value:
            raise UsageError(f"-e {name}: a NUL character cannot be passed to any program")
        values[name] = value if equals else host[name]
    return values


def _without(error: ValueError, name: str) -> str:
    return str(error).removeprefix(f"{name!r} is ")


def completed(given: Given) -> Given:
    """The same with what lies in the directory, where the command line says nothing.

    Raises `UsageError` where there is no application.
    """
    if not (given.directory / (given.chdir or ".")).is_dir():
        raise UsageError(f"--chdir {given.chdir}: there is no such directory here; fix the path")
    start = start_command(given.directory / (given.chdir or "."))
    if given.app is None and start.app is None:
        raise UsageError(
            "no application is found in this directory: name it as gunicorn does, e.g. "
            '`matrix try "shop.wsgi:create_app()" -r requirements.txt`'
        )
    return _with_requirements(_with_app(given, start), start)


def _with_app(given: Given, start: StartCommand) -> Given:
    if given.app is not None or start.app is None:
        return given
    chdir = "/".join(part for part in (given.chdir, start.chdir and start.chdir.value) if part)
    config = start.config.value if start.config else None
    return replace(
        given,
        app=start.app.value,
        chdir=chdir or None,
        flask_app=start.flask_app.value if start.flask_app else None,
        gunicorn_config=None if config == CONFIG else config,
        found=(*given.found, f"application: {start.app.value} ({start.app.place})"),
    )


def _with_requirements(given: Given, start: StartCommand) -> Given:
    if given.requirements or not start.requirements:
        return given
    prefix = f"{given.chdir}/" if given.chdir and not start.chdir else ""
    names = tuple(f"{prefix}{one.value}" for one in start.requirements)
    is_project = any(name.endswith((".lock", ".toml")) for name in names)
    install = start.install if given.app and not prefix else None
    return replace(
        given,
        requirements=names,
        has_found_requirements=True,
        install=install is not None,
        extras=given.extras or (install.value if install and is_project else ()),
        found=(*given.found, f"requirements: {', '.join(names)}"),
    )
