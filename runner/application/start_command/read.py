"""How an application is started: what its Procfile, Dockerfile, scripts and modules say."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from dotenv.parser import parse_stream

from runner.application.env_file import line_of_binding
from runner.application.start_command.checkout import Checkout
from runner.application.start_command.dockerfile import DIRECTORY, Stage, read_dockerfile
from runner.application.start_command.found import Found, StartCommand
from runner.application.start_command.gunicorn import Setting, command_line, settings
from runner.application.start_command.modules import address_of, find_module
from runner.application.start_command.project import flask_app_of_project, module_of_scripts
from runner.application.start_command.search import Hit, Text, gunicorn_in, served_in

DOCKERFILES: Final = ("Dockerfile", "Containerfile", "Dockerfile.prod*", "*/Dockerfile")
#: More are not for this application.
MOST_DOCKERFILES: Final = 5
#: Files of requirements, the best first.
REQUIREMENTS: Final = (
    "uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml", "requirements.txt",
    "requirements/prod*.txt", "requirements/base.txt", "requirements*.txt", "pyproject.toml",
)  # fmt: skip
#: What files of requirements are called that are for developers.
FOR_DEVELOPERS = re.compile(r"dev|test|doc|lint|ci\b", re.IGNORECASE)
#: What gunicorn reads in the directory that it is started in, unless it is told otherwise.
CONFIG: Final = "gunicorn.conf.py"


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A text that starts something, with what is around it."""

    text: Text
    checkout: Checkout
    directory: Found[str]  # of the checkout, and where that is said


@dataclass(frozen=True, kw_only=True)
class _Image:
    """A checkout as the stage of a Dockerfile has it."""

    root: Path
    stage: Stage

    @cached_property
    def checkout(self) -> Checkout:
        """Its files, by their paths in the image."""
        workdir = self.stage.workdir.value
        return Checkout(root=self.root, copies=self.stage.copies, workdir=workdir)

    @cached_property
    def flask_app(self) -> Found[str] | None:
        """FLASK_APP, where the image, Flask's own files or pyproject.toml have it."""
        if found := self.stage.environment.get("FLASK_APP"):
            return found
        return _flask_app(self.root)

    @cached_property
    def starts(self) -> tuple[_Start, ...]:
        """The texts that may start the application, the most decisive first."""
        return (*_outside(self.root), *_of_image(self.stage, self.checkout))


def start_command(root: Path) -> StartCommand:
    """What a checkout says of how its application is started."""
    names = [p.relative_to(root).as_posix() for d in DOCKERFILES for p in sorted(root.glob(d))]
    stages = [read_dockerfile(root / name, name) for name in names[:MOST_DOCKERFILES]] or [Stage()]
    images = [_Image(root=root, stage=stage) for stage in stages]
    for image in images:
        if found := _by_gunicorn(root, image.starts, image.flask_app):
            return _with_surroundings(found, image)
    return _with_surroundings(
        _without_gunicorn(root, images[0].starts, images[0].flask_app), images[0]
    )


def _with_surroundings(found: StartCommand, image: _Image) -> StartCommand:
    """A command with what is installed and set for it."""
    requirements, others = _requirements(image.checkout, image.stage)
    return replace(
        found,
        flask_app=found.flask_app or image.flask_app,
        port=found.port or image.stage.port,
        debian=image.stage.debian,
        requirements=requirements,
        other_requirements=others,
        install=_install(image),
    )


def _outside(root: Path) -> Iterator[_Start]:
    """The commands of files that know of no image."""
    here = Found(value=".", place="")
    outside = Checkout(root=root)
    for name, pattern in (
        ("Procfile", r"web\s*:\s*(?P<text>\S.*)"),
        ("manifest.yml", r"\s*command:\s*(?P<quote>['\"]?)(?P<text>\S.*?)(?P=quote)\s*"),
    ):
        for number, line in enumerate((outside.text(name) or "").splitlines(), start=1):
            if match := re.fullmatch(pattern, line):
                text = Text(text=match["text"], file=name, line=number)
                yield _Start(text=text, checkout=outside, directory=here)


def _of_image(stage: Stage, checkout: Checkout) -> Iterator[_Start]:
    """What a container of the image runs."""
    if script := stage.script:
        file, _, line = script.place.rpartition(":")
        directory = checkout.directory(stage.workdir.value)
        yield _Start(
            text=Text(
                text=script.value,
                file=file,
                directory=directory,
                line=int(line),
                variables=stage.variables,
            ),
            checkout=checkout,
            directory=Found(value=directory, place=stage.workdir.place),
        )


# -- by gunicorn -----------------------------------------------------------------------------------


def _by_gunicorn(
    root: Path, starts: Iterable[_Start], flask_app: Found[str] | None
) -> StartCommand | None:
    """The first command of gunicorn whose application is known; else the first of all."""
    incomplete: StartCommand | None = None
    for start in starts:
        hit = gunicorn_in(start.text, start.checkout)
        if hit is None:
            continue
        found = _of_gunicorn(start, hit)
        if found.app:
            return found
        incomplete = incomplete or found
    if incomplete is None:
        return None
    return replace(incomplete, app=_app(root, incomplete.chdir, incomplete.flask_app or flask_app))


def _of_gunicorn(start: _Start, hit: Hit) -> StartCommand:
    line = command_line([*hit.inherited, *hit.arguments])
    directory = _directory(start, hit, line.options.get("chdir"))
    config, written = _config(start.checkout, directory, line.options.get("config"), hit.place)
    chosen: dict[str, Found[Setting]] = {
        name.replace("-", "_"): Found(value=value, place=hit.place)
        for name, value in line.options.items()
    }
    values = {**written, **chosen}
    app = Found(value=line.app, place=hit.place) if line.app else _text(values.get("wsgi_app"))
    if "chdir" in written and "chdir" not in chosen:
        value = start.checkout.directory(str(written["chdir"].value), directory.value)
        directory = Found(value=value, place=written["chdir"].place)
    return StartCommand(
        app=app,
        chdir=directory if directory.value != "." else None,
        flask_app=hit.flask_app,
        worker_class=_text(values.get("worker_class")),
        workers=_number(values.get("workers")),
        threads=_number(values.get("threads")),
        timeout=_number(values.get("timeout")),
        preload=_flag(values.get("preload") or values.get("preload_app")),
        config=config,
        arguments=Found(value=line.arguments, place=hit.place) if line.arguments else None,
        port=_port(values.get("bind")),
        before=hit.before,
    )


def _directory(start: _Start, hit: Hit, chdir: str | None) -> Found[str]:
    """The directory of the checkout that gunicorn is started in."""
    directory = Found(value=hit.directory, place=hit.place)
    if hit.directory == start.directory.value:
        directory = start.directory
    if chdir:
        value = start.checkout.directory(chdir, hit.directory)
        return Found(value=value, place=hit.place)
    return directory


def _config(
    checkout: Checkout, directory: Found[str], named: str | None, place: str
) -> tuple[Found[str] | None, dict[str, Found[Setting]]]:
    """Gunicorn's configuration file, named or found by itself, and what can be read off it."""
    name = (named or CONFIG).removeprefix("file:")
    if module := name.removeprefix("python:") if name.startswith("python:") else "":
        path = checkout.find(f"{module.replace('.', '/')}.py", directory.value)
    else:
        path = checkout.find(name, directory.value) if named else None
        if not named and checkout.has(f"{directory.value}/{CONFIG}"):
            path = str(PurePosixPath(directory.value) / CONFIG)
    if path is None:
        return None, {}
    shown = name if module else _relative(path, directory.value)
    found = settings(checkout.text(path) or "")
    return (
        Found(value=shown, place=place if named else path),
        {key: Found(value=value, place=f"{path}:{line}") for key, (value, line) in found.items()},
    )


def _relative(path: str, directory: str) -> str:
    """A path of the checkout as seen from a directory of it that it may be in."""
    pure = PurePosixPath(path)
    if directory != "." and pure.is_relative_to(directory):
        return pure.relative_to(directory).as_posix()
    return "../" * (0 if directory == "." else len(PurePosixPath(directory).parts)) + path


def _text(found: Found[Setting] | None) -> Found[str] | None:
    return Found(value=str(found.value), place=found.place) if found and found.value else None


def _number(found: Found[Setting] | None) -> Found[int] | None:
    if found is None or not str(found.value).isdecimal():
        return None
    return Found(value=int(found.value), place=found.place)


def _flag(found: Found[Setting] | None) -> Found[bool] | None:
    return Found(value=True, place=found.place) if found and found.value else None


def _port(bind: Found[Setting] | None) -> Found[int] | None:
    match = re.search(r":([0-9]{1,5})$", str(bind.value)) if bind else None
    return Found(value=int(match[1]), place=bind.place) if bind and match else None


# -- otherwise -------------------------------------------------------------------------------------


def _without_gunicorn(
    root: Path, starts: Sequence[_Start], flask_app: Found[str] | None
) -> StartCommand:
    """What FLASK_APP, another server's command or the modules say."""
    for start in starts:
        hit = served_in(start.text, start.checkout)
        if hit is None:
            continue
        directory = start.directory if hit.directory == start.directory.value else None
        chdir = directory or Found(value=hit.directory, place=hit.place)
        named = hit.flask_app or flask_app
        app = address_of(root, root / chdir.value, named.value) if named else None
        if app:
            return StartCommand(
                app=Found(value=app.value, place=named.place if named else hit.place),
                chdir=chdir if chdir.value != "." else None,
                flask_app=hit.flask_app,
                before=hit.before,
            )
    if flask_app and (app := _app(root, None, flask_app)):
        return StartCommand(app=app)
    if module := module_of_scripts(root):
        return StartCommand(app=module)
    if found := find_module(root):
        app, directory_name = found
        chdir_ = Found(value=directory_name, place=app.place) if directory_name != "." else None
        return StartCommand(app=app, chdir=chdir_)
    return StartCommand()


def _app(root: Path, chdir: Found[str] | None, flask_app: Found[str] | None) -> Found[str] | None:
    """The address of FLASK_APP, else of the likeliest module."""
    directory = root / (chdir.value if chdir else ".")
    if flask_app:
        if app := address_of(root, directory, flask_app.value):
            return Found(value=app.value, place=flask_app.place)
        return None
    found = find_module(directory)
    return found[0] if found and found[1] == "." else None


def _flask_app(root: Path) -> Found[str] | None:
    """FLASK_APP, where Flask's own files or pyproject.toml have it."""
    checkout = Checkout(root=root)
    for name in (".flaskenv", ".env"):
        for binding in parse_stream(io.StringIO(checkout.text(name) or "")):
            if binding.key == "FLASK_APP" and binding.value:
                return Found(value=binding.value, place=f"{name}:{line_of_binding(binding)}")
    return flask_app_of_project(root)


# -- requirements ----------------------------------------------------------------------------------


def _requirements(
    checkout: Checkout, stage: Stage
) -> tuple[tuple[Found[str], ...], tuple[Found[str], ...]]:
    """The files that the Dockerfile installs from, else the best one, and all others."""
    installed: dict[str, Found[str]] = {}
    for written, workdir in stage.requirements:
        there = replace(checkout, workdir=workdir)
        path = there.find(written.value, there.directory(workdir))
        if path and checkout.text(path) is not None:
            installed.setdefault(path, Found(value=path, place=written.place))
    for lock in stage.locks:
        path = checkout.find(lock.value, checkout.directory(stage.workdir.value))
        if path and not installed:
            installed[path] = Found(value=path, place=lock.place)
    there_are = [*dict.fromkeys(_files(checkout.root))]
    best = [*installed.values()] or [Found(value=name, place=name) for name in there_are[:1]]
    used = {one.value for one in best}
    rest = (Found(value=name, place=name) for name in there_are if name not in used)
    return tuple(best), tuple(rest)


def _install(image: _Image) -> Found[tuple[str, ...]] | None:
    """The extras with which the Dockerfile installs the checkout itself, None where it does not."""
    for written, workdir in image.stage.installs:
        there = replace(image.checkout, workdir=workdir)
        match = DIRECTORY.fullmatch(written.value)
        if match is None or there.find(match["path"], there.directory(workdir)) != ".":
            continue
        if there.has("pyproject.toml") or there.has("setup.py"):
            extras = (match["extras"] or "").split(",")
            return Found(value=tuple(filter(None, map(str.strip, extras))), place=written.place)
    return None


def _files(root: Path) -> Iterator[str]:
    """The files of requirements of a checkout, the best first."""
    names = [p.relative_to(root).as_posix() for p in sorted(root.glob("*")) if p.is_file()]
    names += [p.relative_to(root).as_posix() for p in sorted(root.glob("requirements/*.txt"))]
    for pattern in REQUIREMENTS:
        yield from (n for n in names if fnmatch(n, pattern) and not FOR_DEVELOPERS.search(n))
