"""The user's application as a run needs it: read on the host, before anything is made."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Final

from runner.application.env_file import Variables, variables_of
from runner.application.facts import directory_of, requirements_of, root_of
from runner.application.own_python import own_python
from runner.application.pins import Requirements
from runner.application.secret_values import Secrets, secret_key
from runner.application.services import OwnService, own_services
from runner.application.source import Source, source_of
from runner.build.application_image import ApplicationImage
from runner.build.service_images import ServiceImage
from runner.matrix.application import Application, Request, Response
from runner.matrix.cell import Experiment
from runner.matrix.interpolation import interpolated, references
from runner.measurement.asked import Asked
from runner.measurement.job import OwnStart
from runner.store.application_record import ApplicationRecord, application_record, secrets_of

#: How long each command that runs before the server may take, in seconds.
BEFORE_S: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Own:
    """An application with all that its files hold; what is secret is in no `repr`.

    `files` are the contents of the files that enter at start, in the order of the matrix file, and
    `headers` the values of those that no command prints.
    """

    application: Application
    requirements: Requirements
    source: Source | None
    variables: Variables
    files: tuple[bytes, ...] = field(repr=False)
    request: Request
    response: Response
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    services: tuple[OwnService, ...] = ()

    @property
    def project(self) -> Path | None:
        """The directory of the project that is installed, None for none."""
        return self.source.directory if self.application.install and self.source else None

    @property
    def secret_paths(self) -> tuple[Path, ...]:
        """The files on the host that no image and no container of a build gets."""
        beside = directory_of(self.application)
        named = (*self.application.env_files, *(path for _, path in self.application.files))
        return tuple(beside / path for path in named)

    @property
    def image(self) -> ApplicationImage:
        """What its image is made of. Nothing of it is secret."""
        application = self.application
        return ApplicationImage(
            source=self.source,
            chdir=application.chdir,
            debian=application.debian,
            prepare=application.prepare,
            files=tuple(target for target, _ in application.files),
            environment=(
                # What `flask` in a command is about, unless the application's files say otherwise.
                ("FLASK_APP", str(application.app)),
                *self.variables.public,
                *self.settings.items(),
            ),
            command=application.command,
        )

    @property
    def settings(self) -> Mapping[str, str]:
        """What the server program is told of it."""
        application = self.application
        told = {
            "APPLICATION": str(application.app),
            "BEFORE": json.dumps(application.before) if application.before else "",
            "GUNICORN_CONFIG": application.gunicorn_config or "",
            "ARGS": json.dumps(application.args) if application.args else "",
            "WORKER_CLASS": application.worker_class or "",
        }
        return {f"MATRIX_{name}": value for name, value in told.items() if value}

    def start(self, services: Mapping[str, ServiceImage]) -> OwnStart:
        """What enters its containers at their start, and its services with their images."""
        return OwnStart(
            environment=dict(self.variables.secret),
            files=self.files,
            left_out=self.image.left_out_as,
            services={name: image.plan for name, image in services.items()},
        )

    @property
    def asked(self) -> Asked:
        """What it is asked, and what the right answer is."""
        return Asked(
            request=self.request,
            response=self.response,
            header_values=self.headers,
            body=self.body,
        )

    @property
    def before_s(self) -> float:
        """How long what runs before the server may take, in seconds; 0 where nothing does."""
        return BEFORE_S * len(self.application.before)

    @cached_property
    def secrets(self) -> Secrets:
        """All that is masked in what is written."""
        found = secrets_of(self.request, self.variables, self.files) | self.asked.secrets({})
        return reduce(operator.or_, (own.secrets for own in self.services), found)

    def record(self, cache: Path, images: Mapping[str, ServiceImage]) -> ApplicationRecord:
        """What is stored of it; the key of its digests is in `cache`."""
        return application_record(
            self.application,
            self.request,
            self.response,
            source=self.source,
            variables=self.variables,
            key=secret_key(cache),
            files=self.files,
            body=self.body,
            python=own_python(root_of(self.application) or directory_of(self.application)),
            services=[(own, images[own.name]) for own in self.services],
        )


def read_own(
    experiment: Experiment, *, results: Path, host: Mapping[str, str] = os.environ
) -> Own | None:
    """The experiment's application, None where it has none.

    `results` are never part of its source, and `host` are the variables of this machine. Raises
    `SpecError` and `UsageError` for what cannot be read.
    """
    application = experiment.application
    if application is None:
        return None
    request = experiment.request or Request()
    return Own(
        application=application,
        requirements=requirements_of(application),
        source=source_of(application, apart_from=[results]),
        variables=variables_of(application, host),
        files=tuple(
            _content(application, path, ("application", "files", target))
            for target, path in application.files
        ),
        request=request,
        response=experiment.response or Response(),
        headers=_headers(application, request),
        body=_body(application, request),
        services=own_services(application, host),
    )


def _headers(application: Application, request: Request) -> dict[str, str]:
    """The values of headers, with variables of the host in the place of `${NAME}`."""
    values: dict[str, str] = {}
    for header in request.headers:
        if header.value is None:
            continue
        keys = ("request", "headers", header.name)
        try:
            missing = [r.name for r in references(header.value) if r.default is None]
        except ValueError as error:
            application.written.fail(keys, f"{'.'.join(keys)}: {error}")
        if unset := [name for name in missing if name not in os.environ]:
            application.written.fail(
                keys, f"{'.'.join(keys)}: the variable {unset[0]} is not set here; set it"
            )
        values[header.name] = interpolated(header.value, os.environ.get)
    return values


def _body(application: Application, request: Request) -> bytes | None:
    if request.body_file is None:
        return request.body
    return _content(application, request.body_file, ("request", "body_file"))


def _content(application: Application, path: str, keys: tuple[str, ...]) -> bytes:
    whole = directory_of(application) / path
    try:
        return whole.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        application.written.fail(
            keys, f"{'.'.join(keys)}: {whole} cannot be read ({why}); fix the path or permissions"
        )
