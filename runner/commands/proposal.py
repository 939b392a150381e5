"""The experiment that `matrix init` proposes for the application in a directory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final

import yaml
from jinja2 import Environment, StrictUndefined
from pydantic import ValidationError

from runner.application.own_python import own_python
from runner.application.requirements import read_requirements
from runner.application.start_command.found import Found, StartCommand
from runner.application.start_command.read import start_command
from runner.errors import SpecError
from runner.matrix.address import address
from runner.matrix.application_values import service_name
from runner.matrix.compose import read_compose
from runner.matrix.expand import PYTHON
from runner.matrix.file import name_problem
from runner.matrix.known_images import known_image
from runner.matrix.service_schema import ServiceSection
from runner.matrix.services import services_of
from runner.matrix.yaml_document import Document
from runner.options import MATRIX_FILE
from runner.text import listed, one_line

COMPOSE: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
#: gunicorn's own workers that are servers here, by their names on its command line.
WORKERS: Final = {
    "sync": "gunicorn-sync",
    "gthread": "gunicorn-gthread",
    "gevent": "gunicorn-gevent",
}
#: Packages of Debian that build or fetch something, or that nothing needs in a cell.
FOR_BUILDING = re.compile(
    r".*-dev|python3.*|build-essential|gcc|g\+\+|clang|make|cmake|pkg-config|rustc|cargo|curl|wget"
    r"|ca-certificates|gnupg2?|sudo|unzip|locales|tzdata|apt-transport-https|lsb-release"
    r"|software-properties-common|vim|nano|less|procps|gosu|tini|dumb-init|netcat.*|nodejs|npm"
)
NO_TEXTS: Final = frozenset({"false", "no", "null", "off", "on", "true", "yes"})
#: A text that YAML takes as it is written, and not for anything else.
PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An experiment about an application, as the text of a matrix file."""

    app: Found[str]
    text: str


def proposal(directory: Path) -> Proposal | None:
    """The proposed matrix file for a directory; None where no application is found in it."""
    start = start_command(directory)
    if start.app is None:
        return None
    try:
        address(start.app.value)
    except ValueError:  # an address that gunicorn itself would not take
        return None
    return Proposal(app=start.app, text=_Draft(directory=directory, start=start).text())


def quoted(value: str) -> str:
    """A text as a value of YAML, on one line."""
    if PLAIN.fullmatch(value) and value.lower() not in NO_TEXTS:
        return value
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf).strip()


def shown(value: object) -> str:
    """What is written into the template: no name of a file can end a comment."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def words(values: Iterable[str]) -> str:
    """Texts as a list of YAML."""
    return f"[{', '.join(map(quoted, values))}]"


def places(found: Iterable[Found[str]]) -> str:
    """Where values stand: `Dockerfile:3 and Dockerfile:8`."""
    return listed([*dict.fromkeys(one.place for one in found)])


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """What is put into the template."""

    directory: Path
    start: StartCommand

    def text(self) -> str:
        """The matrix file."""
        environment = Environment(  # noqa: S701 - YAML, in which all values are quoted
            undefined=StrictUndefined,
            finalize=shown,
            trim_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters |= {
            "quoted": quoted,
            "words": words,
            "places": places,
            "values": lambda found: words(one.value for one in found),
        }
        template = resources.files("runner.commands") / "templates" / "application.yaml"
        return environment.from_string(template.read_text(encoding="utf-8")).render(
            name=self.name,
            start=self.start,
            others=self.others,
            extras=self.extras,
            debian=self.debian,
            left_out=self.left_out,
            env_file=(self.directory / ".env").is_file(),
            arguments=self.arguments,
            arguments_place=self.start.app.place if self.start.app else "",
            worker_class=self.worker_class,
            compose=self.compose,
            services=self.services,
            packages=self.packages,
            patches=["none", "gevent", *(["gevent+grpc"] if "grpcio" in self.packages else [])],
            python=self.python,
            servers=self.servers,
            server_remark=self.server_remark,
        )

    @property
    def name(self) -> str:
        """The experiment's name, that of the directory where it can be."""
        name = self.directory.resolve().name
        return "application" if name_problem(name) or not PLAIN.fullmatch(name) else name

    # -- what is installed ---------------------------------------------------------------------

    @property
    def others(self) -> str:
        """The files of requirements that are not proposed."""
        names = [one.value for one in self.start.other_requirements]
        return f" (also there: {listed(names)})" if names else ""

    @property
    def extras(self) -> tuple[str, ...]:
        """The project's extras, where a file of requirements can have them."""
        files = [one.value for one in self.start.requirements]
        able = any(PurePosixPath(name).suffix in {".lock", ".toml"} for name in files)
        return self.start.install.value if self.start.install and able else ()

    @property
    def debian(self) -> Sequence[Found[str]]:
        """The packages of Debian that a cell may need."""
        return [one for one in self.start.debian if not FOR_BUILDING.fullmatch(one.value)]

    @property
    def left_out(self) -> str:
        """The packages of Debian that are not proposed."""
        names = [one.value for one in self.start.debian if FOR_BUILDING.fullmatch(one.value)]
        return f"; left out: {', '.join(names)}" if names else ""

    @cached_property
    def packages(self) -> frozenset[str]:
        """The distributions that the application requires, empty where that cannot be read."""
        names = [one.value for one in self.start.requirements]
        try:
            found = read_requirements(names, root=self.directory)
        except SpecError:  # `matrix plan` says what is wrong with the file
            return frozenset()
        return frozenset(pin.name for pin in found.pins if pin.required)

    @property
    def python(self) -> str:
        """Which Python is meant, in a sentence."""
        try:
            stated = own_python(self.directory)
        except (SpecError, OSError, UnicodeDecodeError):
            stated = None
        if stated is None:
            return f"Python {PYTHON}, as the application does not say which; or others:"
        return (
            f"The Python is the application's own: {stated.place} says {stated.text!r}. Or others:"
        )

    # -- how it is served ----------------------------------------------------------------------

    @property
    def arguments(self) -> tuple[str, ...]:
        """Gunicorn's arguments that are in no configuration file."""
        start, more = self.start, []
        for name, found in (("--timeout", start.timeout), ("--preload", start.preload)):
            if found and start.app and found.place == start.app.place:
                more += [name] if found.value is True else [name, str(found.value)]
        return (*more, *(start.arguments.value if start.arguments else ()))

    @property
    def worker_class(self) -> str | None:
        """A worker class that is not gunicorn's own."""
        found = self.start.worker_class
        return found.value if found and "." in found.value else None

    @property
    def servers(self) -> list[str]:
        """The server that it has, and those to compare it with."""
        start = self.start
        found = start.worker_class.value if start.worker_class else "sync"
        workers = start.workers.value if start.workers else 1
        threads = start.threads.value if start.threads else 16
        own = "gthread" if found == "sync" and start.threads and threads > 1 else found
        names = dict.fromkeys([own if own in WORKERS else "gthread", "gthread", "gevent"])
        settings = {"gthread": f"workers: {workers}, threads: {threads}"}
        return [
            f"{{name: {WORKERS[name]}, {settings.get(name, f'workers: {workers}')}}}"
            for name in names
        ]

    @property
    def server_remark(self) -> str:
        """Where the server is from, or why it is not the application's."""
        start, found = self.start, self.start.worker_class
        if found and found.value not in WORKERS:
            return f"{found.place} has {found.value}, which is not among the servers here."
        known = [one.place for one in (found, start.workers, start.threads) if one]
        return (
            f"The first is the application's own: {listed([*dict.fromkeys(known)])}"
            if known
            else ""
        )

    # -- services ------------------------------------------------------------------------------

    @cached_property
    def compose(self) -> str:
        """The compose file, empty where there is none."""
        return next((name for name in COMPOSE if (self.directory / name).is_file()), "")

    @property
    def services(self) -> list[tuple[str, str]]:
        """The services of the compose file with images that are known, each with its problem."""
        if not self.compose:
            return []
        try:
            content = read_compose(self.directory / self.compose).mapping("services")
        except SpecError as error:
            return [("db", one_line(str(error)))]
        document = Document(path=self.directory / MATRIX_FILE, content={})
        accepted: dict[str, ServiceSection] = {}
        found: list[tuple[str, str]] = []
        for name, service in content.items():
            image = service.get("image") if isinstance(service, dict) else None
            if not isinstance(image, str) or not _is_known(image):
                continue
            section = ServiceSection.model_validate({"from": self.compose})
            try:
                service_name(name)
                services_of({**accepted, name: section}, document)
            except (SpecError, ValueError, ValidationError) as error:
                found.append((name, one_line(str(error))))
            else:
                accepted[name] = section
                found.append((name, ""))
        return found


def _is_known(image: str) -> bool:
    try:
        return known_image(image) is not None
    except ValueError:  # a reference that is not understood
        return False
