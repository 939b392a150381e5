"""What `run.json` holds of the user's application: what was run, and nothing that is secret.

Of secrets there are names, and one digest by a key that stays on the machine: it tells whether two
runs had the same ones, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from runner.application.application_lock import ApplicationLock
from runner.application.env_file import Variables
from runner.application.own_python import Statement
from runner.application.secret_values import Secrets, keyed_digest, of_files, of_headers
from runner.application.services import OwnService
from runner.application.source import Source
from runner.build.service_images import ServiceImage
from runner.matrix.application import Application, Request, Response
from runner.measurement.records import Record
from runner.store.service_record import ServiceRecord, as_record, service_records

#: A user, a password or a token in an address, up to its host.
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")
#: What can be asked of an answer's body, by the names that the matrix file has for it.
_CHECKS: Final = ("body", "contains", "matches", "json")


class SourceRecord(Record):
    """What was copied: by which `rule` the files were chosen, how many, and their bytes.

    `digest` is SHA-256 over the names and contents of all.
    """

    rule: str
    digest: str
    files: int
    bytes: int


class RequestRecord(Record):
    """What was sent. Headers have secret values, so that only their names are here.

    The body has `body_bytes` bytes, None where there was none, and a digest by the machine's key.
    """

    method: str = "GET"
    path: str = "/"
    headers: tuple[str, ...] = ()
    content_type: str | None = None
    body_bytes: int | None = None
    body_digest: str | None = None


class ResponseRecord(Record):
    """The right answer: its statuses, and what was checked of the body.

    `check` is `body`, `contains`, `matches` or `json`, and `text` what the body was compared with;
    None where any body was right.
    """

    statuses: tuple[int, ...] = (200,)
    check: str | None = None
    text: str | None = None


class PythonRecord(Record):
    """What the application says of its own Python: where, in which words, and the version."""

    place: str
    text: str
    version: str | None = None


class ApplicationRecord(Record):
    """An application as it was run. Paths are relative to the matrix file or to the source.

    `source` is None where nothing was copied. `requirements` are as written, without passwords in
    addresses; what they came to is in the environments. `environment` has the public variables.
    `secret_names` are `variable NAME`, `header NAME` and `file PATH` (in the container), and
    `secret_digest` is over all their values, by the machine's key; None where there are none.
    `gunicorn_config` is None where gunicorn looked for one itself, and `command` what starts the
    server. `services` are by the names that the application uses. `python` is what it says of its
    own Python.
    """

    app: str
    chdir: str = "."
    source: SourceRecord | None = None
    requirements: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    installed_project: bool = False
    debian: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    secret_names: tuple[str, ...] = ()
    secret_digest: str | None = None
    gunicorn_config: str | None = None
    args: tuple[str, ...] = ()
    worker_class: str | None = None
    command: tuple[str, ...] = ()
    services: dict[str, Annotated[ServiceRecord, BeforeValidator(as_record)]] = Field(
        default_factory=dict
    )
    request: RequestRecord = RequestRecord()
    response: ResponseRecord = ResponseRecord()
    python: PythonRecord | None = None


class BuiltRecord(Record):
    """A distribution that had no wheel and was built; `origin` is what it was built from."""

    name: str
    version: str
    origin: str


def application_record(
    application: Application,
    request: Request,
    response: Response,
    *,
    source: Source | None,
    variables: Variables,
    key: bytes,
    files: Sequence[bytes] = (),
    body: bytes | None = None,
    python: Statement | None = None,
    services: Sequence[tuple[OwnService, ServiceImage]] = (),
) -> ApplicationRecord:
    """The record of an application. `key` is the machine's: see `secret_key`.

    `files` are the contents of the application's `files`, in their order, and `body` is what is
    sent, also where the matrix file names a file for it. `services` are those that are no
    companions.
    """
    secrets = dict(_secrets(application, request, variables, files))
    secrets |= {name: value for own, _ in services for name, value in _of_service(own)}
    parts = (part for name, value in sorted(secrets.items()) for part in (name, value))
    return ApplicationRecord(
        app=str(application.app),
        chdir=application.chdir,
        source=_source(source),
        requirements=tuple(map(without_credentials, application.requirements)),
        groups=application.groups,
        extras=application.extras,
        installed_project=application.install,
        debian=application.debian,
        prepare=application.prepare,
        before=application.before,
        environment=dict(variables.public),
        secret_names=tuple(secrets),
        secret_digest=keyed_digest(key, parts) if secrets else None,
        gunicorn_config=application.gunicorn_config,
        args=application.args,
        worker_class=application.worker_class,
        command=application.command,
        services=service_records(
            {one.name: one.companion for one in application.services if one.companion}, services
        ),
        request=_request(request, request.body if body is None else body, key),
        response=_response(response),
        python=python
        and PythonRecord(place=python.place, text=python.text, version=python.version),
    )


def _secrets(
    application: Application, request: Request, variables: Variables, files: Sequence[bytes]
) -> Iterator[tuple[str, bytes]]:
    """Each secret by its name. A command that prints a header may hold one itself."""
    for name, value in variables.secret:
        yield f"variable {name}", value.encode("utf-8", "surrogateescape")
    for header in request.headers:
        value = f"{'value' if header.command is None else 'command'} {header.value}{header.command}"
        yield f"header {header.name}", value.encode()
    for (path, _), content in zip(application.files, files, strict=True):
        yield f"file {path}", content


def _of_service(own: OwnService) -> Iterator[tuple[str, bytes]]:
    """Each secret of a service by its name, and what its database reads at first."""
    for name, value in own.secret:
        yield f"service {own.name}: {name}", value.encode("utf-8", "surrogateescape")
    for path, (content, mode) in own.files.items():
        yield f"service {own.name}: file {path}", f"{mode:o} ".encode() + content


def secrets_of(request: Request, variables: Variables, files: Sequence[bytes] = ()) -> Secrets:
    """All values that must not be in what is written: of variables, headers and files.

    The values of headers that a command prints are known only when it was run.
    """
    headers = (part for header in request.headers for part in (header.value, header.command))
    return variables.secrets | of_headers(part for part in headers if part) | of_files(files)


def _source(source: Source | None) -> SourceRecord | None:
    if source is None:
        return None
    return SourceRecord(
        rule=str(source.rule), digest=source.digest, files=len(source.files), bytes=source.size
    )


def _request(request: Request, body: bytes | None, key: bytes) -> RequestRecord:
    return RequestRecord(
        method=request.method,
        path=request.path,
        headers=tuple(header.name for header in request.headers),
        content_type=request.content_type,
        body_bytes=None if body is None else len(body),
        body_digest=None if body is None else keyed_digest(key, [body]),
    )


def _response(response: Response) -> ResponseRecord:
    """At most one thing about the body is checked."""
    asked = {name: getattr(response, name) for name in _CHECKS}
    check = next((name for name, text in asked.items() if text is not None), None)
    return ResponseRecord(
        statuses=response.statuses, check=check, text=asked[check] if check else None
    )


def without_credentials(text: str) -> str:
    """A requirement without the user, password or token of an address in it."""
    return _CREDENTIALS.sub("", text)


# -- what was installed ----------------------------------------------------------------------------


def installed(lock: ApplicationLock | None) -> Mapping[str, object]:
    """What an environment's record has of an application's lock, by the names of its fields."""
    if lock is None:
        return {}
    return {
        "moved": tuple(map(str, lock.moved)),
        "added": lock.added,
        "built": tuple(
            BuiltRecord(
                name=built.name, version=built.version, origin=without_credentials(built.origin)
            )
            for built in lock.lock.built
        ),
        "of_another_python": lock.of_another_python,
        "contradiction": lock.contradiction or None,
    }


def ways_to_differ(old: ApplicationRecord, new: ApplicationRecord) -> Iterator[str]:
    """What of two records differs, a line each: `app: a → b`. Digests by a key are not shown."""
    for name in ApplicationRecord.model_fields:
        was, now = getattr(old, name), getattr(new, name)
        if was == now:
            continue
        if isinstance(was, Record) and isinstance(now, Record):
            yield from _within(name, was, now)
        elif name == "secret_digest":
            yield "secrets: other values, or of another machine, whose digests do not compare"
        else:
            yield f"{name}: {_words(was)} → {_words(now)}"


def _within(name: str, was: Record, now: Record) -> Iterator[str]:
    for part in type(was).model_fields:
        before, after = getattr(was, part), getattr(now, part)
        if before != after and part == "body_digest":
            yield "request body: another one, or of another machine, whose digests do not compare"
        elif before != after:
            yield f"{name} {part}: {_words(before)} → {_words(after)}"


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in value.items()) or "none"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else _short(str(value))


def _short(text: str) -> str:
    """A digest by its first characters, as people compare them."""
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text
