"""Secrets of an application that tells them everywhere are in nothing that is left of its runs."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from runner import cli
from runner.engine.ownership import PROJECT_LABEL
from runner.options import ExportFormat
from tests.integration.conftest import SERVED

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared"), pytest.mark.alone]

#: By where they stand: in `env_file`, a variable of the host, a header, a file, and what a command
#: prints, which makes it of others.
SECRETS = {
    "env_file": "tiger-in-env-file-4711",
    "host": "from-the-host-0042-zebra",
    "header": "bearer-of-a-header-9x9",
    "file": "key-in-a-file-77-otter",
    "printed": "printed-by-a-command-b0b",
}
APPLICATION = """\
import os
import sys

from flask import Flask, request

app = Flask(__name__)
print("started with", dict(os.environ), open("/etc/shop.key").read(), file=sys.stderr)


@app.get("/")
def tell():
    told = [request.headers["Authorization"], request.headers["X-Token"], os.environ["PASSWORD"],
            os.environ["TOKEN"], open("/etc/shop.key").read().strip()]
    print("asked with", told, file=sys.stderr, flush=True)
    if "gevent" in sys.modules:
        raise RuntimeError("cannot use %s" % told)
    return " ".join(told)


@app.cli.command()
def token():
    print("".join(reversed("b0b-dnammoc-a-yb-detnirp")))
"""
MATRIX = """\
version: 1
experiments:
  shop:
    axes: {python: [3.11], gevent: [25.9.1], patch: [none, gevent], server: [gunicorn-sync]}
    exclude_newer: 2026-11-01
    base: debian
    application:
      app: shop
      source: src
      requirements: flask==3.1.3
      files: {/etc/shop.key: shop.key}
      environment: {TOKEN: "${HOST_TOKEN}", COLOUR: public-literal}
      env_file: .env
      before: env
    request:
      headers: {Authorization: "Bearer bearer-of-a-header-9x9", X-Token: {command: flask token}}
    response: {contains: tiger}
    load: {concurrency: 2, requests: 20}
    launches: 1
    repeats: 0
"""


class Shop:
    """A directory with the application, and `matrix` called there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.printed: list[str] = []
        (directory / "src").mkdir()
        (directory / "src" / "shop.py").write_text(APPLICATION)
        (directory / "matrix.yaml").write_text(MATRIX)
        (directory / ".env").write_text(f"PASSWORD='{SECRETS['env_file']}'\n")
        (directory / "shop.key").write_text(f"{SECRETS['file']}\n")

    def matrix(self, *arguments: str) -> None:
        """Call a command, and keep what it prints to both of its outputs."""
        out, err = io.StringIO(), io.StringIO()
        argv = ["matrix", *arguments, "--results", str(self.directory / "results")]
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patched,
        ):
            patched.setenv("HOST_TOKEN", SECRETS["host"])
            patched.setattr(sys, "argv", argv)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        assert not ended.value.code, err.getvalue()
        self.printed += [out.getvalue(), err.getvalue()]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Planned, run, shown, exported and published."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    for command in ("plan", "run"):
        made.matrix(command, "--file", str(made.directory / "matrix.yaml"))
    for cell in ("py3.11-none", "py3.11-gevent25.9.1-gevent"):
        made.matrix("show", "latest", cell)
    made.matrix("publish")
    for format_ in ExportFormat:
        made.matrix("export", "--format", format_)
    return made


def told(content: bytes) -> list[str]:
    """The secrets in some bytes."""
    return [name for name, secret in SECRETS.items() if secret.encode() in content]


def records(shop: Shop, name: str) -> Iterator[Any]:
    for path in sorted((shop.directory / "results").rglob(name)):
        yield json.loads(path.read_text())


def test_the_application_is_served_with_all_of_them_and_tells_them(shop: Shop) -> None:
    outcomes = {record["outcome"] for record in records(shop, "result.json")}
    assert "wrong-answer" in outcomes
    assert outcomes & SERVED
    reasons = " ".join(r["reason"] for r in records(shop, "result.json") if r["reason"])
    assert "cannot use ['***', '***', '***', '***', '***']" in reasons
    logs = [path.read_text() for path in (shop.directory / "results").rglob("server.log")]
    assert any("asked with ['***', '***'" in log for log in logs)
    assert any("public-literal" in log for log in logs)


def test_none_is_in_a_result_or_a_publication(shop: Shop) -> None:
    files = [path for path in (shop.directory / "results").rglob("*") if path.is_file()]
    assert any(path.name == "index.html" for path in files)
    assert {str(path): found for path in files if (found := told(path.read_bytes()))} == {}


def test_none_is_printed(shop: Shop) -> None:
    printed = "\n".join(shop.printed)
    assert "-e TOKEN" in printed
    assert "public-literal" in printed
    assert told(printed.encode()) == []


def test_none_is_in_an_image(shop: Shop, client: docker.DockerClient) -> None:
    images = client.images.list(filters={"label": PROJECT_LABEL})
    described = json.dumps([[image.attrs, image.history()] for image in images])
    assert "public-literal" in described
    assert told(described.encode()) == []
    (cell,) = (i for i in images if "localhost/monkey-matrix/cell-shop:py3.11-none" in i.tags)
    before = b""
    for piece in cell.save():
        assert told(before + piece) == []
        before = piece[-100:]
