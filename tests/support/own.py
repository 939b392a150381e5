"""A run of an application with secrets of every kind, for the tests of what is written of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from runner.application.env_file import variables_of
from runner.application.own_python import own_python
from runner.application.secret_values import Secrets, secret_key
from runner.application.source import source_of
from runner.matrix.cell import Experiment
from runner.matrix.file import load
from runner.measurement.records import Effects, LaunchRecord, Patched
from runner.outcome import Outcome
from runner.store.application_record import ApplicationRecord, application_record, secrets_of
from runner.store.records import CompanionRecord, RunRecord
from tests.support.samples import cell, launch, run_record

#: Apart from what is before it: no file here names the host of an address.
SLASHES: Final = "//"
#: By what they are: of `env_file`, of `${NAME}`, in a header, a cookie, a command, a file.
SECRET: Final = {
    "env_file": 'tiger-"stripes" & <spots>',
    "password": "hunter22/secret",
    "host": "from-the-host-0042",
    "bearer": "eyJhbGciOi.J9.c2lnbmF0dXJl",
    "cookie": "5e55104c00c1e",
    "command": "get-token --user-password",
    "file": "key-in-a-file-77",
    # Words that this program's own records are full of.
    "a_name": "gevent",
    "a_key": "launch",
}
HOST: Final = {"TOKEN_OF_THE_HOST": SECRET["host"]}
MATRIX: Final = """\
version: 1
experiments:
  shop:
    axes: {python: ["3.11"], gevent: [25.9.1], patch: [none, gevent]}
    application:
      app: "shop.wsgi:create_app('load')"
      source: src
      requirements: [requirements.txt, "flask==3.1.2"]
      debian: [libmagic1]
      prepare: [make version-file]
      files: {/etc/shop.yml: shop.yml}
      environment: {MODE: load, API_TOKEN: "${TOKEN_OF_THE_HOST}"}
      env_file: .env
      before: [flask db upgrade]
      args: --max-requests 0
      services: {upstream: {companion: grpc}}
    request:
      method: POST
      path: /orders
      headers:
        Accept: text/html
        Authorization: "Bearer BEARER"
        Cookie: "session=COOKIE; theme=dark"
        X-Token: {command: COMMAND}
      json: {sku: 1}
    response: {status: [200, 201], contains: ok}
"""


def matrix(directory: Path, changes: Mapping[str, str] | None = None) -> Experiment:
    """The experiment of a matrix file with the application, its files beside it."""
    (directory / "src").mkdir(parents=True, exist_ok=True)
    (directory / "src" / "shop.py").write_text("application = None\n")
    (directory / "src" / "gunicorn.conf.py").write_text("workers = 4\n")
    (directory / "requirements.txt").write_text("flask==3.1.2\n")
    (directory / "shop.yml").write_text(f"debug: no\napi_key: '{SECRET['file']}'\n")
    (directory / ".env").write_text(
        f"SECRET_KEY='{SECRET['env_file']}'\nWORKER={SECRET['a_name']}\nKIND={SECRET['a_key']}\n"
        f"DATABASE_URL=postgresql:{SLASHES}shop:{SECRET['password'].replace('/', '%2F')}@db/shop\n"
    )
    text = MATRIX
    for name in ("bearer", "cookie", "command"):
        text = text.replace(name.upper(), SECRET[name])
    for was, now in (changes or {}).items():
        assert was in text
        text = text.replace(was, now)
    (directory / "matrix.yaml").write_text(text)
    return load(directory / "matrix.yaml").experiment()


def recorded(
    directory: Path,
    *,
    changes: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> tuple[ApplicationRecord, Secrets]:
    """The application's record and its secrets; `files` replaces those of the directory."""
    experiment = matrix(directory, changes)
    for name, content in (files or {}).items():
        (directory / name).write_text(content)
    application, request = experiment.application, experiment.request
    assert application
    assert request
    assert experiment.response
    variables = variables_of(application, HOST)
    contents = [(directory / path).read_bytes() for _, path in application.files]
    source = source_of(application)
    assert source
    record = application_record(
        application,
        request,
        experiment.response,
        source=source,
        variables=variables,
        key=secret_key(directory / "cache"),
        files=contents,
        python=own_python(source.directory),
    )
    return record, secrets_of(request, variables, contents)


NONE: Final = cell("3.11", "none", further={"server": "gunicorn-gthread"})
GEVENT: Final = cell("3.11", "gevent", gevent="25.9.1", further={"server": "gunicorn-gthread"})
MODULES: Final = (
    *("_thread", "os", "select", "selectors", "signal", "socket", "ssl", "subprocess"),
    *("threading", "time"),
)
ALL: Final = Patched(gevent_version="25.9.1", gevent_modules=MODULES)


def own_run(application: ApplicationRecord | None) -> RunRecord:
    """A run of two cells that serve the application."""
    run = run_record(NONE, GEVENT)
    return run.model_copy(
        update={
            "experiment": "shop",
            "application": application,
            "companions": {"grpc": CompanionRecord(image_id="sha256:dd", key="dd")},
        }
    )


def with_effects(record: LaunchRecord, seen: Patched, **effects: Any) -> LaunchRecord:
    """The launch with this in effect, where its patch mode says so if it is `gevent`."""
    label = ALL if record.cell == GEVENT.id else Patched()
    found = Effects(in_effect=seen, by_label=label, **effects)
    return record.model_copy(update={"effects": found})


def leaking(number: int) -> tuple[LaunchRecord, dict[str, bytes]]:
    """A launch that failed, and tells all secrets wherever something can be told."""
    told = "; ".join(SECRET.values())
    record = launch(GEVENT, number, outcome=Outcome.CRASHED, reason=f"exit status 1: {told}")
    record = with_effects(record, ALL, overridden={"raw_env": told}, application=told)
    record = record.model_copy(update={"disturbed": told})
    text = f"{told}\n{told!r}\n{told.encode()!r}\n".encode() + b"\xff not UTF-8\n"
    names = ("server.log", "stacks.txt", "sockets.txt", "companion.log", "ab.txt")
    return record, dict.fromkeys(names, text)


def in_any_form(secret: str) -> list[bytes]:
    """How a secret may look in a file, but for what stands for it: escaped, quoted, encoded."""
    forms = {secret, repr(secret)[1:-1], secret.replace('"', '\\"'), secret.replace("&", "&amp;")}
    return [*(form.encode() for form in forms), base64.b64encode(secret.encode())]
