"""What is found out about how an application is started, each value with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

ValueT_co = TypeVar("ValueT_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Found(Generic[ValueT_co]):
    """A value, and where it stands: `Dockerfile:12`."""

    value: ValueT_co
    place: str


@dataclass(frozen=True, kw_only=True)
class StartCommand:
    """How an application is started; None and empty for what is not found. Nothing is certain.

    `app` is where it is, in gunicorn's words, `chdir` the directory in the checkout in which it is
    started. `worker_class` to `arguments` are gunicorn's, on its command line or in the file
    `config`; `timeout` is in seconds, and `arguments` are all others that can matter. `before` are
    commands of the same script that prepare something. `debian` are packages that the Dockerfile
    installs. `requirements` are the files that it installs from, else the best ones that there are;
    `other_requirements` are the rest. Where the Dockerfile installs the project itself, `install`
    has the extras.
    """

    app: Found[str] | None = None
    chdir: Found[str] | None = None
    flask_app: Found[str] | None = None
    worker_class: Found[str] | None = None
    workers: Found[int] | None = None
    threads: Found[int] | None = None
    timeout: Found[int] | None = None
    preload: Found[bool] | None = None
    config: Found[str] | None = None
    arguments: Found[tuple[str, ...]] | None = None
    port: Found[int] | None = None
    before: tuple[Found[str], ...] = ()
    debian: tuple[Found[str], ...] = ()
    requirements: tuple[Found[str], ...] = ()
    other_requirements: tuple[Found[str], ...] = ()
    install: Found[tuple[str, ...]] | None = None
