"""The server program with distributions that its cells install: here, without a container."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runner import contract
from runner.resolver import run_uv, uv_binary
from tests.support import gunicorn_shop, program
from tests.support.program import WITHIN_S, Program

#: Neither a Flask nor a function: every server takes any WSGI application.
APPLICATION = """
class Shop:
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]


app = Shop()
"""
SERVERS = ("flask==3.1.3", "gevent==25.9.1", "waitress==3.0.2", "pyuwsgi==2.0.30.post1")
#: Versions between which gunicorn's command line changed: 25.1 has a control socket.
GUNICORNS = ("20.1.0", "21.2.0", "23.0.0", "25.1.0", "27.0.1")


def installed(directory: Path, *requirements: str) -> Path:
    """Install distributions for this interpreter into a directory."""
    command = [
        uv_binary(),
        "pip",
        "install",
        "--python",
        sys.executable,
        "--target",
        str(directory),
    ]
    result = run_uv([*command, *requirements])
    assert result.returncode == 0, result.stderr
    return directory


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("site"), *SERVERS)


def in_an_empty_directory(tmp_path: Path, *path: Path) -> Program:
    port, cwd = program.free_port(), tmp_path / "application"
    cwd.mkdir()
    program.install(tmp_path / "program", port=port)
    return Program(directory=tmp_path / "program", cwd=cwd, port=port, path=path)


@pytest.mark.parametrize("version", GUNICORNS)
def test_every_gunicorn_takes_the_command_line(tmp_path: Path, version: str) -> None:
    gunicorn = installed(tmp_path / "site", f"gunicorn=={version}", "setuptools<80", "packaging")
    served = in_an_empty_directory(tmp_path, gunicorn)
    gunicorn_shop.write(served)
    answer, effects = gunicorn_shop.served(served)
    assert answer == gunicorn_shop.ANSWER
    assert effects["overridden"]["workers"] == "4 → 1"
    assert "post_worker_init shop 10" in served.log


@pytest.mark.parametrize("patch", ["none", "gevent-time"])
@pytest.mark.parametrize("server", ["werkzeug", "werkzeug-single", "pywsgi", "waitress", "uwsgi"])
def test_every_server_serves_any_wsgi_application(
    tmp_path: Path, site: Path, server: str, patch: str
) -> None:
    served = in_an_empty_directory(tmp_path, site)
    (served.cwd / "shop.py").write_text(APPLICATION, encoding="utf-8")
    variables = {"MATRIX_APPLICATION": "shop", "MATRIX_SERVER": server, "MATRIX_PATCH": patch}
    with served.started(**variables) as process:
        assert served.answer(process) == "hello"
    effects = read(served)
    patched = {"none": None, "gevent-time": {"version": "25.9.1", "modules": ["time"]}}[patch]
    assert effects["by_label"]["gevent"] == patched
    # The server pywsgi imports gevent, and patches nothing.
    unpatched = {"version": "25.9.1", "modules": []} if server == "pywsgi" else None
    assert effects["gevent"] == (patched or unpatched)
    assert (effects["application"], effects["worker_class"]) == ("shop.Shop", None)


def test_a_worker_of_gevents_is_seen_to_patch(tmp_path: Path, site: Path) -> None:
    served = in_an_empty_directory(tmp_path, site)
    (served.cwd / "shop.py").write_text(APPLICATION, encoding="utf-8")
    configured = "def post_worker_init(worker): print(worker.cfg.worker_connections, flush=True)\n"
    (served.cwd / "gunicorn.conf.py").write_text(configured, encoding="utf-8")
    variables = {"MATRIX_APPLICATION": "shop", "MATRIX_SERVER": "gunicorn-gevent"}
    with served.started(**variables) as process:
        assert served.answer(process) == "hello"
    assert served.log == "10000\n"
    effects = read(served)
    assert effects["by_label"]["gevent"] is None
    assert "socket" in effects["gevent"]["modules"]


@pytest.mark.parametrize("placement", ["worker", "first"])
def test_uwsgi_dumps_the_stacks_of_its_worker_and_patches_where_it_is_told(
    tmp_path: Path, site: Path, placement: str
) -> None:
    served = in_an_empty_directory(tmp_path, site)
    (served.cwd / "shop.py").write_text(APPLICATION, encoding="utf-8")
    variables = {"MATRIX_APPLICATION": "shop", "MATRIX_SERVER": "uwsgi", "MATRIX_PATCH": "gevent"}
    with served.started(**variables, MATRIX_PLACEMENT=placement) as process:
        assert served.answer(process) == "hello"
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGUSR1)
        deadline = time.monotonic() + WITHIN_S
        while contract.END_OF_DUMP not in served.log and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "(most recent call first)" in served.log
    assert contract.END_OF_DUMP in served.log
    assert "socket" in read(served)["by_label"]["gevent"]["modules"]


def test_an_application_that_uwsgi_cannot_import_ends_it(tmp_path: Path, site: Path) -> None:
    served = in_an_empty_directory(tmp_path, site)
    (served.cwd / "shop.py").write_text("import nothing_like_this", encoding="utf-8")
    status = served.ended(MATRIX_APPLICATION="shop", MATRIX_SERVER="uwsgi")
    assert status == contract.IMPORT_FAILED
    assert served.log.splitlines()[-1].endswith("No module named 'nothing_like_this'")


def read(served: Program) -> dict[str, Any]:
    """What was in effect in the process that served."""
    (text,) = served.shared("effects")
    effects: dict[str, Any] = json.loads(text)
    return effects
