"""The image of the user's application, on top of that of its environment."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from runner.application.source import Source
from runner.build.commands import run_line
from runner.build.dockerfile import DEFAULT_PATH, environment_line
from runner.build.layers import File, Layer
from runner.build.recipe import REPOSITORY, Recipe, digest
from runner.build.source_layer import DIRECTORY, OWNER, source_layer
from runner.build.wheels import SITE
from runner.engine.pod import APPLICATION, FILES, HOME, SERVER_UID, SERVER_USER, with_our_path
from runner.errors import UsageError

#: What the image of an environment starts.
SERVER_COMMAND: Final = ("python3", "-m", "monkey_matrix_server")
USER_NAME: Final = "application"
#: The users of every Debian, as its package base-passwd has them, with their groups.
USERS: Final = {
    "root": (0, "/root"), "daemon": (1, "/usr/sbin"), "bin": (2, "/bin"), "sys": (3, "/dev"),
    "games": (5, "/usr/games"), "man": (6, "/var/cache/man"), "lp": (7, "/var/spool/lpd"),
    "mail": (8, "/var/mail"), "news": (9, "/var/spool/news"), "uucp": (10, "/var/spool/uucp"),
    "proxy": (13, "/bin"), "www-data": (33, "/var/www"), "backup": (34, "/var/backups"),
    "list": (38, "/var/list"), "irc": (39, "/run/ircd"), "nobody": (65534, "/nonexistent"),
}  # fmt: skip
#: Groups of every Debian that are no user's.
GROUPS: Final = {
    "adm": 4, "tty": 5, "disk": 6, "kmem": 15, "dialout": 20, "staff": 50, "users": 100,
    "nogroup": 65534,
}  # fmt: skip
USERS_FILES: Final = ("/etc/passwd", "/etc/group")
HOME_DIRECTORY: Final = HOME.lstrip("/")
#: What is copied for the application's user, by its first directory.
WRITABLE: Final = frozenset({DIRECTORY, "home", FILES.lstrip("/")})
#: Directories that are links in every Debian: one of that name in an image would hide those.
LINKED: Final = {"/var/run": "/run", "/var/lock": "/run/lock"}
#: Where no file can be put: links, the engine's own, and our program.
NO_PLACE: Final = frozenset(
    {
        "bin",
        "dev",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "sbin",
        "server",
        "site",
        "sys",
        "tmp",
    }
)
#: Debian has no program of this name, and users' commands call it.
PYTHON: Final = File(
    path=f"{SITE}/bin/python", content=b'#!/bin/sh\nexec python3 "$@"\n', mode=0o755
)
PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class ApplicationImage:
    """What an application's image has besides its environment.

    `source` is None where nothing is copied; `chdir` is the directory in it that the server starts
    in. `debian` are packages of the distribution, `prepare` shell commands that are run once,
    `files` absolute paths in the container whose content comes when a container is started, and
    `environment` public variables. `command` starts the server, whose own is appended.
    """

    source: Source | None
    chdir: str = "."
    debian: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()

    @property
    def directory(self) -> str:
        """The directory that the server and all commands start in."""
        return posixpath.normpath(posixpath.join(APPLICATION, self.chdir))

    def left_out_as(self, name: str) -> Sequence[str]:
        """What of the source was not copied that a missing module or file may be."""
        return self.source.left_out_as(name) if self.source else ()

    def recipe(self, environment: Recipe, cache: Path) -> Recipe:
        """The image before its commands were run: the source, a home, links to the files.

        Raises `UsageError` for what cannot be in an image.
        """
        check_files(self.files)
        check_variables(self.environment)
        layers = tuple(self._layers(cache))
        dockerfile = "\n".join(self._dockerfile(layers)) + "\n"
        single = [part for file in layers[-1].files for part in (file.path, file.content or b"")]
        source = self.source.digest if self.source else ""
        key = digest([environment.reference, dockerfile, source, *single])[:12]
        return Recipe(
            reference=f"{REPOSITORY}/application:{key}",
            kind="application",
            key=key,
            dockerfile=dockerfile,
            base=environment.reference,
            layers=layers,
        )

    def prepared(self, application: Recipe) -> Recipe:
        """The image after its commands were run, by the server's user and without a network."""
        lines = ["ARG BASE", "FROM ${BASE}", *map(run_line, self.prepare)]
        dockerfile = "\n".join(lines) + "\n"
        key = digest([application.reference, dockerfile])[:12]
        return Recipe(
            reference=f"{REPOSITORY}/application:{key}-prepared",
            kind="application",
            key=key,
            dockerfile=dockerfile,
            base=application.reference,
            commands=self.prepare,
            left_out=self.left_out_as,
        )

    def _layers(self, cache: Path) -> Iterator[Layer]:
        """The source below the links: of a file in both, the link counts."""
        if self.source:
            yield source_layer(self.source, cache)
        links = {_place(path): f"{FILES}/{number}" for number, path in enumerate(self.files)}
        places = {DIRECTORY, HOME_DIRECTORY, *([FILES.lstrip("/")] if links else [])}
        # Directories on the way to a link would be root's, also those that the source has.
        above = {str(parent) for path in links for parent in PurePosixPath(path).parents}
        places |= {
            path for path in above if path.startswith((f"{DIRECTORY}/", f"{HOME_DIRECTORY}/"))
        }
        yield Layer(
            title="the application's user, home and files",
            files=(
                *_users(),
                PYTHON,
                *(File(path=path, content=None, owner=OWNER) for path in sorted(places)),
                *(File(path=path, content=None, target=to) for path, to in links.items()),
            ),
        )

    def _dockerfile(self, layers: Sequence[Layer]) -> Iterator[str]:
        yield from ("ARG BASE", "FROM ${BASE}")
        for top in sorted({file.path.split("/")[0] for layer in layers for file in layer.files}):
            owner = f"--chown={SERVER_USER} " if top in WRITABLE else ""
            yield f"COPY {owner}{top} /{top}"
        variables = {"HOME": HOME, "USER": USER_NAME, "PATH": f"/{SITE}/bin:{DEFAULT_PATH}"}
        yield environment_line({**variables, **with_our_path(dict(self.environment))})
        directory = re.sub(r"([\\$])", r"\\\1", self.directory)
        yield f"WORKDIR {directory}"
        if self.command:
            yield f"CMD {json.dumps([*self.command, *SERVER_COMMAND])}"


def _users() -> tuple[File, File]:
    """The lists of users and groups, with that of the application."""
    users = {**USERS, USER_NAME: (SERVER_UID, HOME)}
    shells = {"root": "/bin/bash", USER_NAME: "/bin/sh"}
    passwd = [
        f"{name}:x:{number}:{number}::{home}:{shells.get(name, '/usr/sbin/nologin')}\n"
        for name, (number, home) in users.items()
    ]
    groups = {**{name: number for name, (number, _) in users.items()}, **GROUPS}
    group = [f"{name}:x:{number}:\n" for name, number in groups.items()]
    return (
        File(path="etc/passwd", content="".join(passwd).encode()),
        File(path="etc/group", content="".join(group).encode()),
    )


def check_variables(environment: Iterable[tuple[str, str]]) -> None:
    """Raise `UsageError` for a value that an image's variable cannot have."""
    for name, value in environment:
        if "\n" in value or "\r" in value:
            raise UsageError(
                f"application.environment: {name} has several lines, which a variable of an image "
                "cannot have; write it into an `env_file`, in quotes"
            )


def check_files(files: Sequence[str]) -> None:
    """Raise `UsageError` for a path of `files` where an image cannot have one."""
    places = [_place(path) for path in files]
    for path, place in zip(files, places, strict=True):
        top = place.split("/")[0]
        if top in NO_PLACE or not PLAIN.fullmatch(top):
            raise UsageError(
                f"application.files: {path} cannot be put below /{top}; use a path in /etc, /srv, "
                f"{APPLICATION} or {HOME}"
            )
        if place in {*WRITABLE, HOME_DIRECTORY, *(p.lstrip("/") for p in USERS_FILES)}:
            raise UsageError(f"application.files: {path} is the image's own; use another path")
        if any(other.startswith(f"{place}/") for other in places):
            raise UsageError(f"application.files: {path} is a file, and another path is below it")


def _place(path: str) -> str:
    """Where a file is in the image: without the links on its way that every Debian has."""
    for link, target in LINKED.items():
        if path.startswith(f"{link}/"):
            path = target + path.removeprefix(link)
    return path.lstrip("/")
