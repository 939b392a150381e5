"""The user's application: what it is and needs, what is sent to it, and its right answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NoReturn

from runner.matrix.address import Address
from runner.matrix.yaml_document import Document

#: What `source` and `gunicorn_config` say for none at all.
NONE: Final = "none"
#: The section of an experiment that has the application.
SECTION: Final = "application"
#: The memory that a service may use unless it says something else, in bytes.
SERVICE_MEMORY: Final = 512 << 20
#: Answers of these statuses have no body, whatever the application returns.
BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, kw_only=True)
class Healthcheck:
    """How a service is asked whether it is ready: by a command in it, or a connection to a port.

    Of `command` (without a shell, texts with `${VAR}` as written) and `port` one is given. A
    service that is not ready `within_s` seconds has failed; one answer may take `timeout_s`.
    """

    command: tuple[str, ...] = ()
    port: int | None = None
    interval_s: float = 30.0
    timeout_s: float = 30.0
    retries: int = 3
    start_period_s: float = 0.0

    @property
    def within_s(self) -> float:
        """How long a service may take until it is ready, as compose counts it."""
        return self.start_period_s + self.retries * self.interval_s


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the application talks to, under the name of a host.

    One of `companion` (of this project), `image` and `debian` (packages, with the `command` that
    starts their program) is given. `entrypoint` and `command` are None where the image's count.
    Texts have `${VAR}` in them as written. `initial` are pairs of a path below
    /docker-entrypoint-initdb.d and one on the host, relative to the matrix file. `ports` are those
    that are known. `healthcheck` is None for a companion, which says itself when it is ready, and
    for a service that counts as ready once it runs. `after` are the services that must be ready
    before it starts, and `memory_bytes` is the most it may use, where it is no companion. `remarks`
    tell what of it has no effect.
    """

    name: str
    companion: str | None = None
    image: str | None = None
    debian: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    tmpfs: tuple[str, ...] = ()
    initial: tuple[tuple[str, str], ...] = ()
    healthcheck: Healthcheck | None = None
    ports: tuple[int, ...] = ()
    after: tuple[str, ...] = ()
    memory_bytes: int = SERVICE_MEMORY
    remarks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application as the matrix file describes it. Paths are relative to that file.

    `source` is None where nothing is copied; `chdir` and `include` are relative to it. `files` are
    pairs of a path in the container and one on the host. `environment` has its values as written,
    with `${VAR}` in them. `gunicorn_config` is None where gunicorn looks for one itself, and `none`
    where it must not. `command` is what starts the server, and has its command line appended.
    """

    app: Address
    written: Document = field(compare=False, repr=False)
    chdir: str = "."
    source: str | None = "."
    include: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    install: bool = False
    debian: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    env_files: tuple[str, ...] = ()
    gunicorn_config: str | None = None
    before: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    worker_class: str | None = None
    command: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()

    def fail(self, *keys: str | int, message: str) -> NoReturn:
        """Raise a `SpecError` with the position of a value of the section."""
        self.written.fail((SECTION, *keys), f"{SECTION}.{keys[0]}: {message}")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an application's own files say: its Python, and which packages it brings.

    `remarks` tell where the Python is from.
    """

    python: str
    packages: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Header:
    """A header of the request: its value, or the command that prints it. Both may be secret."""

    name: str
    value: str | None = field(default=None, repr=False)
    command: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent to the application, over and over.

    The body is given here or in a file, or there is none; `content_type` is what it is by the way
    it was written, None where that says nothing.
    """

    method: str = "GET"
    path: str = "/"
    headers: tuple[Header, ...] = ()
    body: bytes | None = field(default=None, repr=False)
    body_file: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the right answer is: one of the statuses, and at most one thing about its body.

    The body is exactly `body`, or has `contains` in it, or a match of the regular expression
    `matches`, or is JSON with all that the JSON text `json` has.
    """

    statuses: tuple[int, ...] = (200,)
    body: str | None = None
    contains: str | None = None
    matches: str | None = None
    json: str | None = None
