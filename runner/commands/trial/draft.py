"""The matrix file that a command line comes to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from runner.application.source import Source
from runner.commands.proposal import quoted, words
from runner.commands.trial.given import Given
from runner.errors import SpecError, UsageError
from runner.matrix import schema
from runner.matrix.file import MatrixFile, outlined
from runner.matrix.yaml_document import parsed
from runner.options import MATRIX_FILE

NAME: Final = "try"
SERVERS: Final = ("gunicorn-gthread", "gunicorn-gevent", "werkzeug")
PATCHES: Final = ("none", "gevent")
WITH_GRPC: Final = "gevent+grpc"
GRPCIO: Final = "grpcio"
#: What is never the application's, of a directory that has nothing else.
NOT_THE_SOURCE: Final = frozenset({"results", MATRIX_FILE, schema.FILE, ".git", "__pycache__"})
#: What `matrix run` is to do that `matrix try` does not.
PROPER_REQUESTS: Final = 1000
PROPER_ROUNDS: Final = "{min: 3, max: 15}"
#: How an error begins that names a key of the file.
KEY: Final = re.compile(r"^(application|request|axes)[\w.\[\]${}-]*: ")
HEAD: Final = "version: 1\nexperiments:\n"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of an experiment, and the option that it comes from; None for one of ours."""

    text: str
    option: str | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An experiment called `try`.

    `brings` are the distributions that the application names itself, `installs` all that its lock
    has, as far as that is known. `source` is what is copied of the directory. `path`, `concurrency`
    and `requests` are chosen after a look at it, and `rounds` is how often each cell is launched.
    """

    given: Given
    brings: frozenset[str] = frozenset()
    installs: frozenset[str] = frozenset()
    source: Source | None = None
    path: str = "/"
    concurrency: int = 20
    requests: int = 200
    rounds: str = "1"

    @property
    def patches(self) -> tuple[str, ...]:
        """The patch modes to compare."""
        return (*PATCHES, WITH_GRPC) if GRPCIO in self.installs | self.brings else PATCHES

    @property
    def text(self) -> str:
        """The experiment, as it stands below `experiments:`."""
        return "".join(f"  {line.text}\n" for line in self.lines())

    @property
    def whole(self) -> str:
        """The matrix file."""
        return HEAD + self.text

    def file(self) -> MatrixFile:
        """The file, read as any other.

        Raises `UsageError` that names the option which is wrong.
        """
        path = self.given.directory / MATRIX_FILE
        try:
            return outlined(parsed(self.whole, path))
        except SpecError as error:
            raise self.blamed(error) from None

    def blamed(self, error: SpecError) -> SpecError | UsageError:
        """An error in the file as one on the command line; another file's stays as it is."""
        path = re.escape(str(self.given.directory / MATRIX_FILE))
        match = re.match(rf"{path}:(?P<line>[0-9]+):[0-9]+: (?P<what>.*)", str(error), re.DOTALL)
        if match is None:
            return error
        before = HEAD.count("\n") + 1
        lines = [line.option for line in self.lines()][: int(match["line"]) - before + 1]
        option = next((one for one in reversed(lines) if one), None)
        what = KEY.sub("", match["what"])
        return UsageError(f"{option}: {what}" if option else f"try: {what}")

    @property
    def proper(self) -> Draft:
        """The experiment with a load and rounds that can show a difference."""
        return replace(self, requests=max(self.requests, PROPER_REQUESTS), rounds=PROPER_ROUNDS)

    def left_out_as(self, name: str) -> Sequence[str]:
        """What of the source was not copied that a missing module or file may be."""
        return self.source.left_out_as(name) if self.source else ()

    def lines(self) -> Iterator[Line]:
        """The experiment line by line."""
        yield Line(text=f"{NAME}:")
        yield Line(text="  description: a first look at the application in this directory")
        yield from self._application()
        yield from self._axes()
        yield Line(text=f"  request: {{path: {quoted(self.path)}}}", option=f"--path {self.path}")
        load = f"concurrency: {self.concurrency}, requests: {self.requests}"
        yield Line(text=f"  load: {{{load}}}")
        yield Line(text="  baseline: {patch: none}")
        yield Line(text=f"  launches: {self.rounds}")
        if self.rounds == "1":
            yield Line(text="  repeats: 0")

    def _application(self) -> Iterator[Line]:
        given = self.given
        yield Line(text="  application:")
        yield Line(text=f"    app: {quoted(given.app or '')}", option=f"APP {given.app}")
        if given.chdir:
            yield Line(text=f"    chdir: {quoted(given.chdir)}", option=f"--chdir {given.chdir}")
        if not has_source(given.directory):
            yield Line(text="    source: none")
        yield from _several("include", "--include", given.include)
        yield from _several("requirements", "-r", given.requirements)
        if given.install:
            yield Line(text="    install: true")
        yield from _several("extras", "--extra", given.extras)
        yield from _several("debian", "--debian", given.debian)
        yield from self._environment()
        yield from _several("env_file", "--env-file", given.env_files)
        if given.gunicorn_config:
            yield Line(text=f"    gunicorn_config: {quoted(given.gunicorn_config)}")
        yield from _several("before", "--before", given.before)
        yield from self._services()

    def _environment(self) -> Iterator[Line]:
        given = self.given
        if not given.variables and not given.flask_app:
            return
        yield Line(text="    environment:")
        if given.flask_app and "FLASK_APP" not in given.variables:
            yield Line(text=f"      FLASK_APP: {quoted(given.flask_app)}")
        for name in given.variables:
            yield Line(text=f'      {name}: "${{{name}}}"', option=f"-e {name}")

    def _services(self) -> Iterator[Line]:
        if self.given.services:
            yield Line(text="    services:", option="--service")
        for text in self.given.services:
            host, _, kind = text.rpartition("=")
            service = f"{quoted(host or kind)}: {{companion: {quoted(kind)}}}"
            yield Line(text=f"      {service}", option=f"--service {text}")

    def _axes(self) -> Iterator[Line]:
        yield Line(text="  axes:")
        if self.given.python:
            python = self.given.python
            yield Line(text=f"    python: [{quoted(python)}]", option=f"--python {python}")
        if "gevent" not in self.brings:
            yield Line(text='    gevent: ["*"]')
        if WITH_GRPC in self.patches and GRPCIO not in self.brings:
            yield Line(text='    grpcio: ["*"]')
        yield Line(text=f"    patch: [{', '.join(self.patches)}]")
        yield Line(text=f"    server: [{', '.join(SERVERS)}]")


def _several(key: str, option: str, values: Sequence[str]) -> Iterator[Line]:
    """A list with each value on a line of its own, so that an error names the one that is wrong."""
    if len(values) == 1:
        yield Line(text=f"    {key}: {words(values)}", option=f"{option} {values[0]}")
    elif values:
        yield Line(text=f"    {key}:", option=option or None)
        for value in values:
            yield Line(text=f"      - {quoted(value)}", option=f"{option} {value}")


def has_source(directory: Path) -> bool:
    """Whether anything in a directory can be the application's."""
    return any(path.name not in NOT_THE_SOURCE for path in directory.iterdir())
